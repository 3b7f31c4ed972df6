/**
 * Payload of a BATCH frame: the entries in the encoding of a tlog-tiles entry bundle (u16 length ‖ bytes, each), so
 * that bundles are slices of it, then for each entry what the store keeps beside it:
 *
 * ```
 * u8 flags · [1] id[16] u32 uid · [32] u32 uid alone · [2] key[32] body[32] · [4] u32 length u32 CRC32C of its opening · [16] u64 counter
 * ```
 * in this order; flag 8 marks a boot entry, 16 an anchor. Openings follow in the erasable part.
 */
import { AttestdError } from '../core/errors.ts';
import { isUlid } from '../core/ulid.ts';
import { crc32c } from './crc32c.ts';
import { type Frame, TYPE } from './frame.ts';
import { leafInto } from './hash.ts';

/** The largest entry (tlog-tiles: a u16 length). */
export const MAX_ENTRY = 0xffff;
/** The largest opening of one record. */
export const MAX_OPENING: number = 1 << 20;
/** What fills an erased opening: never in UTF-8, so no opening looks like it. */
export const ERASED = 0xff;

/** Why an entry matters to the start-up rules. */
export type Mark = { readonly kind: 'boot' } | { readonly kind: 'anchor'; readonly counter: bigint };

/** One record to make durable. */
export interface Item {
  /** Stored and hashed as it is, 1 to 65,535 bytes. */
  readonly entry: Uint8Array;
  /** ULID under which `lookup` finds it; needs `uid`. */
  readonly id?: string;
  /** Whose record it is. */
  readonly uid?: number;
  /** UTF-8 of the openings of its disclosures, kept until `forget`. */
  readonly opening?: Uint8Array | undefined;
  /** SHA-256 of the caller's key and of the request body; needs `uid`. */
  readonly idempotency?: { readonly key: Uint8Array; readonly body: Uint8Array } | undefined;
  readonly mark?: Mark;
}

/** What stands beside one entry in its frame. */
export interface Meta {
  readonly id?: string;
  readonly uid?: number;
  readonly key?: Buffer;
  readonly body?: Buffer;
  readonly mark?: Mark;
  /** Place of the opening within the erasable part. */
  readonly opening?: { readonly at: number; readonly length: number; readonly crc: number };
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const VALUE = new Uint8Array(128);
for (let i = 0; i < 32; i++) VALUE[ALPHABET.charCodeAt(i)] = i;

/** Milliseconds of a ULID. */
export function ulidTime(id: string): number {
  let ms = 0;
  for (let i = 0; i < 10; i++) ms = ms * 32 + (VALUE[id.charCodeAt(i)] as number);
  return ms;
}

/** Writes the 128 bits of a ULID. */
export function putUlid(b: Buffer, id: string, at: number): void {
  // 26 characters of 5 bits are 130: the first carries 3, so two zero bits stand in front.
  let acc = 0;
  let bits = -2;
  let out = at;
  for (let i = 0; i < 26; i++) {
    acc = ((acc << 5) | (VALUE[id.charCodeAt(i)] as number)) & 0xffff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      b[out++] = (acc >> bits) & 255;
    }
  }
}

/** Reads what `putUlid` wrote. */
export function getUlid(b: Buffer, at: number): string {
  let text = '';
  let acc = 0;
  let bits = 2;
  for (let i = 0; i < 16; i++) {
    acc = ((acc << 8) | (b[at + i] as number)) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(acc >> bits) & 31];
    }
  }
  return text;
}

