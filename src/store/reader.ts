/**
 * Reading a log without a lock and without changing anything, whether or not a daemon writes to it: for audits of a
 * directory and for bundles made offline. Frames are streamed segment by segment with CRC and chain checked, and in
 * memory there is one segment at a time. What the entries and seals say is for the caller to judge.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ZERO32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { Batch, type Meta } from './batch.ts';
import { type Frame, findFrame, frameAt, TYPE } from './frame.ts';
import { type Intent, parseForget, parseIntent } from './intent.ts';
import { layoutOf, listSegments, type SegmentFile } from './layout.ts';
import { damagedOpenings, tornBytes } from './replay.ts';
import { readSealed, type Sealed } from './seal.ts';
import { type Place, parseSegmentHead } from './segment.ts';
import { thinMapOf, wholeSegment } from './thin.ts';

/** Where reading goes on: in front of a frame. */
export interface Cursor {
  readonly place: Place;
  /** Entries before it. */
  readonly size: number;
  /** Digest of the frame before; zeros at the beginning. */
  readonly chain: Uint8Array;
}

/** The beginning of a log. */
export const START: Cursor = { place: { ordinal: 0, offset: 0 }, size: 0, chain: ZERO32 };

/** What one frame says. Entries are views of the segment: copy what is kept. */
export type LogFrame = { readonly place: Place; readonly next: Cursor } & (
  | { readonly kind: 'entries'; readonly first: number; readonly batch: Batch }
  | { readonly kind: 'seal'; readonly sealed: Sealed }
  | { readonly kind: 'intent'; readonly intent: Intent }
  | { readonly kind: 'forget'; readonly index: number }
  | { readonly kind: 'segment' }
);

/** How reading ended. */
export interface LogEnd {
  readonly size: number;
  readonly cursor: Cursor;
  /** Bytes behind the last whole frame: a write that was torn, or is under way. */
  readonly torn: number;
}

/** An entry with what the store keeps beside it. */
export interface LogEntry {
  readonly index: number;
  /** A copy. */
  readonly entry: Uint8Array;
  readonly meta: Meta;
}

export interface LogReader {
  readonly dir: string;
  readonly origin: string;
  /** How many segments there are: how far reading has come is `place.ordinal` of it. */
  readonly segments: number;
  /** The note in the `checkpoint` file; undefined where there is none. @throws STORE_CORRUPT where it is no seal of this log */
  checkpoint(): Sealed | undefined;
  /**
   * Every frame from `from` on; returns how the log ended.
   * @throws STORE_CORRUPT, saying where
   */
  frames(from?: Cursor): AsyncGenerator<LogFrame, LogEnd>;
  /** The entries from `index` on, copied; those that were removed are left out. @throws STORE_CORRUPT */
  entries(index?: number): AsyncGenerator<LogEntry>;
}

/** Opens a log for reading. @throws NOT_FOUND, STORE_CORRUPT */
export function readLog(dir: string): LogReader {
  const layout = layoutOf(dir);
  const segments = listSegments(layout);
  const origin = originOf(segments[0] as SegmentFile);
  return {
    dir,
    origin,
    segments: segments.length,
    checkpoint() {
      let bytes: Uint8Array;
      try {
        bytes = readFileSync(layout.checkpoint);
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw e;
      }
      try {
        return readSealed(bytes, origin);
      } catch (e) {
        throw new AttestdError(
          'STORE_CORRUPT',
          `${layout.checkpoint}: ${e instanceof Error ? e.message : e}`,
        );
      }
    },
    frames: (from = START) => streamFrames(dir, origin, from),
    async *entries(index = 0) {
      const ordinal = segments.findLastIndex((s) => s.first <= index);
      const start = segments[ordinal] as SegmentFile;
      // The chain of the segment before is taken on trust here: a whole reading begins at START.
      const from = { place: { ordinal, offset: 0 }, size: start.first, chain: await chainOf(start) };
      for await (const frame of streamFrames(dir, origin, from)) {
        if (frame.kind !== 'entries' || frame.next.size <= index) continue;
        const metas = frame.batch.metas();
        for (let i = Math.max(0, index - frame.first); i < frame.batch.count; i++) {
          if (frame.batch.removed(i)) continue;
          yield {
            index: frame.first + i,
            entry: Uint8Array.from(frame.batch.entry(i)),
            meta: metas[i] as Meta,
          };
        }
      }
    },
  };
}

