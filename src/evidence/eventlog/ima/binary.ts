/**
 * An entry of `binary_runtime_measurements`: register, template hash, template name, and the very bytes that were
 * hashed. Nothing in the list says how long the hash is or in which order its bytes stand: the first entry shows both,
 * for only with the right ones does a template's name follow the hash.
 */
import { AttestdError } from '../../../core/errors.ts';
import type { Arena } from './arena.ts';
import { ImaEntry } from './entry.ts';
import { type ImaTemplate, LEGACY_DIGEST, LEGACY_NAME, MAX_TEMPLATE_NAME, templateOf } from './template.ts';

/** Longest template data that is taken. */
export const MAX_DATA = 1024 * 1024;
/** Bytes within which the first entry shows how the list is written. */
export const SHAPE_BYTES = 4 + 64 + 4 + MAX_TEMPLATE_NAME;

/** How a binary list is written. */
export interface BinaryShape {
  /** Bytes of the template hash: 20 in `binary_runtime_measurements`, else by the list's own hash. */
  readonly hash: number;
  readonly big: boolean;
}

/** How a list that begins with these bytes is written; absent where no entry begins here. */
export function shapeOf(bytes: Uint8Array): BinaryShape | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const hash of [20, 32, 48, 64, 16]) {
    for (const big of [false, true]) {
      const at = 4 + hash;
      if (bytes.length < at + 4 || view.getUint32(0, !big) > 23) continue;
      const length = view.getUint32(at, !big);
      const name = bytes.subarray(at + 4, at + 4 + length);
      if (length === 0 || length > MAX_TEMPLATE_NAME || name.length < length) continue;
      if (name.every(isNamePart)) return { hash, big };
    }
  }
  return undefined;
}

/** `a-z 0-9 - _ |`: what a template's name or list of fields is made of. */
function isNamePart(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39) || c === 0x2d || c === 0x5f || c === 0x7c;
}

/** What an entry's beginning says. */
interface Head {
  readonly name: string;
  readonly template: ImaTemplate | undefined;
}

/** Reads entries one after the other; remembers the template of the last. */
export class BinaryEntries {
  readonly #arena: Arena;
  readonly #shape: BinaryShape;
  #head: Head | undefined;

  constructor(arena: Arena, shape: BinaryShape) {
    this.#arena = arena;
    this.#shape = shape;
  }

  /**
   * The entry that begins at `from`, and where the next one does; absent when the bytes up to `to` do not hold it whole.
   * @throws MALFORMED naming the entry
   */
  read(
    bytes: Uint8Array,
    from: number,
    to: number,
    index: number,
  ): { readonly entry: ImaEntry; readonly end: number } | undefined {
    const { hash, big } = this.#shape;
    const fault = (why: string) => new AttestdError('MALFORMED', `IMA list: entry ${index}: ${why}`);
    let at = from + 4 + hash + 4;
    if (at > to) return undefined;
    const pcr = u32(bytes, from, big);
    if (pcr > 23) throw fault(`register ${pcr}`);
    const length = u32(bytes, at - 4, big);
    if (length === 0 || length > MAX_TEMPLATE_NAME) throw fault(`a template name of ${length} bytes`);
    if (at + length + 4 > to) return undefined;
    const head = this.#headAt(bytes, at, length, fault);
    at += length;
    const recorded = { page: bytes, from: from + 4, to: from + 4 + hash };
    const { name, template } = head;
    let data: Uint8Array;
    if (template?.legacy) {
      at += LEGACY_DIGEST + 4;
      if (at > to) return undefined;
      const size = u32(bytes, at - 4, big);
      if (size === 0 || size >= LEGACY_NAME) throw fault(`a name of ${size} bytes`);
      if (at + size > to) return undefined;
      const room = this.#arena.room(LEGACY_DIGEST + LEGACY_NAME);
      const { page } = this.#arena;
      page.set(bytes.subarray(at - 4 - LEGACY_DIGEST, at - 4), room);
      page.set(bytes.subarray(at, at + size), room + LEGACY_DIGEST);
      data = this.#arena.take(LEGACY_DIGEST + LEGACY_NAME);
      at += size;
      if (data.indexOf(0, LEGACY_DIGEST) < LEGACY_DIGEST + size) throw fault('a NUL in the name');
    } else {
      const size = u32(bytes, at, big);
      if (size > MAX_DATA) throw fault(`template data of ${size} bytes, at most ${MAX_DATA} allowed`);
      at += 4 + size;
      if (at > to) return undefined;
      data = bytes.subarray(at - size, at);
    }
    return { entry: new ImaEntry(index, pcr, name, template, recorded, data, big), end: at };
  }

  #headAt(bytes: Uint8Array, at: number, length: number, fault: (why: string) => AttestdError): Head {
    const last = this.#head;
    if (last !== undefined && last.name.length === length) {
      let same = true;
      for (let i = 0; same && i < length; i++) same = bytes[at + i] === last.name.charCodeAt(i);
      if (same) return last;
    }
    const name = bytes.subarray(at, at + length);
    if (!name.every(isNamePart)) throw fault('the name of its template is no text');
    const text = String.fromCharCode(...name);
    this.#head = { name: text, template: templateOf(text) };
    return this.#head;
  }
}

function u32(b: Uint8Array, at: number, big: boolean): number {
  const [p, q, r, s] = [b[at] as number, b[at + 1] as number, b[at + 2] as number, b[at + 3] as number];
  return (big ? (p << 24) | (q << 16) | (r << 8) | s : (s << 24) | (r << 16) | (q << 8) | p) >>> 0;
}