/** @throws RECORD_TOO_LARGE or MALFORMED when the store cannot keep this item */
export function checkItem(item: Item): void {
  const { entry, id, uid, opening, idempotency } = item;
  if (entry.length === 0) throw new AttestdError('MALFORMED', 'the entry is empty');
  if (entry.length > MAX_ENTRY)
    throw new AttestdError('RECORD_TOO_LARGE', `an entry of ${entry.length} bytes, at most 65,535`);
  if (id !== undefined && !isUlid(id)) throw new AttestdError('MALFORMED', 'the id is not a ULID');
  if ((id !== undefined || idempotency !== undefined) && !(uid !== undefined && uid >>> 0 === uid))
    throw new AttestdError('MALFORMED', 'an id or idempotency key without the uid of its owner');
  if (idempotency !== undefined && (idempotency.key.length !== 32 || idempotency.body.length !== 32))
    throw new AttestdError('MALFORMED', 'an idempotency digest is not 32 bytes');
  if (opening === undefined) return;
  if (opening.length > MAX_OPENING)
    throw new AttestdError('RECORD_TOO_LARGE', `openings of ${opening.length} bytes, at most 1 MiB`);
  if (opening.length === 0 || opening[0] === 0 || opening[0] === ERASED)
    throw new AttestdError('MALFORMED', 'an opening is not UTF-8 text');
}

/** Bytes of the metadata of an item, at most. */
export const META_MAX = 1 + 20 + 64 + 8 + 8;

/** Writes the metadata of a checked item. @returns where it ends */
export function putMeta(b: Buffer, item: Item, from: number): number {
  let at = from + 1;
  let flags = 0;
  const { id, uid, idempotency, opening, mark } = item;
  if (uid !== undefined) {
    flags |= id === undefined ? 32 : 1;
    if (id !== undefined) {
      putUlid(b, id, at);
      at += 16;
    }
    b.writeUInt32BE(uid, at);
    at += 4;
  }
  if (idempotency !== undefined) {
    flags |= 2;
    b.set(idempotency.key, at);
    b.set(idempotency.body, at + 32);
    at += 64;
  }
  if (opening !== undefined) {
    flags |= 4;
    b.writeUInt32BE(opening.length, at);
    b.writeUInt32BE(crc32c(opening), at + 4);
    at += 8;
  }
  if (mark?.kind === 'boot') flags |= 8;
  if (mark?.kind === 'anchor') {
    flags |= 16;
    b.writeBigUInt64BE(mark.counter, at);
    at += 8;
  }
  b[from] = flags;
  return at;
}

/** Writes metadata as it was read, of an opening only that there was one. @returns where it ends */
export function metaBytes(b: Buffer, meta: Meta, from: number): number {
  const { id, uid, key, body, opening, mark } = meta;
  const item: Item = {
    entry: new Uint8Array(0),
    ...(id === undefined ? {} : { id }),
    ...(uid === undefined ? {} : { uid }),
    ...(key === undefined || body === undefined ? {} : { idempotency: { key, body } }),
    ...(opening === undefined ? {} : { opening: new Uint8Array(0) }),
    ...(mark === undefined ? {} : { mark }),
  };
  return putMeta(b, item, from);
}

const damaged = (frame: Frame, why: string) =>
  new AttestdError('STORE_CORRUPT', `frame at byte ${frame.offset}: ${why}`);

const removed = (index: number) =>
  new AttestdError('RECORD_REMOVED', `entry ${index} was removed for its age; its leaf hash is what is left`);

/** A BATCH frame, or what retention left of one, taken apart on demand: where its entries lie is found once, nothing is copied. */
export class Batch {
  readonly frame: Frame;
  readonly first: number;
  readonly count: number;
  /** Offsets of the entries (behind their lengths), and one more for the end of the last. */
  readonly #at: Uint32Array;
  /** For a thinned frame: which entries were removed. */
  readonly #gone: Uint8Array | undefined;

