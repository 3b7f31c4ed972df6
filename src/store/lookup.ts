/**
 * The index: from id, idempotency key or size to a place in the log. Derived and disposable, written in batches
 * behind the log and never waited for; what is not written yet is found in memory. No opening ever goes in here, for
 * nothing could be erased from its free pages.
 *
 * Records are found by the time in their ULID: a run of entries whose ids lie within 100 ms is one key, and places
 * are kept for every 64th frame or so. So a record costs the index next to nothing unless it has an idempotency key.
 *
 * ```
 * 'f' u48 first index                  → u32 ordinal u32 offset      a frame
 * 't' u48 least time u48 first index   → u32 count                   a run of ids
 * 'k' u32 uid key[16]                  → u48 index                   an idempotency key
 * 's' u48 size u48 seq                 → u48 boot index u32 ordinal u32 offset
 * 'm'                                  → u48 size u32 ordinal u32 offset chain[32]    how far this index goes
 * 'd'                                  → u48 number of full tiles written
 * 'b' u48 number                       → a sketch, see sketch.ts
 * ```
 */
import { statfs } from 'node:fs/promises';
import { ulidTime } from './batch.ts';
import { type Database, key, openDatabase, placeAt, placeBytes, u48 } from './database.ts';
import { IdempotencyKeys } from './keys.ts';
import type { Place } from './segment.ts';
import { Sketches } from './sketch.ts';

const RUN_MS = 100;
const PLACE_EVERY = 64;
const FLUSH_MS = 100;
const FLUSH_KEYS = 8192;
const RETRY_MS = 1000;
/** Free bytes without which nothing is written. */
const MIN_FREE = 32 << 20;

/** How far an index goes. */
export interface Mark {
  readonly size: number;
  readonly place: Place;
  readonly chain: Buffer;
}

/** Entries from `first` on. */
export interface Run {
  readonly first: number;
  count: number;
}

export interface SealPlace {
  readonly size: number;
  readonly seq: number;
  readonly bootIndex: number;
  readonly place: Place;
}

interface TimedRun extends Run {
  /** Least time of its ids; none is more than RUN_MS later. */
  least: number;
}

interface Pending {
  places: [number, Place][];
  runs: TimedRun[];
  seals: SealPlace[];
  mark: Mark | undefined;
}

const nothing = (): Pending => ({ places: [], runs: [], seals: [], mark: undefined });

export class Lookup {
  readonly sketches: Sketches;
  readonly keys: IdempotencyKeys;
  readonly #path: string;
  readonly #db: Database;
  readonly #warn: (what: string, cause: unknown) => void;
  #pending: Pending = nothing();
  /** What is being written; empty when nothing is. */
  #writing: Pending = nothing();
  #flushing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sincePlace = PLACE_EVERY;
  #tiles: number;
  /** A commit failed: nothing is written by this process any more. */
  #broken = false;
  /** There was no room at the last attempt. */
  #short = false;
  #run: TimedRun | undefined;

  private constructor(path: string, db: Database, warn: (what: string, cause: unknown) => void) {
    this.#path = path;
    this.#db = db;
    this.#warn = warn;
    this.sketches = new Sketches(db, () => this.#soon());
    this.keys = new IdempotencyKeys(db);
    const tiles = db.get(key('d'));
    this.#tiles = tiles?.length === 6 ? tiles.readUIntBE(0, 6) : 0;
  }

  /** Opens the index at `path`, or begins it. */
  static open(path: string, warn: (what: string, cause: unknown) => void): Lookup {
    return new Lookup(path, openDatabase(path, warn), warn);
  }

  /** Whether a commit failed: what came since is in memory alone, until the next start. */
  get broken(): boolean {
    return this.#broken;
  }

  /** How far the index goes on disk; undefined for an empty one. */
  mark(): Mark | undefined {
    const b = this.#db.get(key('m'));
    if (b?.length !== 46) return undefined;
    return { size: b.readUIntBE(0, 6), place: placeAt(b, 6), chain: Buffer.from(b.subarray(14)) };
  }

  /** Number of full tiles (of level 0) that have been written. */
  get tiles(): number {
    return this.#tiles;
  }
  set tiles(n: number) {
    this.#tiles = n;
    this.#soon();
  }

  /** Takes the place of a frame of entries. */
  addFrame(first: number, place: Place): void {
    if (++this.#sincePlace >= PLACE_EVERY) {
      this.#sincePlace = 0;
      this.#pending.places.push([first, place]);
    }
    this.#soon();
  }

  /**
   * Takes an entry.
   * @param id ULID
   * @param digest SHA-256 of its idempotency key, with `uid`
   */
  addEntry(index: number, id?: string, uid?: number, digest?: Uint8Array): void {
    if (id !== undefined) this.#addTime(index, ulidTime(id));
    if (digest === undefined || uid === undefined) return;
    this.keys.add({ index, uid, key: digest });
  }

  #addTime(index: number, time: number): void {
    const run = this.#run;
    if (run !== undefined && index === run.first + run.count) {
      if (time >= run.least && time - run.least <= RUN_MS) {
        run.count++;
        return;
      }
    }
    this.#run = { first: index, count: 1, least: time };
    this.#pending.runs.push(this.#run);
  }

