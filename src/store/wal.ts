/**
 * Reading the segments: frames by place, entries by index. Positioned reads only, a handful of open descriptors and a
 * few frames in memory, whatever the size of the log. What is read is checked (CRC, salt) each time.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { AttestdError } from '../core/errors.ts';
import { Batch } from './batch.ts';
import { type Frame, frameAt, HEADER, headAt, TYPE } from './frame.ts';
import type { SegmentFile } from './layout.ts';
import type { Place } from './segment.ts';
import { openThinMap, type ThinMap } from './thin.ts';

const MAX_OPEN = 16;
const MAX_CACHED = 8;

interface OpenSegment {
  readonly fd: number;
  readonly salt: Buffer;
  /** For a thinned segment: where its bytes lie. */
  readonly thin?: ThinMap;
}

/** Reads as from the segment as it was written. */
const readAt = ({ fd, thin }: Omit<OpenSegment, 'salt'>, b: Buffer, offset: number): number =>
  thin === undefined ? readSync(fd, b, 0, b.length, offset) : thin.read(fd, b, offset);

const holdsEntries = (type: number): boolean => type === TYPE.batch || type === TYPE.thinned;

/** A frame and where it stands. */
export interface Placed {
  readonly frame: Frame;
  readonly place: Place;
}

/** Gives a place at or before the frame that holds entry `index`. */
export type Locator = (index: number) => Place;

export class Wal {
  readonly #segments: SegmentFile[];
  readonly #open = new Map<number, OpenSegment>();
  readonly #cache = new Map<string, Batch>();
  /** Set by the index; without it a search begins at the start of the segment. */
  locate: Locator;

  constructor(segments: readonly SegmentFile[]) {
    this.#segments = [...segments];
    this.locate = (index) => ({ ordinal: this.segmentOf(index), offset: 0 });
  }

  get segments(): readonly SegmentFile[] {
    return this.#segments;
  }

  /** Told of a segment that has been begun. */
  add(segment: SegmentFile): void {
    this.#segments.push(segment);
  }

