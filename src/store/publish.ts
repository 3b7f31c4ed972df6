/**
 * Writes full tiles and entry bundles in the C2SP layout, behind the log and off the path of any record. A path only
 * ever gets the bytes that follow from the log: what is there already is compared, and put right if it differs.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Tile } from '../log/tile.ts';
import { Bundles } from './bundles.ts';
import type { Disk } from './disk.ts';
import { WIDTH } from './edge.ts';
import type { Lookup } from './lookup.ts';
import type { Tiles } from './tiles.ts';
import type { Wal } from './wal.ts';

/** After how many tiles the progress is noted. */
const NOTE_EVERY = 64;

export interface PublisherOptions {
  readonly disk: Disk;
  readonly tiles: Tiles;
  readonly wal: Wal;
  readonly lookup: Lookup;
  readonly warn: (what: string, cause: unknown) => void;
}

export class Publisher {
  readonly #o: PublisherOptions;
  /** Full tiles of level 0 that stand with all that follows from them. */
  #done: number;
  #running: Promise<void> | undefined;
  #stopped = false;
  readonly #made = new Set<string>();
  readonly #bundles = new Bundles();

  constructor(o: PublisherOptions) {
    this.#o = o;
    const noted = o.lookup.tiles;
    // Someone deleted the tiles: begin again.
    this.#done = noted > 0 && existsSync(o.tiles.path({ level: 0, n: noted - 1, width: WIDTH })) ? noted : 0;
  }

  /** Full tiles of level 0 that are not written yet at `size`. */
  behind(size: number): number {
    return Math.floor(size / WIDTH) - this.#done;
  }

  /** Takes entries that became durable, in the encoding of a bundle: so nothing is read again that was just written. */
  take(first: number, count: number, entries: Buffer): void {
    this.#bundles.take(first, count, entries);
  }

  /** Begins writing up to `size` in the background unless it is going on. */
  follow(size: () => number): void {
    if (this.#running !== undefined || this.#stopped || this.behind(size()) <= 0) return;
    this.run(size).catch((cause) => this.#o.warn('tiles are not written', cause));
  }

  /** Writes what is missing up to the present size, after what is being written already. @throws the system's error */
  run(size: () => number, progress?: (done: number, total: number) => void): Promise<void> {
    return this.#inTurn(() => this.#run(size, progress));
  }

  /** Does something when what is being written stands; nothing more is read or written until it is done. */
  alone<T>(act: () => Promise<T>): Promise<T> {
    return this.#inTurn(() => {
      // Entries may go now.
      this.#bundles.drop();
      return act();
    });
  }

  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
    const acting = act();
    this.#running = acting.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await acting;
    } finally {
      this.#running = undefined;
    }
  }

  async #run(size: () => number, progress?: (done: number, total: number) => void): Promise<void> {
    const { lookup } = this.#o;
    while (!this.#stopped && this.behind(size()) > 0) {
      await this.#write(this.#done);
      this.#done++;
      if (this.#done % NOTE_EVERY === 0) {
        lookup.tiles = this.#done;
        progress?.(this.#done * WIDTH, size());
      }
    }
    if (lookup.tiles < this.#done) lookup.tiles = this.#done;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => undefined);
  }

  /** Bundle and tile `n`, and each tile above that it completes. */
  async #write(n: number): Promise<void> {
    const { tiles, wal } = this.#o;
    const bundle = this.#bundles.whole(n) ?? wal.wholeBundle(n * WIDTH, (n + 1) * WIDTH);
    if (bundle !== undefined) await this.#put({ level: 'entries', n, width: WIDTH }, bundle);
    for (let level = 0, i = n; ; level++) {
      await this.#put({ level, n: i, width: WIDTH }, tiles.tile(level, i).bytes());
      tiles.written(level, i);
      if ((i + 1) % WIDTH !== 0) return;
      i = Math.floor(i / WIDTH);
    }
  }

  async #put(tile: Tile, bytes: Buffer): Promise<void> {
    const path = this.#o.tiles.path(tile);
    const dir = dirname(path);
    if (!this.#made.has(dir)) {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      if (this.#made.size > 64) this.#made.clear();
      this.#made.add(dir);
    }
    if (await this.#o.disk.create(path, bytes)) return;
    if ((await readFile(path)).equals(bytes)) return;
    // Cut off by a crash, or damaged.
    this.#o.warn('a tile was not what follows from the log and is put right', path);
    await writeFile(`${path}.tmp`, bytes, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
  }
}
