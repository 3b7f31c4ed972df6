/**
 * One entry of an IMA list. What the kernel hashed is `data`, and everything else that a person asks of an entry is
 * read out of those bytes, so that nothing is believed which the register does not cover. Fields are read when asked
 * for: a list has a million entries, and most are only hashed.
 */
import { fromUtf8 } from '../../../core/bytes.ts';
import { AttestdError } from '../../../core/errors.ts';
import { type ImaField, type ImaTemplate, LEGACY_DIGEST } from './template.ts';

/** A file's digest as the kernel computed it. */
export interface ImaDigest {
  /** The kernel's name of the hash: `sha1`, `sha256`, … */
  readonly algorithm: string;
  readonly value: Uint8Array;
  /** What was hashed, in templates of version 2: `ima` for the content, `verity` for an fs-verity digest. */
  readonly type?: string;
}

/** Bytes of the digests whose names the kernel uses; another name is taken with any length. */
const SIZES: Readonly<Record<string, number>> = {
  md5: 16,
  sha1: 20,
  rmd160: 20,
  sha224: 28,
  sha256: 32,
  sha384: 48,
  sha512: 64,
  sm3: 32,
  'sm3-256': 32,
  sm3_256: 32,
  'sha3-256': 32,
  'sha3-384': 48,
  'sha3-512': 64,
};
const MAX_LABEL = 64;
const LABEL = /^(?:([a-z]{1,16}):)?([a-z0-9_-]{1,48}):$/;

/** Bytes [from, to) of a page. A view is made when it is asked for: a million views would cost more than the hashes. */
export interface Place {
  readonly page: Uint8Array;
  readonly from: number;
  readonly to: number;
}

export class ImaEntry {
  /** Its place in the list, from 0. */
  readonly index: number;
  readonly pcr: number;
  /** The template's name as the list has it. */
  readonly template: string;
  /**
   * The recorded hash is zeros: the file was open for writing while it was measured, and the kernel extended all ones.
   * The register then covers none of this entry's data, so what it says of a file is not shown by anything.
   */
  readonly violation: boolean;
  /** What the template hash covers. Not to be written to. */
  readonly data: Uint8Array;
  readonly #template: ImaTemplate | undefined;
  readonly #big: boolean;
  readonly #recorded: Place;

  /**
   * @param template the known template; absent for one whose fields nobody here knows
   * @param big lengths are big-endian, as on a big-endian host
   * @param checked the data was made field by field and has them
   * @throws MALFORMED when the data does not have the template's fields
   */
  constructor(
    index: number,
    pcr: number,
    name: string,
    template: ImaTemplate | undefined,
    recorded: Place,
    data: Uint8Array,
    big: boolean,
    checked = false,
  ) {
    this.index = index;
    this.pcr = pcr;
    this.template = name;
    this.#recorded = recorded;
    this.violation = isZero(recorded);
    this.data = data;
    this.#template = template;
    this.#big = big;
    if (template !== undefined && !checked) this.#check(template);
  }

  /** The template hash as the list has it: SHA-1 in the usual lists, another where the list is kept by another hash. */
  get recordedHash(): Uint8Array {
    const { page, from, to } = this.#recorded;
    return page.subarray(from, to);
  }

  /** Whether the template's fields are known. */
  get known(): boolean {
    return this.#template !== undefined;
  }

  /** The bytes of a field by its id (`d-ng`, `n-ng`, `sig`, …); absent where the template has no such field. */
  field(id: string): Uint8Array | undefined {
    const fields = this.#template?.fields ?? [];
    const at = fields.findIndex((f) => f.id === id);
    return at < 0 ? undefined : this.#at(at);
  }

  /** The file's digest; absent where the template has none. All zeros in a violation. */
  get digest(): ImaDigest | undefined {
    const bare = this.field('d');
    if (bare !== undefined) return { algorithm: 'sha1', value: bare };
    const labelled = this.field('d-ng') ?? this.field('d-ngv2');
    return labelled === undefined ? undefined : readDigest(labelled);
  }

  /** The name's bytes without the NUL: a path, `boot_aggregate`, or what a buffer is called. */
  get name(): Uint8Array | undefined {
    const name = this.#template === undefined ? undefined : this.#at(this.#template.nameAt);
    if (name === undefined) return undefined;
    const end = name.indexOf(0);
    return end < 0 ? name : name.subarray(0, end);
  }

  /** The name as text; absent where it is not UTF-8, so that no two names read alike. */
  get path(): string | undefined {
    const { name } = this;
    try {
      return name === undefined ? undefined : fromUtf8(name);
    } catch {
      return undefined;
    }
  }

