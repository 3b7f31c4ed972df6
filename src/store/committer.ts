/**
 * The one queue to the disk. Groups of records and control frames go through it one at a time, each one write and one
 * fdatasync; whatever arrives meanwhile forms the next group. Promises resolve in the order of the log.
 *
 * Once a write has failed the store is failed for good: what the disk holds is known only after a restart.
 */
import { AttestdError } from '../core/errors.ts';
import { checkItem, type Item } from './batch.ts';
import { unavailable } from './disk.ts';
import type { TileVisitor } from './edge.ts';
import { type FrameType, HEADER, makeFrame } from './frame.ts';
import { type Committed, Group, itemBytes } from './group.ts';
import type { Place, Tip } from './segment.ts';
import { DiskFull, type Segments } from './segments.ts';
import { markEntry } from './tip.ts';

/** A group takes no more records beyond this. */
const MAX_GROUP_BYTES = 4 << 20;
const MAX_GROUP_ITEMS = 8192;
const NOTHING = (): void => undefined;

export interface CommitterOptions {
  readonly segments: Segments;
  readonly tip: Tip;
  /** Told of each tile that is filled. */
  readonly visit: TileVisitor;
  /** Told of each group once it is durable, before its callers are; `entries` is good only until then. */
  readonly durable: (first: number, items: readonly Item[], place: Place, entries: Buffer) => void;
  /** A failure elsewhere after which nothing may be acknowledged either. */
  readonly elsewhere: () => AttestdError | undefined;
}

export class Committer {
  readonly #o: CommitterOptions;
  readonly #maxBytes: number;
  /** Groups that wait, oldest first; only the last one still takes records. */
  readonly #groups: Group[] = [];
  readonly #idle: Group[] = [];
  readonly #controls: (() => Promise<void>)[] = [];
  #size: number;
  #failed: AttestdError | undefined;
  #full: DiskFull | undefined;
  #closed = false;
  #running: Promise<void> | undefined;

  constructor(o: CommitterOptions) {
    this.#o = o;
    this.#size = o.tip.edge.size;
    this.#maxBytes = Math.min(MAX_GROUP_BYTES, o.segments.maxFrame);
  }

  /** Durable entries. */
  get size(): number {
    return this.#size;
  }
  /** What it takes to make a group durable at present, milliseconds. */
  get syncMs(): number {
    return this.#o.segments.syncMs;
  }
  /** Why nothing can be written any more. */
  get failed(): AttestdError | undefined {
    return this.#failed;
  }
  /** Why nothing can be written at present. */
  get full(): AttestdError | undefined {
    return this.#full;
  }

