/**
 * A thinned segment: what retention leaves of one. Of entries that were removed their leaf hashes stay, so every root and
 * proof stays; everything else stays where it was. The file is small, and its frames keep their offsets: whoever reads a
 * place finds there what stood there before, with zeros behind what a frame has lost. So nothing that points into the log
 * (index, seals in segment heads, cursors of audits) has to know.
 *
 * ```
 * magic ff 57 41 54 · u8 1 · u8[3] 0 · u32 bytes of the segment · u32 frames · u32 CRC32C of the rest of the head
 * (u32 offset in the segment · u32 bytes in this file)* · the frames, one behind the other
 * ```
 * A frame of type 6 stands for a batch: `digest[32]` of the frame that it replaces, so that the chain holds, then for each
 * entry u16 length ‖ entry, or u16 0 ‖ leaf hash; then the metadata of batch.ts, without idempotency keys of what was
 * removed. Openings count as erased.
 */
import { readSync } from 'node:fs';
import { AttestdError } from '../core/errors.ts';
import { crc32c } from './crc32c.ts';

/** First bytes of a thinned segment. */
export const THIN_MAGIC: Buffer = Buffer.from('ff574154', 'hex');
const HEAD = 20;
const MAX_FRAMES = 1 << 24;

/** A frame as it lies in a thinned segment. */
export interface ThinPart {
  /** Where it stood, and stands for everybody. */
  readonly offset: number;
  /** What is left of it; what follows up to the next one is zeros. */
  readonly bytes: Uint8Array;
}

/** The file of a thinned segment of `size` bytes. */
export function printThin(size: number, parts: readonly ThinPart[]): Buffer {
  const head = Buffer.alloc(HEAD + 8 * parts.length);
  THIN_MAGIC.copy(head, 0);
  head[4] = 1;
  head.writeUInt32BE(size, 8);
  head.writeUInt32BE(parts.length, 12);
  for (const [i, { offset, bytes }] of parts.entries()) {
    head.writeUInt32BE(offset, HEAD + 8 * i);
    head.writeUInt32BE(bytes.length, HEAD + 8 * i + 4);
  }
  head.writeUInt32BE(crc32c(head, crc32c(head, 0, 0, 16), HEAD), 16);
  return Buffer.concat([head, ...parts.map((p) => p.bytes)]);
}

/** Where the frames of a thinned segment lie. */
export class ThinMap {
  readonly size: number;
  readonly #offsets: Uint32Array;
  readonly #lengths: Uint32Array;
  /** Where each begins in the file. */
  readonly #at: Float64Array;

  /** @param head the first bytes of the file, as many as `ThinMap.headBytes` says. @throws STORE_CORRUPT */
  constructor(head: Buffer) {
    const count = head.readUInt32BE(12);
    this.size = head.readUInt32BE(8);
    if (head[4] !== 1 || head.length !== HEAD + 8 * count)
      throw new AttestdError('STORE_CORRUPT', 'the head of a thinned segment is damaged');
    if (crc32c(head, crc32c(head, 0, 0, 16), HEAD) !== head.readUInt32BE(16))
      throw new AttestdError('STORE_CORRUPT', 'the head of a thinned segment is damaged');
    this.#offsets = new Uint32Array(count);
    this.#lengths = new Uint32Array(count);
    this.#at = new Float64Array(count);
    let at = head.length;
    let end = 0;
    for (let i = 0; i < count; i++) {
      const offset = head.readUInt32BE(HEAD + 8 * i);
      const length = head.readUInt32BE(HEAD + 8 * i + 4);
      if (offset < end || (i === 0 && offset !== 0) || offset + length > this.size)
        throw new AttestdError('STORE_CORRUPT', 'the frames of a thinned segment overlap');
      this.#offsets[i] = offset;
      this.#lengths[i] = length;
      this.#at[i] = at;
      at += length;
      end = offset + length;
    }
  }

  /** How long the head is, by its first 20 bytes; undefined where they are not those of a thinned segment. */
  static headBytes(first: Buffer): number | undefined {
    if (first.length < HEAD || first.compare(THIN_MAGIC, 0, 4, 0, 4) !== 0) return undefined;
    const count = first.readUInt32BE(12);
    return count <= MAX_FRAMES ? HEAD + 8 * count : undefined;
  }

  /** Reads as from the segment itself. @returns bytes read */
  read(fd: number, into: Buffer, offset: number): number {
    const wanted = Math.min(into.length, this.size - offset);
    if (wanted <= 0) return 0;
    into.fill(0, 0, wanted);
    for (let i = this.#find(offset); i < this.#offsets.length; i++) {
      const begin = this.#offsets[i] as number;
      if (begin >= offset + wanted) break;
      const from = Math.max(begin, offset);
      const to = Math.min(begin + (this.#lengths[i] as number), offset + wanted);
      if (to > from) readSync(fd, into, from - offset, to - from, (this.#at[i] as number) + from - begin);
    }
    return wanted;
  }

  /** Where bytes of a frame that lost nothing lie in the file. @throws STORE_CORRUPT */
  place(offset: number, length: number): number {
    const i = this.#find(offset);
    const begin = this.#offsets[i] ?? 0;
    if (offset + length > begin + (this.#lengths[i] ?? 0))
      throw new AttestdError('STORE_CORRUPT', 'what was to be overwritten was removed already');
    return (this.#at[i] as number) + offset - begin;
  }

  /** The segment as it was, with zeros for what was removed. @throws STORE_CORRUPT for a file of another length */
  expand(file: Buffer): Buffer {
    const last = this.#offsets.length - 1;
    const end = last < 0 ? HEAD : (this.#at[last] as number) + (this.#lengths[last] as number);
    if (file.length !== end)
      throw new AttestdError('STORE_CORRUPT', `a thinned segment has ${file.length} bytes, ${end} are due`);
    const whole = Buffer.alloc(this.size);
    for (let i = 0; i < this.#offsets.length; i++) {
      const at = this.#at[i] as number;
      file.copy(whole, this.#offsets[i], at, at + (this.#lengths[i] as number));
    }
    return whole;
  }

  /** The last frame that begins at or before an offset. */
  #find(offset: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#offsets[middle] as number) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** The map of a segment by its first bytes, or nothing where it was not thinned. @throws STORE_CORRUPT */
export function thinMapOf(file: Buffer): ThinMap | undefined {
  const length = ThinMap.headBytes(file.subarray(0, HEAD));
  return length === undefined ? undefined : new ThinMap(file.subarray(0, length));
}

/** The same by positioned reads. */
export function openThinMap(fd: number): ThinMap | undefined {
  const first = Buffer.alloc(HEAD);
  if (readSync(fd, first, 0, HEAD, 0) < HEAD) return undefined;
  const length = ThinMap.headBytes(first);
  if (length === undefined) return undefined;
  const head = Buffer.alloc(length);
  readSync(fd, head, 0, length, 0);
  return new ThinMap(head);
}

/** The bytes of a segment as they were when it was written, whether or not it was thinned since. @throws STORE_CORRUPT */
export function wholeSegment(file: Buffer): Buffer {
  return thinMapOf(file)?.expand(file) ?? file;
}
