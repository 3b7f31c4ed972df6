/**
 * A segment is a file of the write-ahead log: allocated and zeroed before use, begun by a SEGMENT frame that carries
 * all that start-up needs of the segments before it. So only the last segment is ever reread.
 *
 * Trusted? Someone who can write a segment can change what is not sealed yet; what is sealed, they can only break:
 * recovery compares the roots of the seals, and verifiers never read this file.
 *
 * ```
 * u16 version · u16+origin · u32 ordinal · u32 offset of the last frame before · u32 end of the segment before
 * u8 levels · (u8 count · hashes)* · u8 flags · [1] seal: u32 ordinal u32 offset u16+note
 * · [2] anchor: u64 index u64 counter digest[32] · [4] boot: u64 index digest[32] · u8 intents · (u32+intent)*
 * ```
 */
import { concat, fromUtf8, u8, u16, u32, u64, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { Reader } from '../core/reader.ts';
import { Edge } from './edge.ts';
import { encodeIntent, type Intent, parseIntent } from './intent.ts';
import { readSealed, type Sealed } from './seal.ts';

const VERSION = 1;
/** Bytes that a SEGMENT frame takes at most: eight tiles, a seal, intents. */
export const MAX_SEGMENT_HEAD = 256 * 1024;

/** Place of a frame. */
export interface Place {
  /** Which segment, counted from 0. */
  readonly ordinal: number;
  /** Byte in it. */
  readonly offset: number;
}

/** A boot entry or an anchor, as the start-up rules need it. */
export interface Marked {
  readonly index: number;
  /** Record digest: SHA-256(entry). */
  readonly digest: Uint8Array;
}

/** What is known of the log at one point of it: all that appending goes on from. */
export interface Tip {
  readonly origin: string;
  readonly edge: Edge;
  lastSeal?: Sealed & { readonly place: Place };
  lastAnchor?: Marked & { readonly counter: bigint };
  lastBoot?: Marked;
  /** Announced and not yet done; at most one of each kind. */
  intents: Intent[];
}

/** The payload of a SEGMENT frame. */
export interface SegmentHead {
  readonly ordinal: number;
  /** Where the last frame of the segment before begins and ends; 0 in the first. */
  readonly lastFrame: number;
  readonly end: number;
  readonly tip: Tip;
}

/** `<first index, 20 digits>-<ordinal, 8 digits>.wal`: sorted by name is sorted by both. */
export function segmentName(first: number, ordinal: number): string {
  return `${String(first).padStart(20, '0')}-${String(ordinal).padStart(8, '0')}.wal`;
}

/** Reads what `segmentName` prints; undefined for another name. */
export function parseSegmentName(name: string): { first: number; ordinal: number } | undefined {
  const m = /^(\d{20})-(\d{8})\.wal$/.exec(name);
  if (m === null) return undefined;
  const parsed = { first: Number(m[1]), ordinal: Number(m[2]) };
  return segmentName(parsed.first, parsed.ordinal) === name ? parsed : undefined;
}

/** The payload of a SEGMENT frame. */
export function encodeSegmentHead(h: SegmentHead): Uint8Array {
  const { origin, edge, lastSeal, lastAnchor, lastBoot, intents } = h.tip;
  const name = utf8(origin);
  const tiles = edge.tiles();
  const parts = [u16(VERSION), u16(name.length), name, u32(h.ordinal), u32(h.lastFrame), u32(h.end)];
  parts.push(u8(tiles.length), ...tiles.flatMap((t) => [u8(t.length / 32), t]));
  parts.push(u8((lastSeal ? 1 : 0) | (lastAnchor ? 2 : 0) | (lastBoot ? 4 : 0)));
  if (lastSeal) {
    const { place, note } = lastSeal;
    parts.push(u32(place.ordinal), u32(place.offset), u16(note.length), note);
  }
  if (lastAnchor) parts.push(u64(lastAnchor.index), u64(lastAnchor.counter), lastAnchor.digest);
  if (lastBoot) parts.push(u64(lastBoot.index), lastBoot.digest);
  parts.push(u8(intents.length));
  for (const intent of intents) {
    const bytes = encodeIntent(intent);
    parts.push(u32(bytes.length), bytes);
  }
  return concat(...parts);
}

/**
 * Reads the payload of a SEGMENT frame.
 * @param first the frame's first index: the size of the tree at this point
 * @throws MALFORMED
 */
export function parseSegmentHead(payload: Uint8Array, first: number): SegmentHead {
  const r = new Reader(payload, 'segment head');
  const version = r.u16();
  if (version !== VERSION) throw r.fail(`version ${version} is not ${VERSION}`);
  const origin = fromUtf8(r.sized(1024));
  const ordinal = r.u32();
  const lastFrame = r.u32();
  const end = r.u32();
  const tiles = Array.from({ length: r.u8() }, () => Buffer.from(r.bytes(r.u8() * 32)));
  const tip: Tip = { origin, edge: new Edge(first, tiles), intents: [] };
  const flags = r.u8();
  if (flags > 7) throw r.fail(`unknown flags ${flags}`);
  if (flags & 1) {
    const place = { ordinal: r.u32(), offset: r.u32() };
    tip.lastSeal = { ...readSealed(r.sized(0xffff), origin), place };
  }
  if (flags & 2) tip.lastAnchor = { index: index(r), counter: r.u64(), digest: r.bytes(32) };
  if (flags & 4) tip.lastBoot = { index: index(r), digest: r.bytes(32) };
  const intents = r.u8();
  for (let i = 0; i < intents; i++) tip.intents.push(parseIntent(r.bytes(r.u32())));
  r.end();
  return { ordinal, lastFrame, end, tip };
}

function index(r: Reader): number {
  const n = r.u64();
  if (n > BigInt(Number.MAX_SAFE_INTEGER))
    throw new AttestdError('MALFORMED', 'segment head: an index over 2^53 - 1');
  return Number(n);
}
