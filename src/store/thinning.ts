/**
 * Removing entries for their age: leaf hashes stay, so roots, seals and proofs stay (thin.ts has the form). Segments are
 * put in place of others one at a time, each by one rename, and a reader finds the old one or the new one; so a crash
 * anywhere leaves a log that is whole, and doing it again goes on. Nothing is removed from the segment that is written to.
 */
import { readFile, unlink } from 'node:fs/promises';
import { ZERO32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { Batch, META_MAX, type Meta, metaBytes } from './batch.ts';
import { WIDTH } from './edge.ts';
import { type Frame, frameAt, HEADER, MAX_PAYLOAD, makeFrame, TYPE } from './frame.ts';
import type { KeyOf } from './keys.ts';
import type { StoreParts } from './parts.ts';
import { tornBytes } from './replay.ts';
import { parseSegmentHead } from './segment.ts';
import { SKETCH_ENTRIES } from './sketch.ts';
import { printThin, type ThinPart, wholeSegment } from './thin.ts';
import type { Wal } from './wal.ts';

/** What was done. */
export interface Thinned {
  /** Entries that are gone now, and were not before. */
  readonly removed: number;
  /** Bytes of segments that were given back. */
  readonly freed: number;
}

/** Which entries below the bound stay. */
export type Keep = (index: number) => boolean;

/** Frames after which others get a turn. */
const AT_A_TIME = 512;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * Removes the entries below `before` but those that `keep` names, and the openings of all of them. What shares a frame
 * with an entry from `before` on stays with it.
 */
export function thinLog(p: StoreParts, before: number, keep: Keep): Promise<Thinned> {
  // A copy that was read before entries go would else be written after it.
  return p.publisher.alone(() => thinAlone(p, before, keep));
}

async function thinAlone(p: StoreParts, before: number, keep: Keep): Promise<Thinned> {
  const { committer, segments, wal } = p;
  await committer.control(async () => {
    const last = wal.segments.at(-1);
    if (last === undefined || last.first >= before) return;
    await committer.guard(() => segments.roll());
    const { ordinal, offset, chain } = segments.point;
    p.lookup.reach({ size: committer.size, place: { ordinal, offset }, chain });
  });
  // Copies of entries first: what is left of them after a crash would be found by nobody.
  await dropCopies(p, before);
  let removed = 0;
  let freed = 0;
  for (const segment of wal.segments.slice(0, -1)) {
    if (segment.first >= before) break;
    const end = wal.segments[segment.ordinal + 1]?.first ?? before;
    const make = async () => {
      const file = await readFile(segment.path);
      const { path, ordinal } = segment;
      const whole = { path, bytes: wholeSegment(file), end: endOf(wal, ordinal) };
      return { before: file.length, thin: await thinSegment(whole, before, keep) };
    };
    // `forget` overwrites in place: no file is replaced under it, and none that was read before it replaces what it wrote.
    const made = end > before ? undefined : await make();
    await committer.control(async () => {
      const { before: size, thin } = made ?? (await make());
      if (thin === undefined) return;
      // First: of what is gone nobody could say any more under which key it was made.
      await p.lookup.keys.drop(thin.keys);
      await p.disk.replace(segment.path, thin.file);
      wal.reopen(segment.ordinal);
      removed += thin.removed;
      freed += size - thin.file.length;
    });
  }
  // Whoever looked through entries before they went may have made a sketch of them.
  await p.lookup.sketches.drop(Math.ceil(before / SKETCH_ENTRIES));
  return { removed, freed };
}

async function dropCopies({ tiles, lookup }: StoreParts, before: number): Promise<void> {
  for (let n = 0; n * WIDTH < before; n++) {
    const path = tiles.path({ level: 'entries', n, width: WIDTH });
    // The second is what a copy that was cut off may leave.
    for (const name of [path, `${path}.tmp`]) {
      await unlink(name).catch((e: NodeJS.ErrnoException) => {
        if (e.code !== 'ENOENT') throw e;
      });
    }
  }
  await lookup.sketches.drop(Math.ceil(before / SKETCH_ENTRIES));
}

/** Where the last frame of a segment ends, and its digest. */
interface SegmentEnd {
  readonly at: number;
  readonly chain: Buffer;
}

/** A segment as it was written. */
export interface WrittenSegment {
  readonly path: string;
  readonly bytes: Buffer;
  /** As the segment behind it says; absent where there is none: then nothing but zeros may follow its last frame. */
  readonly end?: SegmentEnd;
}

/** What is to stand in place of a segment. */
export interface ThinSegment {
  readonly file: Buffer;
  readonly removed: number;
  /** Idempotency keys of what is gone. */
  readonly keys: readonly KeyOf[];
}

/** The end of a segment, by the head of the next. @throws STORE_CORRUPT */
function endOf(wal: Wal, ordinal: number): SegmentEnd {
  const next = wal.frame({ ordinal: ordinal + 1, offset: 0 });
  return { at: parseSegmentHead(next.payload, next.first).end, chain: next.chain };
}

/**
 * What is to stand in place of a segment; undefined where nothing of it is to go.
 * @throws STORE_CORRUPT where a frame is damaged: what stands behind it would be lost
 */
export async function thinSegment(
  segment: WrittenSegment,
  before: number,
  keep: Keep,
): Promise<ThinSegment | undefined> {
  const { bytes, path, end } = segment;
  const damaged = (at: number, why: string) =>
    new AttestdError('STORE_CORRUPT', `${path} at byte ${at}: ${why}, and nothing of it was removed`);
  const parts: ThinPart[] = [];
  const keys: KeyOf[] = [];
  let removed = 0;
  let changed = false;
  let at = 0;
  let chain: Buffer | undefined;
  for (let frame = frameAt(bytes, 0); frame !== undefined; frame = frameAt(bytes, at, frame.salt)) {
    if (chain !== undefined && !frame.chain.equals(chain)) throw damaged(at, 'the chain is broken');
    chain = frame.digest();
    const thin = frame.first + frame.count <= before ? thinFrame(frame, keep) : undefined;
    if (thin !== undefined) {
      removed += thin.removed;
      keys.push(...thin.keys);
      changed = true;
    }
    // What a thinned frame lost is not written again.
    const length = frame.type === TYPE.thinned ? frame.bytes - frame.erasable.length : frame.bytes;
    parts.push({ offset: at, bytes: thin?.bytes ?? bytes.subarray(at, at + length) });
    at += frame.bytes;
    if (parts.length % AT_A_TIME === 0) await turn();
  }
  if (end === undefined ? tornBytes(bytes, at) > 0 : at !== end.at) throw damaged(at, 'a frame is damaged');
  if (end !== undefined && !end.chain.equals(chain ?? ZERO32))
    throw damaged(at, 'the next segment does not follow');
  return changed ? { file: printThin(at, parts), removed, keys } : undefined;
}

/** What is left of a frame; undefined where nothing of it is to go. */
function thinFrame(
  frame: Frame,
  keep: Keep,
): { readonly bytes: Buffer; readonly removed: number; readonly keys: readonly KeyOf[] } | undefined {
  if (frame.type !== TYPE.batch && frame.type !== TYPE.thinned) return undefined;
  const batch = new Batch(frame);
  const metas = batch.metas();
  const gone = metas.map((_, i) => batch.removed(i) || !keep(frame.first + i));
  const removed = gone.filter((g, i) => g && !batch.removed(i)).length;
  const openings = frame.type === TYPE.batch && metas.some((m) => m.opening !== undefined);
  if (removed === 0 && !openings) return undefined;
  const b = Buffer.alloc(frame.payload.length + 32 + frame.count * (34 + META_MAX));
  frame.digest().copy(b, 0);
  let at = 32;
  for (let i = 0; i < frame.count; i++) {
    if (gone[i]) {
      batch.leafInto(i, b, at + 2);
      at += 34;
    } else at += batch.bundle(i, i + 1).copy(b, at);
  }
  for (const [i, meta] of metas.entries()) at = metaBytes(b, left(meta, gone[i] === true), at);
  const erasable = frame.bytes - HEADER - at;
  // Entries shorter than what stands for them: there is nothing to win.
  if (erasable < 0 || erasable > MAX_PAYLOAD) return undefined;
  const { first, count, salt, chain } = frame;
  const facts = { type: TYPE.thinned, first, count, erasable, salt, chain };
  const keys = metas.flatMap(({ uid, key }, i) =>
    gone[i] && uid !== undefined && key !== undefined ? [{ index: first + i, uid, key }] : [],
  );
  return { bytes: makeFrame(facts, b.subarray(0, at)), removed, keys };
}

/** What stays beside an entry: whose it was and under which id, so that its owner can be told where it went. */
function left(meta: Meta, gone: boolean): Meta {
  const { key, body, opening, ...rest } = meta;
  return {
    ...rest,
    ...(opening === undefined ? {} : { opening: { at: 0, length: 0, crc: 0 } }),
    ...(gone || key === undefined || body === undefined ? {} : { key, body }),
  };
}