  /** @throws STORE_CORRUPT when the payload does not hold the entries that the header states */
  constructor(frame: Frame) {
    this.frame = frame;
    this.first = frame.first;
    this.count = frame.count;
    const { payload } = frame;
    if (frame.count === 0 || frame.count > payload.length)
      throw damaged(frame, `${frame.count} entries in ${payload.length} bytes`);
    this.#at = new Uint32Array(frame.count + 1);
    this.#gone = frame.type === TYPE.thinned ? new Uint8Array(frame.count) : undefined;
    let at = this.#gone === undefined ? 2 : 34;
    for (let i = 0; i < frame.count; i++) {
      if (at > payload.length) throw damaged(frame, `entry ${i} is cut off`);
      this.#at[i] = at;
      const length = payload.readUInt16BE(at - 2);
      if (length === 0 && this.#gone !== undefined) this.#gone[i] = 1;
      at += (this.#gone?.[i] === 1 ? 32 : length) + 2;
    }
    this.#at[frame.count] = at;
    if (at - 2 > payload.length) throw damaged(frame, 'the last entry is cut off');
  }

  /** Whether entry `i` was removed. */
  removed(i: number): boolean {
    return this.#gone?.[i] === 1;
  }

  /** Whether any of the entries `from` to `to` - 1 was removed. */
  anyRemoved(from = 0, to: number = this.count): boolean {
    return this.#gone?.subarray(from, to).includes(1) === true;
  }

  /** Leaf hash of entry `i`, into `out`. */
  leafInto(i: number, out: Buffer, at: number): void {
    if (this.removed(i)) this.frame.payload.copy(out, at, this.#at[i], (this.#at[i] as number) + 32);
    else leafInto(this.entry(i), out, at);
  }

  /** Entry `i` of the frame, a view. @throws RECORD_REMOVED */
  entry(i: number): Buffer {
    if (this.removed(i)) throw removed(this.first + i);
    return this.frame.payload.subarray(this.#at[i], (this.#at[i + 1] as number) - 2);
  }

  /** The entries `from` to `to` - 1 of the frame in bundle encoding, a view. @throws RECORD_REMOVED */
  bundle(from: number, to: number): Buffer {
    if (this.anyRemoved(from, to)) throw removed(this.first + from);
    return this.frame.payload.subarray((this.#at[from] as number) - 2, (this.#at[to] as number) - 2);
  }

  /** Whether the bytes of this ULID stand in the metadata: false is certain, true is not. */
  mayHold(id: Buffer): boolean {
    return this.frame.payload.indexOf(id, (this.#at[this.count] as number) - 2) !== -1;
  }

  /** What stands beside each entry, in order. @throws STORE_CORRUPT when it does not fill payload and erasable part exactly */
  metas(): Meta[] {
    const { payload, erasable } = this.frame;
    const out: Meta[] = [];
    let at = (this.#at[this.count] as number) - 2;
    let hidden = 0;
    const take = (n: number): number => {
      const from = at;
      at += n;
      if (at > payload.length) throw damaged(this.frame, 'metadata is cut off');
      return from;
    };
    for (let i = 0; i < this.count; i++) {
      const flags = payload[take(1)] as number;
      if (flags > 63 || (flags & 24) === 24 || (flags & 33) === 33)
        throw damaged(this.frame, `unknown flags ${flags}`);
      const meta: { -readonly [K in keyof Meta]: Meta[K] } = {};
      if (flags & 1) meta.id = getUlid(payload, take(16));
      if (flags & 33) meta.uid = payload.readUInt32BE(take(4));
      if (flags & 2) {
        const from = take(64);
        meta.key = payload.subarray(from, from + 32);
        meta.body = payload.subarray(from + 32, from + 64);
      }
      if (flags & 4) {
        const from = take(8);
        const length = payload.readUInt32BE(from);
        meta.opening = { at: hidden, length, crc: payload.readUInt32BE(from + 4) };
        hidden += length;
      }
      if (flags & 8) meta.mark = { kind: 'boot' };
      if (flags & 16) meta.mark = { kind: 'anchor', counter: payload.readBigUInt64BE(take(8)) };
      out.push(meta);
    }
    if (at !== payload.length) throw damaged(this.frame, `${payload.length - at} bytes too many`);
    if (this.#gone === undefined && hidden !== erasable.length)
      throw damaged(this.frame, 'the openings do not fill their part');
    return out;
  }

  /** The opening of a meta: its bytes (a view), `erased`, or `damaged` when it is neither what was written nor erased. */
  opening(meta: Meta): Buffer | 'erased' | 'damaged' | undefined {
    if (meta.opening === undefined) return undefined;
    if (this.#gone !== undefined) return 'erased';
    const { at, length, crc } = meta.opening;
    const bytes = this.frame.erasable.subarray(at, at + length);
    if (bytes[0] === ERASED && bytes.every((b) => b === ERASED)) return 'erased';
    return crc32c(bytes) === crc ? bytes : 'damaged';
  }
}