  /** The last segment that begins at or before entry `index`. */
  segmentOf(index: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#segments[middle] as SegmentFile).first <= index) low = middle;
      else high = middle;
    }
    return low;
  }

  /** @throws STORE_CORRUPT when the frame there is not whole */
  frame(place: Place): Frame {
    const frame = this.#read(place);
    if (frame === undefined) throw this.#damage(place, 'no whole frame');
    return frame;
  }

  /** Frames from `from` on, through the segments, until the first place without a frame in the last one. */
  *frames(from: Place, end?: Place): Generator<Placed> {
    let { ordinal, offset } = from;
    for (;;) {
      if (end !== undefined && (ordinal > end.ordinal || (ordinal === end.ordinal && offset >= end.offset)))
        return;
      const place = { ordinal, offset };
      if (this.#head(place) === undefined) {
        if (ordinal + 1 >= this.#segments.length) return;
        ordinal++;
        offset = 0;
        continue;
      }
      const frame = this.frame(place);
      yield { frame, place };
      offset += frame.bytes;
    }
  }

  /**
   * The frame that holds entry `index`, which must exist.
   * @param from a frame at or before it, where the search begins
   * @throws STORE_CORRUPT
   */
  batchOf(index: number, from: Place = this.locate(index)): { batch: Batch; place: Place } {
    let { ordinal, offset } = from;
    for (;;) {
      const place = { ordinal, offset };
      const head = this.#head(place);
      if (head === undefined) {
        if (ordinal + 1 >= this.#segments.length) throw this.#damage(place, `entry ${index} is not found`);
        ordinal++;
        offset = 0;
        continue;
      }
      if (head.first > index) throw this.#damage(place, `entry ${index} is not found before it`);
      if (holdsEntries(head.type) && index < head.first + head.count)
        return { batch: this.#batch(place), place };
      offset += HEADER + head.length + head.erasable;
    }
  }

  /** The frames that hold entries `from` to `to` - 1. */
  *batches(from: number, to: number): Generator<Batch> {
    let last: Place | undefined;
    for (let at = from; at < to; ) {
      const { batch, place } = this.batchOf(at, last);
      yield batch;
      at = batch.first + batch.count;
      last = place;
    }
  }

  /** Entry `index`, a copy. */
  entry(index: number): Buffer {
    const { batch } = this.batchOf(index);
    return Buffer.from(batch.entry(index - batch.first));
  }

  /** The entries `from` to `to` - 1 in bundle encoding. */
  bundle(from: number, to: number): Buffer {
    const parts: Buffer[] = [];
    for (const batch of this.batches(from, to)) {
      const begin = Math.max(from, batch.first) - batch.first;
      parts.push(batch.bundle(begin, Math.min(to - batch.first, batch.count)));
    }
    return Buffer.concat(parts);
  }

  /** The same, or nothing where one of them was removed. */
  wholeBundle(from: number, to: number): Buffer | undefined {
    for (const batch of this.batches(from, to))
      if (
        batch.anyRemoved(Math.max(from, batch.first) - batch.first, Math.min(to - batch.first, batch.count))
      )
        return undefined;
    return this.bundle(from, to);
  }

  /** Told that another file stands in place of a segment. */
  reopen(ordinal: number): void {
    const open = this.#open.get(ordinal);
    if (open !== undefined) closeSync(open.fd);
    this.#open.delete(ordinal);
    for (const key of [...this.#cache.keys()]) if (key.startsWith(`${ordinal}:`)) this.#cache.delete(key);
  }

  /** Where in its file bytes of a segment lie. */
  offsetOf({ ordinal, offset }: Place, length: number): number {
    const { thin } = this.#segment(ordinal);
    return thin === undefined ? offset : thin.place(offset, length);
  }

  /** Forgets what is in memory of a frame, after its file was changed. */
  drop(place: Place): void {
    this.#cache.delete(`${place.ordinal}:${place.offset}`);
  }

  close(): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
    this.#cache.clear();
  }

  #batch(place: Place): Batch {
    const key = `${place.ordinal}:${place.offset}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const batch = new Batch(this.frame(place));
    // A large frame is read again rather than kept: the cache is for runs of entries in one frame.
    if (batch.frame.bytes <= 1 << 20) {
      if (this.#cache.size >= MAX_CACHED) this.#cache.delete(this.#cache.keys().next().value as string);
      this.#cache.set(key, batch);
    }
    return batch;
  }

  #head(place: Place) {
    const segment = this.#segment(place.ordinal);
    const { salt } = segment;
    const b = Buffer.allocUnsafe(HEADER);
    if (readAt(segment, b, place.offset) < HEADER) return undefined;
    return b.compare(salt, 0, 8, 32, 40) === 0 ? headAt(b, 0) : undefined;
  }

  #read(place: Place): Frame | undefined {
    const head = this.#head(place);
    if (head === undefined) return undefined;
    const segment = this.#segment(place.ordinal);
    const { salt } = segment;
    const b = Buffer.allocUnsafeSlow(HEADER + head.length + head.erasable);
    let got = 0;
    while (got < b.length) {
      const n = readAt(segment, b.subarray(got), place.offset + got);
      if (n === 0) return undefined;
      got += n;
    }
    return frameAt(b, 0, salt);
  }

  #segment(ordinal: number): OpenSegment {
    const known = this.#open.get(ordinal);
    if (known !== undefined) return known;
    const file = this.#segments[ordinal];
    if (file === undefined) throw new AttestdError('STORE_CORRUPT', `there is no segment ${ordinal}`);
    const fd = openSync(file.path, 'r');
    const b = Buffer.alloc(HEADER);
    let thin: ThinMap | undefined;
    try {
      thin = openThinMap(fd);
      readAt({ fd, ...(thin === undefined ? {} : { thin }) }, b, 0);
      if (headAt(b, 0)?.type !== TYPE.segment)
        throw this.#damage({ ordinal, offset: 0 }, 'the segment has no head');
    } catch (e) {
      closeSync(fd);
      throw e;
    }
    const opened = { fd, salt: Buffer.from(b.subarray(32, 40)), ...(thin === undefined ? {} : { thin }) };
    if (this.#open.size >= MAX_OPEN) {
      const [oldest, old] = this.#open.entries().next().value as [number, OpenSegment];
      closeSync(old.fd);
      this.#open.delete(oldest);
    }
    this.#open.set(ordinal, opened);
    return opened;
  }

  #damage({ ordinal, offset }: Place, why: string): AttestdError {
    return new AttestdError('STORE_CORRUPT', `${why} in segment ${ordinal} at byte ${offset}`);
  }
}
