/** Writes IMA lists as the kernel does (security/integrity/ima/ima_fs.c), from fields, with any hash. */
import { createHash } from 'node:crypto';

export interface Made {
  readonly pcr?: number;
  readonly template: string;
  /** Bytes of each field as the kernel holds them. */
  readonly fields: readonly Uint8Array[];
  /** How each field shows in the ASCII form. */
  readonly shown: readonly string[];
  readonly violation?: boolean;
}

export interface Writing {
  readonly hash?: string;
  readonly big?: boolean;
}

const bytes = (s: string) => new Uint8Array(Buffer.from(s));

function u32(n: number, big: boolean): Uint8Array {
  const b = Buffer.alloc(4);
  if (big) b.writeUInt32BE(n);
  else b.writeUInt32LE(n);
  return b;
}

/** What the template hash covers. */
export function hashed({ template, fields }: Made, { big = false }: Writing = {}): Uint8Array {
  if (template === 'ima') {
    const [digest, name] = fields as [Uint8Array, Uint8Array];
    return Buffer.concat([digest, name, Buffer.alloc(257 - name.length - 1)]);
  }
  return Buffer.concat(fields.flatMap((f) => [u32(f.length, big), f]));
}

function hashIn(made: Made, writing: Writing): Buffer {
  const digest = createHash(writing.hash ?? 'sha1')
    .update(hashed(made, writing))
    .digest();
  return made.violation === true ? Buffer.alloc(digest.length) : digest;
}

export function asBinary(made: Made, writing: Writing = {}): Uint8Array {
  const big = writing.big ?? false;
  const name = bytes(made.template);
  const head = [u32(made.pcr ?? 10, big), hashIn(made, writing), u32(name.length, big), name];
  if (made.template === 'ima') {
    const [digest, file] = made.fields as [Uint8Array, Uint8Array];
    return Buffer.concat([...head, digest, u32(file.length - 1, big), file.subarray(0, -1)]);
  }
  const data = hashed(made, writing);
  return Buffer.concat([...head, u32(data.length, big), data]);
}

export function asAscii(made: Made, writing: Writing = {}): Uint8Array {
  const pcr = String(made.pcr ?? 10).padStart(2);
  return bytes(`${pcr} ${hashIn(made, writing).toString('hex')} ${made.template} ${made.shown.join(' ')}\n`);
}

/** A field of a hash with its label. */
export function labelled(label: string, value: Uint8Array): Uint8Array {
  return Buffer.concat([bytes(`${label}:`), Buffer.alloc(1), value]);
}

/** A text field. */
export function nul(text: string): Uint8Array {
  return bytes(`${text}\0`);
}

/** An entry of the template `ima-ng` (or another that begins like it), and further fields as bytes. */
export function made(
  template: string,
  path: string,
  value: Uint8Array,
  more: readonly Uint8Array[] = [],
  label = 'sha256',
): Made {
  const hex = Buffer.from(value).toString('hex');
  return {
    template,
    fields: [labelled(label, value), nul(path), ...more],
    shown: [`${label}:${hex}`, path, ...more.map((b) => Buffer.from(b).toString('hex'))],
  };
}
