/**
 * Copying a log while it may be written to: a copy is the log up to one moment. Segments are read once, from the first
 * to the last, and the last is cut behind its last whole frame; what is written meanwhile belongs to a later copy, unless
 * entries go meanwhile: then the copy goes on to what announced that. Each frame is checked on the way (CRC and chain), so
 * damage is found when a copy is made and not when it is needed.
 */
import { mkdir, open, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import { ERASED } from './batch.ts';
import { replaceFile, syncDirectory } from './disk.ts';
import { type Frame, findFrame, frameAt, TYPE } from './frame.ts';
import { layoutOf, listSegments, type SegmentFile } from './layout.ts';
import { type LogEnd, readLog } from './reader.ts';
import { tornBytes } from './replay.ts';
import type { Sealed } from './seal.ts';
import { SEGMENT_BYTES } from './segments.ts';
import { openThinMap, thinMapOf } from './thin.ts';

/** A log that was copied. */
export interface CopiedLog {
  readonly origin: string;
  /** Entries. */
  readonly size: number;
  /** Its newest seal; absent where it has none. */
  readonly seal?: Sealed;
  /** Entries whose openings are in the copy. */
  readonly openings: number;
}

export interface CopyOptions {
  /** Whether openings are copied; else they are erased in the copy, as `forget` erases them. */
  readonly openings: boolean;
  /** Told of entries copied. */
  readonly progress?: (entries: number) => void;
}

/** How often the last segment is read again because it was being written to while it was read. */
const TRIES = 100;

/**
 * Copies the log in `from` to the directory `to`, which must not have one. Index, tiles and lock stay behind: they are
 * made again from the segments.
 * @throws NOT_FOUND, STORE_CORRUPT saying where; the system's errors
 */
export async function copyLog(from: string, to: string, options: CopyOptions): Promise<CopiedLog> {
  const layout = layoutOf(to);
  await mkdir(layout.wal, { recursive: true, mode: 0o700 });
  for (let next = 0; ; ) {
    const segments = listSegments(layoutOf(from));
    const last = segments.length - 1;
    let thinned = false;
    for (const segment of segments.slice(next)) {
      const read = await readWhole(segment, segment.ordinal === last);
      // A segment that was not begun yet.
      if (read === undefined) break;
      thinned ||= read.thinned;
      await replaceFile(join(layout.wal, basename(segment.path)), read.file);
    }
    // What announced a removal was durable before anything went: in a segment that is there by now.
    if (!thinned || listSegments(layoutOf(from)).length === segments.length) break;
    next = last;
  }
  const copied = await checkCopy(to, options);
  if (copied.seal !== undefined) await replaceFile(layout.checkpoint, copied.seal.note);
  await syncDirectory(layout.dir);
  return copied;
}

/** A segment for the copy. */
interface ReadSegment {
  readonly file: Buffer;
  readonly thinned: boolean;
}

/** The bytes of a segment up to its last whole frame; undefined where it has no head yet. */
async function readWhole(segment: SegmentFile, last: boolean): Promise<ReadSegment | undefined> {
  let before = -1;
  for (let i = 0; i < TRIES; i++) {
    const file = await readFile(segment.path);
    const thin = thinMapOf(file);
    const bytes = thin?.expand(file) ?? file;
    const head = frameAt(bytes, 0);
    if (head?.type !== TYPE.segment) {
      if (last && segment.ordinal > 0 && findFrame(bytes, 0, undefined) === -1) return undefined;
      throw damaged(segment, 0, 'the head is damaged');
    }
    let end = 0;
    for (let f: Frame | undefined = head; f !== undefined; f = frameAt(bytes, end, head.salt)) end += f.bytes;
    const later = findFrame(bytes, end + 1, head.salt);
    if (later === -1 && (last || tornBytes(bytes, end) === 0))
      return { file: thin === undefined ? bytes.subarray(0, end) : file, thinned: thin !== undefined };
    // Bytes that were written between two reads of the same file look like damage, once.
    if (!last || end === before) throw damaged(segment, end, 'a frame is damaged');
    before = end;
  }
  throw damaged(segment, before, 'it was never found at rest');
}

async function checkCopy(to: string, { openings, progress }: CopyOptions): Promise<CopiedLog> {
  const log = readLog(to);
  const names = listSegments(layoutOf(to));
  let seal: Sealed | undefined;
  let kept = 0;
  const frames = log.frames();
  let step = await frames.next();
  for (; step.done !== true; step = await frames.next()) {
    const frame = step.value;
    if (frame.kind === 'seal') seal = frame.sealed;
    if (frame.kind !== 'entries') continue;
    const { batch, place } = frame;
    progress?.(batch.first + batch.count);
    kept += batch.metas().filter((m) => (m.opening?.length ?? 0) > 0).length;
    const { length } = batch.frame.erasable;
    if (openings || length === 0 || batch.frame.type === TYPE.thinned) continue;
    const segment = names[place.ordinal] as SegmentFile;
    const file = await open(segment.path, 'r+');
    try {
      const at = place.offset + batch.frame.bytes - length;
      const where = openThinMap(file.fd)?.place(at, length) ?? at;
      await file.write(Buffer.alloc(length, ERASED), 0, length, where);
      await file.sync();
    } finally {
      await file.close();
    }
  }
  const { size } = step.value as LogEnd;
  return {
    origin: log.origin,
    size,
    ...(seal === undefined ? {} : { seal }),
    openings: openings ? kept : 0,
  };
}

/** The bytes of a segment as a daemon wants to find them: with room behind them, where it is the last. */
export function roomy(bytes: Uint8Array, last: boolean): Uint8Array {
  if (!last || bytes.length >= SEGMENT_BYTES) return bytes;
  const whole = new Uint8Array(SEGMENT_BYTES);
  whole.set(bytes);
  return whole;
}

const damaged = (segment: SegmentFile, offset: number, why: string) =>
  new AttestdError('STORE_CORRUPT', `${segment.path} at byte ${offset}: ${why}`);
