/**
 * Start-up, first half: what the disk says. Reads the last segment whole and nothing else of the log, and changes
 * nothing; see recover.ts for what is done about it.
 */
import { readFileSync } from 'node:fs';
import { AttestdError } from '../core/errors.ts';
import { Batch } from './batch.ts';
import { type Frame, findFrame, frameAt, TYPE } from './frame.ts';
import { parseForget } from './intent.ts';
import type { SegmentFile } from './layout.ts';
import { readSealed } from './seal.ts';
import { parseSegmentHead, type Tip } from './segment.ts';
import type { WritePoint } from './segments.ts';
import { applyFrame } from './tip.ts';
import { Wal } from './wal.ts';

/** What the end of the log is. */
export interface Tail {
  readonly tip: Tip;
  readonly point: WritePoint;
  /** The segments that have been begun. */
  readonly segments: readonly SegmentFile[];
  /** A last segment without a head: nothing was ever written to it. */
  readonly unbegun?: SegmentFile;
  /** Bytes behind the last whole frame of the last segment, up to the last that is not zero. */
  readonly torn: number;
  /** Entries that the last segment says are to lose their openings. */
  readonly forgets: readonly number[];
}

const corrupt = (segment: SegmentFile, offset: number, why: string) =>
  new AttestdError('STORE_CORRUPT', `${segment.path} at byte ${offset}: ${why}`);

/**
 * Reads the end of the log.
 * @throws STORE_CORRUPT, saying where, when a frame that had been durable is damaged, the chain is broken or a seal
 *   has another root than the log
 */
export function readTail(segments: readonly SegmentFile[]): Tail {
  const segment = segments.at(-1);
  if (segment === undefined) throw new AttestdError('STORE_CORRUPT', 'the log has no segment');
  const bytes = readFileSync(segment.path);
  const head = frameAt(bytes, 0);
  if (head === undefined || head.type !== TYPE.segment) {
    if (segments.length === 1 || findFrame(bytes, 0, undefined) !== -1)
      throw corrupt(segment, 0, 'the head is damaged');
    return { ...readTail(segments.slice(0, -1)), unbegun: segment };
  }
  const { ordinal, lastFrame, end, tip } = parse(segment, head);
  if (ordinal !== segment.ordinal || head.first !== segment.first)
    throw corrupt(segment, 0, 'the head is that of another segment');
  checkJoin(segments, head, lastFrame, end);

  const frames = wholeFrames(segment, bytes, head);
  const last = frames.at(-1) ?? head;
  const offset = last.offset + last.bytes;
  const later = findFrame(bytes, offset + 1, head.salt);
  if (later !== -1)
    throw corrupt(segment, offset, `a frame is damaged: there is a whole one behind it, at byte ${later}`);
  const forgets = apply(segment, frames, tip);
  return {
    tip,
    point: { ordinal, salt: Buffer.from(head.salt), chain: last.digest(), lastFrame: last.offset, offset },
    segments,
    torn: tornBytes(bytes, offset),
    forgets,
  };
}

/** Moves the tip over the frames and holds every root that a seal states against it. @returns what is to be forgotten */
function apply(segment: SegmentFile, frames: readonly Frame[], tip: Tip): number[] {
  const roots = new Map<number, Buffer | undefined>();
  for (const frame of frames)
    if (frame.type === TYPE.seal) roots.set(readSealed(frame.payload, tip.origin).size, undefined);
  const note = () => {
    const { size } = tip.edge;
    if (roots.has(size) && roots.get(size) === undefined) roots.set(size, Buffer.from(tip.edge.root()));
  };
  note();
  const forgets: number[] = [];
  const damage: [Frame, number][] = [];
  for (const frame of frames) {
    const wrong = applyFrame(tip, frame, { ordinal: segment.ordinal, offset: frame.offset });
    if (wrong !== undefined) throw corrupt(segment, frame.offset, wrong);
    note();
    // Sizes never go back, so the size that a seal states has been passed by now, or lies in older segments.
    const root = frame.type === TYPE.seal && tip.lastSeal && roots.get(tip.lastSeal.size);
    if (root && !root.equals(tip.lastSeal?.root ?? root))
      throw corrupt(segment, frame.offset, 'the sealed root is not that of the log');
    if (frame.type === TYPE.forget) forgets.push(parseForget(frame.payload));
    if (frame.type === TYPE.batch) for (const index of damagedOpenings(frame)) damage.push([frame, index]);
  }
  for (const [frame, index] of damage) {
    if (!forgets.includes(index))
      throw corrupt(segment, frame.offset, `the opening of entry ${index} is damaged`);
  }
  return forgets;
}

/** Bytes from `at` to the last one that is not zero. */
export function tornBytes(bytes: Buffer, at: number): number {
  let end = bytes.length;
  while (end > at && bytes[end - 1] === 0) end--;
  return end - at;
}

/** The frames of a segment behind its head, up to the first that is not whole. */
function wholeFrames(segment: SegmentFile, bytes: Buffer, head: Frame): Frame[] {
  const frames: Frame[] = [];
  let last = head;
  for (;;) {
    const frame = frameAt(bytes, last.offset + last.bytes, head.salt);
    if (frame === undefined) break;
    if (!frame.chain.equals(last.digest())) throw corrupt(segment, frame.offset, 'the chain is broken');
    frames.push(frame);
    last = frame;
  }
  // An opening has no part in the CRC of its frame: where it did not arrive, the write was torn all the same.
  if (last.type === TYPE.batch && last !== head && damagedOpenings(last).length > 0) frames.pop();
  return frames;
}

function parse(segment: SegmentFile, head: Frame) {
  try {
    return parseSegmentHead(head.payload, head.first);
  } catch (e) {
    throw corrupt(segment, 0, e instanceof Error ? e.message : String(e));
  }
}

/** The head must follow from the last frame of the segment before. */
function checkJoin(segments: readonly SegmentFile[], head: Frame, lastFrame: number, end: number): void {
  const before = segments.at(-2);
  if (before === undefined) return;
  const wal = new Wal(segments);
  try {
    const last = wal.frame({ ordinal: before.ordinal, offset: lastFrame });
    if (lastFrame + last.bytes !== end || !last.digest().equals(head.chain))
      throw corrupt(before, lastFrame, 'the last frame is not the one that the next segment follows');
  } finally {
    wal.close();
  }
}

/** Entries of the frame whose opening is neither whole nor erased. */
export function damagedOpenings(frame: Frame): number[] {
  const batch = new Batch(frame);
  return batch.metas().flatMap((meta, i) => (batch.opening(meta) === 'damaged' ? [frame.first + i] : []));
}