  addSeal(seal: SealPlace): void {
    this.#pending.seals.push(seal);
    this.#soon();
  }

  /** Says that everything before this point has been added. */
  reach(mark: Mark): void {
    this.#pending.mark = mark;
  }

  /** A place at or before the frame of entry `index`. */
  place(index: number): Place | undefined {
    for (const { places } of [this.#pending, this.#writing]) {
      for (let i = places.length - 1; i >= 0; i--) {
        const [first, place] = places[i] as [number, Place];
        if (first <= index) return place;
      }
    }
    for (const { value } of this.#db.getRange({
      start: key('f', index),
      end: key('f'),
      reverse: true,
      limit: 1,
    }))
      return placeAt(value, 0);
    return undefined;
  }

  /** Runs of entries among which one with an id of this time must be. */
  *runs(time: number): Generator<Run> {
    for (const { runs } of [this.#pending, this.#writing]) {
      for (let i = runs.length - 1; i >= 0; i--) {
        const run = runs[i] as TimedRun;
        if (run.least <= time && time <= run.least + RUN_MS) yield run;
      }
    }
    const range = { start: key('t', Math.max(0, time - RUN_MS), 0), end: key('t', time + 1, 0) };
    for (const { key: k, value } of this.#db.getRange(range))
      yield { first: k.readUIntBE(7, 6), count: value.readUInt32BE(0) };
  }

  /** Seals of size `from` and above, smallest first. */
  *seals(from: number): Generator<SealPlace> {
    // Sizes never go back, so what is written comes before what is not.
    for (const { key: k, value } of this.#db.getRange({ start: key('s', from, 0), end: key('t') })) {
      const place = placeAt(value, 6);
      yield { size: k.readUIntBE(1, 6), seq: k.readUIntBE(7, 6), bootIndex: value.readUIntBE(0, 6), place };
    }
    for (const { seals } of [this.#writing, this.#pending])
      for (const s of seals) if (s.size >= from) yield s;
  }

  /** Writes all that is pending, if there is room on the disk. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushing = this.#write().finally(() => {
      this.#flushing = undefined;
    });
    await this.#flushing;
  }

  async close(): Promise<void> {
    await this.flush();
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    // After a failed commit lmdb never settles what waits for it; the process ends without.
    if (!this.#broken) await this.#db.close();
  }

  #soon(): void {
    if (this.#flushing !== undefined) return;
    if (this.keys.pending >= FLUSH_KEYS) void this.flush();
    else this.#later(FLUSH_MS);
  }

  #later(ms: number): void {
    this.#timer ??= setTimeout(() => void this.flush(), ms);
  }

  /** Whether a commit cannot run out of space half-way, which lmdb does not survive well. */
  async #hasRoom(): Promise<boolean> {
    try {
      const { bavail, bsize } = await statfs(this.#path);
      return bavail * bsize >= MIN_FREE;
    } catch {
      return false;
    }
  }

  async #write(): Promise<void> {
    if (this.#broken) return;
    if (!(await this.#hasRoom())) {
      if (!this.#short) this.#warn('the index waits for room on the disk', undefined);
      this.#short = true;
      this.#later(RETRY_MS);
      return;
    }
    this.#short = false;
    const p = this.#pending;
    this.#pending = nothing();
    this.#writing = p;
    // A run does not grow any more once it is written.
    this.#run = undefined;
    try {
      await this.#db.batch(() => this.#puts(p));
      this.#writing = nothing();
      this.keys.written();
    } catch (cause) {
      // What is in memory stays there, and the next start reads the log from the mark on: nothing is lost.
      this.#broken = true;
      (cause as { commitError?: Promise<unknown> }).commitError?.catch(() => undefined);
      this.#warn('the index is not written any more', cause);
      return;
    }
    if (this.#pending.mark !== undefined) this.#later(FLUSH_MS);
  }

  /** Only in a batch: all of it is written, or nothing. */
  #puts(p: Pending): void {
    const db = this.#db;
    this.sketches.puts();
    this.keys.puts();
    for (const [first, place] of p.places) void db.put(key('f', first), placeBytes(place));
    for (const { least, first, count } of p.runs) {
      const b = Buffer.alloc(4);
      b.writeUInt32BE(count);
      void db.put(key('t', least, first), b);
    }
    for (const { size, seq, bootIndex, place } of p.seals)
      void db.put(key('s', size, seq), Buffer.concat([u48(bootIndex), placeBytes(place)]));
    void db.put(key('d'), u48(this.#tiles));
    if (p.mark !== undefined) {
      const { size, place, chain } = p.mark;
      void db.put(key('m'), Buffer.concat([u48(size), placeBytes(place), chain]));
    }
  }
}
