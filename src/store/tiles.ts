/**
 * Nodes of the tree by level and index: from the edge in memory, from recent tiles, from tile files. A file is taken
 * only if its root is what the tile above says, up to the edge; one that is missing or wrong is made again from the
 * tiles below or from the entries. So tile files are a cache that nobody has to trust, and deleting them loses nothing.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import { EMPTY_ROOT } from '../log/merkle.ts';
import { coveringNodes } from '../log/source.ts';
import { printTilePath, type Tile } from '../log/tile.ts';
import { type Edge, TileNodes, WIDTH } from './edge.ts';
import { nodeInto } from './hash.ts';
import type { Wal } from './wal.ts';

/** Tiles of 16 KiB kept for reading, and full ones that are not written yet. */
const MAX_CACHED = 256;
const MAX_UNWRITTEN = 1024;

const id = (level: number, n: number): number => level * 2 ** 46 + n;

export class Tiles {
  readonly #dir: string;
  readonly #edge: Edge;
  readonly #wal: Wal;
  readonly #warn: (what: string, cause: unknown) => void;
  readonly #cache = new Map<number, TileNodes>();
  readonly #unwritten = new Map<number, TileNodes>();

  constructor(dir: string, edge: Edge, wal: Wal, warn: (what: string, cause: unknown) => void) {
    this.#dir = dir;
    this.#edge = edge;
    this.#wal = wal;
    this.#warn = warn;
  }

  /** Path of a tile or bundle. */
  path(tile: Tile): string {
    return join(this.#dir, printTilePath(tile));
  }

  /** Keeps a tile that an append has filled until it is written. */
  keep(level: number, n: number, tile: TileNodes): void {
    this.#unwritten.set(id(level, n), tile);
    if (this.#unwritten.size > MAX_UNWRITTEN)
      this.#unwritten.delete(this.#unwritten.keys().next().value as number);
  }

  /** Says that a full tile has been written. */
  written(level: number, n: number): void {
    const tile = this.#unwritten.get(id(level, n));
    if (tile === undefined) return;
    this.#unwritten.delete(id(level, n));
    this.#remember(level, n, tile);
  }

  /** The perfect subtree over the entries index·2^level to (index + 1)·2^level - 1; a view. @throws STORE_CORRUPT */
  node(level: number, index: number): Buffer {
    const step = level % 8;
    const perTile = WIDTH >> step;
    return this.tile(Math.floor(level / 8), Math.floor(index / perTile)).node(step, index % perTile);
  }

  /** Root of the first `size` entries. @throws STORE_CORRUPT */
  rootAt(size: number): Buffer {
    if (size === 0) return Buffer.from(EMPTY_ROOT);
    const nodes = coveringNodes(0, size);
    const pair = Buffer.alloc(64);
    for (let i = nodes.length - 1; i >= 0; i--) {
      const { level, index } = nodes[i] as { level: number; index: number };
      if (i === nodes.length - 1) this.node(level, index).copy(pair, 32);
      else {
        this.node(level, index).copy(pair, 0);
        nodeInto(pair, 0, pair, 32);
      }
    }
    return pair.subarray(32);
  }

  /** Tile `n` of `level`, full or the last one of its level. @throws STORE_CORRUPT when the log itself does not give it */
  tile(level: number, n: number): TileNodes {
    const key = id(level, n);
    const known = this.#edge.tile(level, n) ?? this.#unwritten.get(key) ?? this.#cache.get(key);
    if (known !== undefined) return known;
    if ((n + 1) * WIDTH ** (level + 1) > this.#edge.size)
      throw new AttestdError('INTERNAL', `tile ${n} of level ${level} is not full`);
    const root = this.node(8 * (level + 1), n);
    const read = this.#read(level, n);
    if (read?.node(8, 0).equals(root)) return this.#remember(level, n, read);
    const made = this.#make(level, n, root);
    // It is not where it was, or was damaged: it goes back with the next round of writing, or at the next start.
    this.keep(level, n, made);
    return made;
  }

  #remember(level: number, n: number, tile: TileNodes): TileNodes {
    if (this.#cache.size >= MAX_CACHED) this.#cache.delete(this.#cache.keys().next().value as number);
    this.#cache.set(id(level, n), tile);
    return tile;
  }

  #read(level: number, n: number): TileNodes | undefined {
    let bytes: Buffer;
    try {
      bytes = readFileSync(this.path({ level, n, width: WIDTH }));
    } catch {
      return undefined;
    }
    return bytes.length === WIDTH * 32 ? TileNodes.of(bytes) : undefined;
  }

  /** Makes a full tile that has this root: from the tiles below if they give it, else from the entries. */
  #make(level: number, n: number, root: Buffer): TileNodes {
    if (level === 0) {
      const made = this.#fromEntries(n);
      if (made.node(8, 0).equals(root)) return made;
      throw new AttestdError(
        'STORE_CORRUPT',
        `the entries ${n * WIDTH} to ${n * WIDTH + 255} are not those of the tree`,
      );
    }
    for (const deep of [false, true]) {
      const made = new TileNodes();
      for (let i = n * WIDTH; i < (n + 1) * WIDTH; i++)
        made.append(this.#below(level - 1, i, deep).node(8, 0), 0);
      if (made.node(8, 0).equals(root)) return made;
      this.#warn('a tile does not follow from the files below it', `level ${level}, tile ${n}`);
    }
    throw new AttestdError(
      'STORE_CORRUPT',
      `the entries under tile ${n} of level ${level} are not those of the tree`,
    );
  }

  #below(level: number, n: number, deep: boolean): TileNodes {
    if (!deep) {
      const read = this.#unwritten.get(id(level, n)) ?? this.#cache.get(id(level, n)) ?? this.#read(level, n);
      if (read !== undefined) return read;
    }
    if (level === 0) return this.#fromEntries(n);
    const made = new TileNodes();
    for (let i = n * WIDTH; i < (n + 1) * WIDTH; i++)
      made.append(this.#below(level - 1, i, deep).node(8, 0), 0);
    return made;
  }

  #fromEntries(n: number): TileNodes {
    const tile = new TileNodes();
    const hash = Buffer.alloc(32);
    for (const batch of this.#wal.batches(n * WIDTH, (n + 1) * WIDTH)) {
      const from = Math.max(n * WIDTH, batch.first);
      const to = Math.min((n + 1) * WIDTH, batch.first + batch.count);
      for (let i = from; i < to; i++) {
        batch.leafInto(i - batch.first, hash, 0);
        tile.append(hash, 0);
      }
    }
    return tile;
  }
}