  /** The file's signature as its extended attribute holds it (or the EVM signature); absent where there is none. */
  get signature(): Uint8Array | undefined {
    const found = this.field('sig') ?? this.field('evmsig');
    return found === undefined || found.length === 0 ? undefined : found;
  }

  /** A measured buffer, where the entry is of one: a key, a command line, device-mapper events. */
  get buffer(): Uint8Array | undefined {
    return this.field('buf');
  }

  /** Field number `wanted`, by walking the lengths. */
  #at(wanted: number): Uint8Array | undefined {
    const { data } = this;
    if (wanted < 0) return undefined;
    if (this.#template?.legacy) {
      return wanted === 0 ? data.subarray(0, LEGACY_DIGEST) : data.subarray(LEGACY_DIGEST);
    }
    let at = 0;
    for (let i = 0; i < wanted; i++) at += 4 + this.#length(at);
    return data.subarray(at + 4, at + 4 + this.#length(at));
  }

  #length(at: number): number {
    const d = this.data;
    const [a, b, c, e] = [d[at] as number, d[at + 1] as number, d[at + 2] as number, d[at + 3] as number];
    return (this.#big ? (a << 24) | (b << 16) | (c << 8) | e : (e << 24) | (c << 16) | (b << 8) | a) >>> 0;
  }

  #check({ fields, legacy, name }: ImaTemplate): void {
    const { data } = this;
    if (legacy) return;
    let at = 0;
    for (const field of fields) {
      if (data.length - at < 4) throw this.#fault(`the template ${name} has more fields`);
      const length = this.#length(at);
      at += 4;
      if (length > data.length - at) {
        throw this.#fault(`the field ${field.id} of ${length} bytes does not fit`);
      }
      const why = faultOf(field, data, at, at + length, this.violation);
      if (why !== undefined) throw this.#fault(`the field ${field.id} ${why}`);
      at += length;
    }
    if (at !== data.length) throw this.#fault(`${data.length - at} bytes after the last field`);
  }

  #fault(why: string): AttestdError {
    return new AttestdError('MALFORMED', `IMA list: entry ${this.index}: ${why}`);
  }
}

/**
 * What is wrong with the bytes of a field, or nothing.
 * @param violation the digest is room for one and no digest: kernels have left 20 bytes for it, whatever its hash
 */
function faultOf(
  field: ImaField,
  data: Uint8Array,
  from: number,
  to: number,
  violation: boolean,
): string | undefined {
  switch (field.kind) {
    case 'number':
      return to - from === field.size ? undefined : `has not ${field.size} bytes`;
    case 'text':
      if (to === from) return field.id === 'n-ng' || field.id === 'n' ? 'is empty' : undefined;
      return data.indexOf(0, from) === to - 1 ? undefined : 'is not one text that ends in NUL';
    case 'labelled':
      if (to === from) return field.id === 'd-modsig' ? undefined : 'is empty';
      return labelFault(data, from, to, violation);
    default:
      return undefined;
  }
}

/** The usual labels, with the bytes of their digest; others are looked at letter by letter. */
const LABELS: ReadonlyMap<string, number> = new Map(
  Object.entries(SIZES).map(([name, n]) => [`${name}:`, n]),
);

/** By far the most usual label, which need not become a string to be known. */
const SHA256_LABEL = 'sha256:\0';

function begins(data: Uint8Array, from: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (data[from + i] !== text.charCodeAt(i)) return false;
  return true;
}

function labelFault(data: Uint8Array, from: number, to: number, anySize: boolean): string | undefined {
  if (to - from === SHA256_LABEL.length + 32 && begins(data, from, SHA256_LABEL)) return undefined;
  let end = from;
  let label = '';
  const stop = Math.min(to, from + MAX_LABEL);
  while (end < stop && data[end] !== 0) label += String.fromCharCode(data[end++] as number);
  if (end === stop) return 'names no hash';
  let size = LABELS.get(label);
  if (size === undefined) {
    const m = LABEL.exec(label);
    if (m === null) return 'names no hash';
    size = LABELS.get(`${m[2]}:`) ?? 0;
  }
  const length = to - end - 1;
  if (length === 0 || (size !== 0 && length !== size && !anySize))
    return `has ${length} bytes of ${label.slice(0, -1)}`;
  return undefined;
}

function readDigest(field: Uint8Array): ImaDigest {
  const end = field.indexOf(0);
  const [, type, algorithm] = LABEL.exec(fromUtf8(field.subarray(0, end))) as RegExpExecArray;
  const digest = { algorithm: algorithm as string, value: field.subarray(end + 1) };
  return type === undefined ? digest : { ...digest, type };
}

function isZero({ page, from, to }: Place): boolean {
  for (let i = from; i < to; i++) if (page[i] !== 0) return false;
  return true;
}
