/**
 * The frame: the unit that the write-ahead log writes, syncs and recovers. One write is one frame is one fdatasync,
 * so a frame with a valid frame behind it was durable: that makes "torn" and "damaged" two different things.
 *
 * ```
 * magic ff 57 41 4c · u8 type · u8 0 · u16 0 · u64 first index · u32 count · u32 length · u32 erasable
 * u32 CRC32C(payload ‖ header with this field zero) · u64 salt of the segment · 32 bytes chain    (72 bytes)
 * payload[length] · erasable[erasable]
 * ```
 * chain = SHA-256(header ‖ payload) of the frame before. The erasable part is under neither CRC nor chain, so that
 * `forget` can overwrite an opening in place; each opening has a CRC of its own in the payload. The salt is random
 * for each segment: a caller who put a frame into an entry could not make it look like one of ours.
 */
import { AttestdError } from '../core/errors.ts';
import { crc32c } from './crc32c.ts';
import { sha256Of } from './hash.ts';

/** Length of a frame header in bytes. */
export const HEADER = 72;
/** First bytes of every frame; 0xff never occurs in UTF-8, so never in an entry. */
export const MAGIC: Buffer = Buffer.from('ff57414c', 'hex');
/** What a payload may be at most; longer ones are damage, not data. */
export const MAX_PAYLOAD: number = 8 << 20;

/** Types of frames; `thinned` is what retention leaves of a batch (thin.ts). */
export const TYPE = { segment: 1, batch: 2, intent: 3, seal: 4, forget: 5, thinned: 6 } as const;
export type FrameType = (typeof TYPE)[keyof typeof TYPE];

/** A frame as it stands in a segment; payload and erasable are views of the segment's bytes. */
export interface Frame {
  readonly type: FrameType;
  /** Number of entries in the log before this frame. */
  readonly first: number;
  /** Number of entries in it. */
  readonly count: number;
  readonly salt: Buffer;
  readonly chain: Buffer;
  readonly payload: Buffer;
  readonly erasable: Buffer;
  /** Where it begins in its segment, and how long it is. */
  readonly offset: number;
  readonly bytes: number;
  /** What the next frame carries as chain. */
  digest(): Buffer;
}

/** The sizes that a header states. */
export interface FrameHead {
  readonly type: FrameType;
  readonly first: number;
  readonly count: number;
  readonly length: number;
  readonly erasable: number;
}

/** What a frame is made of beside its payload. */
export interface FrameFacts {
  readonly type: FrameType;
  readonly first: number;
  readonly count: number;
  /** Bytes of the erasable part. */
  readonly erasable: number;
  readonly salt: Buffer;
  readonly chain: Buffer;
}

/** Writes a number below 2^53 as u64. */
export function putU64(b: Buffer, n: number, at: number): void {
  b.writeUInt32BE(Math.floor(n / 2 ** 32), at);
  b.writeUInt32BE(n % 2 ** 32, at + 4);
}

/** Reads a u64; 2^53 and above give NaN. */
export function getU64(b: Buffer, at: number): number {
  const n = b.readUInt32BE(at) * 2 ** 32 + b.readUInt32BE(at + 4);
  return Number.isSafeInteger(n) ? n : Number.NaN;
}

/** Fills the first 72 bytes of `b`, whose payload stands behind them already up to its end. */
export function sealFrame(b: Buffer, f: FrameFacts): void {
  MAGIC.copy(b, 0);
  b[4] = f.type;
  b.fill(0, 5, 8);
  putU64(b, f.first, 8);
  b.writeUInt32BE(f.count, 16);
  b.writeUInt32BE(b.length - HEADER, 20);
  b.writeUInt32BE(f.erasable, 24);
  b.writeUInt32BE(0, 28);
  f.salt.copy(b, 32);
  f.chain.copy(b, 40);
  b.writeUInt32BE(crc32c(b, crc32c(b, 0, HEADER), 0, HEADER), 28);
}

/** A frame of its own buffer around `payload`. @throws TOO_LARGE */
export function makeFrame(f: FrameFacts, payload: Uint8Array): Buffer {
  if (payload.length > MAX_PAYLOAD) throw new AttestdError('TOO_LARGE', 'a frame of the log over 8 MiB');
  const b = Buffer.allocUnsafe(HEADER + payload.length);
  b.set(payload, HEADER);
  sealFrame(b, f);
  return b;
}

const KNOWN = new Set<number>(Object.values(TYPE));

/** The header of a frame at `at`, judged by its form alone; undefined where there is none. */
export function headAt(b: Buffer, at: number): FrameHead | undefined {
  if (at + HEADER > b.length || b.compare(MAGIC, 0, 4, at, at + 4) !== 0) return undefined;
  const type = b[at + 4] as number;
  if (!KNOWN.has(type) || b[at + 5] !== 0 || b.readUInt16BE(at + 6) !== 0) return undefined;
  const first = getU64(b, at + 8);
  const count = b.readUInt32BE(at + 16);
  const length = b.readUInt32BE(at + 20);
  const erasable = b.readUInt32BE(at + 24);
  if (Number.isNaN(first) || length > MAX_PAYLOAD || erasable > MAX_PAYLOAD) return undefined;
  return { type: type as FrameType, first, count, length, erasable };
}

const ZERO4 = Buffer.alloc(4);

/**
 * The frame at `at`, whole and with the right CRC; undefined for anything else.
 * @param salt where given, the salt it must carry
 */
export function frameAt(b: Buffer, at: number, salt?: Buffer): Frame | undefined {
  const head = headAt(b, at);
  if (head === undefined) return undefined;
  const end = at + HEADER + head.length;
  if (end + head.erasable > b.length) return undefined;
  if (salt !== undefined && b.compare(salt, 0, 8, at + 32, at + 40) !== 0) return undefined;
  let crc = crc32c(b, 0, at + HEADER, end);
  crc = crc32c(b, crc, at, at + 28);
  crc = crc32c(ZERO4, crc);
  crc = crc32c(b, crc, at + 32, at + HEADER);
  if (crc !== b.readUInt32BE(at + 28)) return undefined;
  return {
    type: head.type,
    first: head.first,
    count: head.count,
    salt: b.subarray(at + 32, at + 40),
    chain: b.subarray(at + 40, at + HEADER),
    payload: b.subarray(at + HEADER, end),
    erasable: b.subarray(end, end + head.erasable),
    offset: at,
    bytes: end + head.erasable - at,
    // A thinned frame carries the digest of the one in whose place it stands.
    digest: () =>
      head.type === TYPE.thinned && head.length >= 32
        ? Buffer.from(b.subarray(at + HEADER, at + HEADER + 32))
        : sha256Of(b.subarray(at, end)),
  };
}

/** Offset of the first whole frame with this salt from `from` on, wherever it begins; -1 when there is none. */
export function findFrame(b: Buffer, from: number, salt: Buffer | undefined): number {
  for (let at = b.indexOf(MAGIC, from); at !== -1; at = b.indexOf(MAGIC, at + 1)) {
    if (frameAt(b, at, salt) !== undefined) return at;
  }
  return -1;
}