function originOf(segment: SegmentFile): string {
  const head = frameAt(wholeSegment(readFileSync(segment.path)), 0);
  if (head?.type !== TYPE.segment) throw corrupt(segment, 0, 'the head is damaged');
  return parseSegmentHead(head.payload, head.first).tip.origin;
}

async function chainOf(segment: SegmentFile): Promise<Uint8Array> {
  const head = frameAt(wholeSegment(await readFile(segment.path)), 0);
  if (head?.type !== TYPE.segment) throw corrupt(segment, 0, 'the head is damaged');
  return head.chain;
}

async function* streamFrames(dir: string, origin: string, from: Cursor): AsyncGenerator<LogFrame, LogEnd> {
  let cursor = from;
  let torn = 0;
  for (let ordinal = from.place.ordinal; ; ordinal++) {
    // Listed anew each time: a daemon may have begun another segment meanwhile.
    const segments = listSegments(layoutOf(dir));
    const segment = segments[ordinal];
    if (segment === undefined) break;
    const file = await readFile(segment.path);
    const thin = thinMapOf(file);
    const bytes = thin?.expand(file) ?? file;
    // The last one is never thinned: there are more by now, and in one of them is what announced it.
    const isLast = ordinal === segments.length - 1 && thin === undefined;
    const head = frameAt(bytes, 0);
    if (head?.type !== TYPE.segment) {
      if (isLast && ordinal > 0 && findFrame(bytes, 0, undefined) === -1) break;
      throw corrupt(segment, 0, 'the head is damaged');
    }
    let at = ordinal === from.place.ordinal ? from.place.offset : 0;
    for (;;) {
      const frame = frameAt(bytes, at, head.salt);
      if (frame === undefined || tornOpening(frame, bytes, isLast)) break;
      const wrong = follows(frame, cursor, at);
      if (wrong !== undefined) throw corrupt(segment, at, wrong);
      const place = { ordinal, offset: at };
      at += frame.bytes;
      cursor = { place: { ordinal, offset: at }, size: frame.first + frame.count, chain: frame.digest() };
      yield { place, next: cursor, ...meaning(frame, segment, origin) };
    }
    torn = tornBytes(bytes, at);
    const later = findFrame(bytes, at + 1, head.salt);
    if (later !== -1) throw corrupt(segment, at, `a frame is damaged: there is a whole one at byte ${later}`);
    // Only the last segment can have been written to when the machine went down.
    if (!isLast && torn > 0) throw corrupt(segment, at, `${torn} bytes behind the last frame`);
    if (isLast) break;
  }
  return { size: cursor.size, cursor, torn };
}

function tornOpening(frame: Frame, bytes: Buffer, isLast: boolean): boolean {
  if (!isLast || frame.type !== TYPE.batch || damagedOpenings(frame).length === 0) return false;
  return findFrame(bytes, frame.offset + frame.bytes, frame.salt) === -1;
}

function follows(frame: Frame, cursor: Cursor, at: number): string | undefined {
  if (!frame.chain.equals(cursor.chain)) return 'the chain is broken';
  if (frame.first !== cursor.size) return `first index ${frame.first}, ${cursor.size} is due`;
  if ((frame.type === TYPE.segment) !== (at === 0)) return 'a segment head within a segment';
  return undefined;
}

function meaning(frame: Frame, segment: SegmentFile, origin: string) {
  try {
    switch (frame.type) {
      case TYPE.batch:
      case TYPE.thinned:
        return { kind: 'entries', first: frame.first, batch: new Batch(frame) } as const;
      case TYPE.seal:
        return { kind: 'seal', sealed: readSealed(frame.payload, origin) } as const;
      case TYPE.intent:
        return { kind: 'intent', intent: parseIntent(frame.payload) } as const;
      case TYPE.forget:
        return { kind: 'forget', index: parseForget(frame.payload) } as const;
      case TYPE.segment: {
        const { ordinal, tip } = parseSegmentHead(frame.payload, frame.first);
        if (ordinal !== segment.ordinal || tip.origin !== origin)
          throw new AttestdError('MALFORMED', 'the head is that of another segment');
        return { kind: 'segment' } as const;
      }
    }
  } catch (e) {
    throw corrupt(segment, frame.offset, e instanceof Error ? e.message : String(e));
  }
}

const corrupt = (segment: SegmentFile, offset: number, why: string) =>
  new AttestdError('STORE_CORRUPT', `${segment.path} at byte ${offset}: ${why}`);
