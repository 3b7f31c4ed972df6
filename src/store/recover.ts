/**
 * Start-up: what the disk says after whatever happened. Reads the last segment whole and nothing else of the log.
 *
 * | found | done |
 * |---|---|
 * | bytes behind the last whole frame, no whole frame behind them | a write that was never acknowledged: zeroed, reported |
 * | a broken frame with a whole one behind it | STORE_CORRUPT: that one had been durable |
 * | a last segment without a head | the next segment was about to begin: removed |
 * | a FORGET whose opening still stands | overwritten now |
 * | a seal whose root is not that of the log | STORE_CORRUPT |
 * | a checkpoint or an index that knows more than the log | STORE_CORRUPT: the log was shortened |
 */
import { readFileSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import { Batch, ERASED, type Item } from './batch.ts';
import { type Disk, syncDirectory } from './disk.ts';
import type { TileVisitor } from './edge.ts';
import { type Frame, findFrame, frameAt, TYPE } from './frame.ts';
import { sha256Of } from './hash.ts';
import { parseForget, parseIntent } from './intent.ts';
import type { Layout, SegmentFile } from './layout.ts';
import { brokenHistory, readSealed } from './seal.ts';
import { type Place, parseSegmentHead, type Tip } from './segment.ts';
import type { WritePoint } from './segments.ts';
import { Wal } from './wal.ts';

/** Bytes of a write that was never acknowledged. */
export interface Dropped {
  readonly segment: string;
  readonly offset: number;
  readonly bytes: number;
}

export interface Replayed {
  readonly tip: Tip;
  readonly point: WritePoint;
  readonly segments: readonly SegmentFile[];
  readonly dropped?: Dropped;
  /** Entries whose opening is to be erased (again). */
  readonly forgets: readonly number[];
}

const corrupt = (segment: SegmentFile, offset: number, why: string) =>
  new AttestdError('STORE_CORRUPT', `${segment.path} at byte ${offset}: ${why}`);

/**
 * Takes what a frame says into the tip.
 * @returns what is wrong, or undefined
 */
export function applyFrame(tip: Tip, frame: Frame, place: Place, visit?: TileVisitor): string | undefined {
  const { type, first, payload } = frame;
  if (first !== tip.edge.size) return `first index ${first}, ${tip.edge.size} is due`;
  if (type === TYPE.batch) {
    const batch = new Batch(frame);
    for (const [i, meta] of batch.metas().entries()) {
      const entry = batch.entry(i);
      tip.edge.appendEntry(entry, visit);
      if (meta.mark !== undefined) markEntry(tip, first + i, entry, meta.mark);
    }
    return undefined;
  }
  if (frame.count !== 0 || frame.erasable.length !== 0) return 'a control frame with entries';
  if (type === TYPE.intent) openIntent(tip, parseIntent(payload));
  else if (type === TYPE.seal) {
    const sealed = readSealed(payload, tip.origin);
    if (sealed.size > tip.edge.size) return `a seal of ${sealed.size} entries in a log of ${tip.edge.size}`;
    const broken = brokenHistory(tip.lastSeal, sealed);
    if (broken !== undefined) return `seal: ${broken}`;
    takeSeal(tip, { ...sealed, place });
  } else if (type === TYPE.forget) parseForget(payload);
  else return 'a segment head within a segment';
  return undefined;
}

/** Takes a boot entry or an anchor into the tip. */
export function markEntry(tip: Tip, index: number, entry: Uint8Array, mark: NonNullable<Item['mark']>): void {
  const digest = sha256Of(entry);
  if (mark.kind === 'boot') {
    tip.lastBoot = { index, digest };
    return;
  }
  tip.lastAnchor = { index, digest, counter: mark.counter };
  tip.intents = tip.intents.filter((i) => i.kind !== 'counter' || i.counter >= mark.counter);
}

/** A new intent stands in place of an older one of its kind. */
export function openIntent(tip: Tip, intent: Tip['intents'][number]): void {
  tip.intents = [...tip.intents.filter((i) => i.kind !== intent.kind), intent];
}

export function takeSeal(tip: Tip, seal: NonNullable<Tip['lastSeal']>): void {
  tip.lastSeal = seal;
  tip.intents = tip.intents.filter((i) => i.kind !== 'seal' || i.seq > seal.seq);
}

/** Reads the last segment, mends what a crash may leave, refuses what it may not. @throws STORE_CORRUPT */
export async function replay(
  layout: Layout,
  segments: readonly SegmentFile[],
  disk: Disk,
): Promise<Replayed> {
  const segment = segments.at(-1) as SegmentFile;
  const bytes = readFileSync(segment.path);
  const head = frameAt(bytes, 0);
  if (head === undefined || head.type !== TYPE.segment) {
    if (segments.length === 1 || findFrame(bytes, 0, undefined) !== -1)
      throw corrupt(segment, 0, 'the head is damaged');
    unlinkSync(segment.path);
    await syncDirectory(dirname(segment.path));
    return replay(layout, segments.slice(0, -1), disk);
  }
  const { ordinal, lastFrame, end, tip } = parse(segment, head);
  if (ordinal !== segment.ordinal || head.first !== segment.first)
    throw corrupt(segment, 0, 'the head is that of another segment');
  checkJoin(segments, head, lastFrame, end);

  const frames = wholeFrames(segment, bytes, head);
  const last = frames.at(-1) ?? head;
  const offset = last.offset + last.bytes;
  const wanted = new Map<number, Buffer | undefined>();
  for (const frame of frames)
    if (frame.type === TYPE.seal) wanted.set(readSealed(frame.payload, tip.origin).size, undefined);
  const note = () => {
    const { size } = tip.edge;
    if (wanted.has(size) && wanted.get(size) === undefined) wanted.set(size, Buffer.from(tip.edge.root()));
  };
  note();
  const forgets: number[] = [];
  const damage: [Frame, number][] = [];
  for (const frame of frames) {
    const wrong = applyFrame(tip, frame, { ordinal, offset: frame.offset });
    if (wrong !== undefined) throw corrupt(segment, frame.offset, wrong);
    note();
    // Sizes never go back, so the root that a seal states has been passed by now, or lies in older segments.
    const root = frame.type === TYPE.seal && tip.lastSeal && wanted.get(tip.lastSeal.size);
    if (root && !root.equals(tip.lastSeal?.root ?? root))
      throw corrupt(segment, frame.offset, 'the sealed root is not that of the log');
    if (frame.type === TYPE.forget) forgets.push(parseForget(frame.payload));
    if (frame.type === TYPE.batch) for (const index of openingDamage(frame)) damage.push([frame, index]);
  }
  for (const [frame, index] of damage) {
    if (!forgets.includes(index))
      throw corrupt(segment, frame.offset, `the opening of entry ${index} is damaged`);
  }
  const dropped = await dropTail(segment, bytes, offset, head.salt, disk);
  return {
    tip,
    point: { ordinal, salt: Buffer.from(head.salt), chain: last.digest(), lastFrame: last.offset, offset },
    segments,
    forgets,
    ...(dropped === undefined ? {} : { dropped }),
  };
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
  if (last.type === TYPE.batch && last !== head && openingDamage(last).length > 0) frames.pop();
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
function openingDamage(frame: Frame): number[] {
  const batch = new Batch(frame);
  return batch.metas().flatMap((meta, i) => (batch.opening(meta) === 'damaged' ? [frame.first + i] : []));
}

/** Zeroes what a torn write left behind `at`, so that it never meets what is written next. */
async function dropTail(
  segment: SegmentFile,
  bytes: Buffer,
  at: number,
  salt: Buffer,
  disk: Disk,
): Promise<Dropped | undefined> {
  let end = bytes.length;
  while (end > at && bytes[end - 1] === 0) end--;
  if (end === at) return undefined;
  const later = findFrame(bytes, at + 1, salt);
  if (later !== -1)
    throw corrupt(segment, at, `a frame is damaged: there is a whole one behind it, at byte ${later}`);
  const file = await disk.openDurable(segment.path);
  try {
    await file.append([Buffer.alloc(end - at)], at);
  } finally {
    await file.close();
  }
  return { segment: segment.path, offset: at, bytes: end - at };
}

/** What an erased opening is overwritten with. */
export function erasure(length: number): Buffer {
  return Buffer.alloc(length, ERASED);
}