  /** Makes items durable, next to each other. */
  commit(items: readonly Item[]): Promise<Committed> {
    try {
      this.check();
      if (items.length === 0) throw new AttestdError('MALFORMED', 'nothing to commit');
      let bytes = 0;
      for (const item of items) {
        checkItem(item);
        bytes += itemBytes(item);
      }
      if (bytes > this.#maxBytes - HEADER || items.length > MAX_GROUP_ITEMS)
        throw new AttestdError(
          'TOO_LARGE',
          `${items.length} records of ${bytes} bytes are too much for one commit`,
        );
      const group = this.#groupFor(bytes, items.length);
      return new Promise((resolve, reject) => {
        group.waiters.push({ from: group.count, resolve, reject });
        for (const item of items) group.add(item);
        this.#start();
      });
    } catch (e) {
      return Promise.reject(e);
    }
  }

  /** Runs `act` in its turn, with nothing else being written meanwhile. */
  control<T>(act: () => Promise<T>): Promise<T> {
    try {
      this.check();
    } catch (e) {
      return Promise.reject(e);
    }
    return new Promise((resolve, reject) => {
      this.#controls.push(() => act().then(resolve, reject));
      this.#start();
    });
  }

  /** Writes a control frame; only within `control`. @throws STORAGE_UNAVAILABLE */
  async writeControl(type: FrameType, payload: Uint8Array): Promise<Place> {
    if (this.#failed !== undefined) throw this.#failed;
    return this.guard(async () => {
      await this.#o.segments.makeRoom(HEADER + payload.length, true);
      const first = this.#size;
      const { place } = await this.#o.segments.write((salt, chain) => ({
        frame: makeFrame({ type, first, count: 0, erasable: 0, salt, chain }, payload),
      }));
      return place;
    });
  }

  /** Runs a write; if it fails the store is failed, unless there was merely no room. */
  async guard<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (cause) {
      if (cause instanceof DiskFull) {
        this.#full = cause;
        throw cause;
      }
      this.fail('the log could not be written', cause);
      throw this.#failed;
    }
  }

  /** Nothing is written from now on; the first reason stands. */
  fail(what: string, cause: unknown): void {
    this.#failed ??= unavailable(what, cause);
  }

  /** @throws SHUTTING_DOWN or STORAGE_UNAVAILABLE when nothing can be written */
  check(): void {
    this.#failed ??= this.#o.elsewhere();
    if (this.#failed !== undefined) throw this.#failed;
    if (this.#closed) throw new AttestdError('SHUTTING_DOWN', 'the store is closed');
  }

  /** Takes nothing new; resolves when all that was taken is durable or refused. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running !== undefined) await this.#running;
  }

  #groupFor(bytes: number, count: number): Group {
    const last = this.#groups.at(-1);
    if (last !== undefined && last.bytes + bytes <= this.#maxBytes && last.count + count <= MAX_GROUP_ITEMS)
      return last;
    const group = this.#idle.pop() ?? new Group();
    this.#groups.push(group);
    return group;
  }

  #start(): void {
    // Not at once: what is committed within one step of the program shares a write.
    this.#running ??= Promise.resolve()
      .then(() => this.#run())
      .finally(() => {
        this.#running = undefined;
        if (this.#groups.length + this.#controls.length > 0) this.#start();
      });
  }

  /** What a write has to tell its callers is told once the next one is under way: so the disk does not wait for that. */
  async #run(): Promise<void> {
    let tell = NOTHING;
    for (;;) {
      const control = this.#controls.shift();
      const group = this.#groups.shift();
      if (control !== undefined || group === undefined) {
        tell();
        tell = NOTHING;
      }
      if (control !== undefined) await control();
      else if (group === undefined) return;
      if (group === undefined) continue;
      const writing = this.#write(group);
      tell();
      tell = await writing;
    }
  }

  /** @returns what tells the callers; never rejects */
  async #write(group: Group): Promise<() => void> {
    const { segments, tip, visit, durable } = this.#o;
    const first = this.#size;
    const { waiters } = group;
    try {
      if (this.#failed !== undefined) throw this.#failed;
      const { place, leaves, digests } = await this.guard(async () => {
        // The write begins within this call wherever there is room, which is nearly always.
        if (!segments.hasRoom(group.bytes, false)) await segments.makeRoom(group.bytes, false);
        return segments.write((salt, chain) => group.finish(first, salt, chain));
      });
      const { items } = group;
      for (let i = 0; i < items.length; i++) {
        tip.edge.append(leaves, i * 32, visit);
        const { entry, mark } = items[i] as Item;
        if (mark !== undefined) markEntry(tip, first + i, entry, mark);
      }
      this.#size = first + group.count;
      // A seal may still find room where no record does, so only records show that it has passed.
      this.#full = undefined;
      durable(first, items, place, group.entries());
      return () => {
        for (const { from, resolve } of waiters) resolve({ first: first + from, digests, at: from * 64 });
      };
    } catch (e) {
      const error = e instanceof AttestdError ? e : unavailable('the log could not be written', e);
      // Whoever comes behind may rest on what was refused, and could not know: nothing of it is written either.
      const behind = e instanceof DiskFull ? this.#groups.splice(0) : [];
      for (const { reject } of [...waiters, ...behind.flatMap((g) => g.waiters)]) reject(error);
      for (const g of behind) g.reset();
      return NOTHING;
    } finally {
      group.reset();
      if (this.#idle.length < 2) this.#idle.push(group);
    }
  }
}
