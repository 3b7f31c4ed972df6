/**
 * The right edge of the tree: for each level the tile that is not full yet, with every inner node that is complete.
 * It is what appending needs and what every proof near the end of the log needs; a segment begins with a copy of it,
 * so start-up rebuilds it without reading older segments.
 */
import { AttestdError } from '../core/errors.ts';
import { EMPTY_ROOT } from '../log/merkle.ts';
import { coveringNodes } from '../log/source.ts';
import { leafInto, nodeInto } from './hash.ts';

/** Hashes in a full tile (C2SP tlog-tiles, height 8). */
export const WIDTH = 256;
const HASH = 32;

/** Place of the nodes `step` levels above the tile's own hashes: 256 of step 0, 128 of step 1, … 1 of step 8. */
const row = (step: number): number => 512 - (512 >> step);

/** Up to 256 hashes and the inner nodes over them, computed once. */
export class TileNodes {
  readonly #nodes: Buffer = Buffer.allocUnsafeSlow(511 * HASH);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Appends the hash at `from` of `source`. */
  append(source: Buffer, from: number): void {
    const nodes = this.#nodes;
    source.copy(nodes, this.#count * HASH, from, from + HASH);
    let step = 0;
    for (let i = this.#count; i & 1; i >>= 1) {
      nodeInto(nodes, (row(step) + i - 1) * HASH, nodes, (row(step + 1) + (i >> 1)) * HASH);
      step++;
    }
    this.#count++;
  }

  /** Node `i`, `step` levels above the hashes of the tile; a view. @throws INTERNAL where it is not complete */
  node(step: number, i: number): Buffer {
    if ((i + 1) << step > this.#count)
      throw new AttestdError('INTERNAL', 'a node beyond the tile was asked for');
    const at = (row(step) + i) * HASH;
    return this.#nodes.subarray(at, at + HASH);
  }

  /** The first `width` hashes: the bytes of the tile; a copy. */
  bytes(width: number = this.#count): Buffer {
    return Buffer.from(this.#nodes.subarray(0, width * HASH));
  }

  /** The tile with these hashes. */
  static of(hashes: Buffer): TileNodes {
    const tile = new TileNodes();
    for (let at = 0; at < hashes.length; at += HASH) tile.append(hashes, at);
    return tile;
  }
}

/** Told of each tile that an append fills. */
export type TileVisitor = (level: number, n: number, tile: TileNodes) => void;

export class Edge {
  #size: number;
  /** Tiles that are not full, level 0 first; every full one has been handed to the visitor. */
  readonly #tiles: TileNodes[];
  readonly #scratch = Buffer.alloc(HASH);

  /**
   * @param size entries
   * @param tiles hashes of the tiles that are not full, level 0 first
   * @throws MALFORMED when they do not fit the size
   */
  constructor(size = 0, tiles: readonly Buffer[] = []) {
    let rest = size;
    for (const [level, hashes] of tiles.entries()) {
      if (hashes.length !== (rest % WIDTH) * HASH)
        throw new AttestdError('MALFORMED', `edge: level ${level} of a tree of ${size} has another width`);
      rest = Math.floor(rest / WIDTH);
    }
    if (rest !== 0) throw new AttestdError('MALFORMED', `edge: a level of a tree of ${size} is missing`);
    this.#size = size;
    this.#tiles = tiles.map(TileNodes.of);
  }

  get size(): number {
    return this.#size;
  }

  /** Hashes of the tiles that are not full, level 0 first: what the constructor takes. */
  tiles(): Buffer[] {
    const out: Buffer[] = [];
    for (let rest = this.#size; rest > 0; rest = Math.floor(rest / WIDTH))
      out.push(this.#tiles[out.length]?.bytes(rest % WIDTH) ?? Buffer.alloc(0));
    return out;
  }

  /** Appends the leaf hash at `from` of `source`. */
  append(source: Buffer, from: number, visit?: TileVisitor): void {
    this.#put(0, this.#size, source, from, visit);
    this.#size++;
  }

  /** Appends an entry. */
  appendEntry(entry: Uint8Array, visit?: TileVisitor): void {
    leafInto(entry, this.#scratch, 0);
    this.append(this.#scratch, 0, visit);
  }

  #put(level: number, index: number, source: Buffer, from: number, visit?: TileVisitor): void {
    let tile = this.#tiles[level];
    if (tile === undefined || tile.count === WIDTH) {
      tile = new TileNodes();
      this.#tiles[level] = tile;
    }
    tile.append(source, from);
    if (tile.count < WIDTH) return;
    const n = Math.floor(index / WIDTH);
    visit?.(level, n, tile);
    this.#put(level + 1, n, tile.node(8, 0), 0, visit);
  }

  /** Tile `n` of `level` if it is the last one of its level and at hand (a full one may not be, after a start). */
  tile(level: number, n: number): TileNodes | undefined {
    const last = Math.floor(this.#size / WIDTH ** level) - 1;
    const tile = this.#tiles[level];
    return last >= 0 && Math.floor(last / WIDTH) === n && tile?.count === (last % WIDTH) + 1
      ? tile
      : undefined;
  }

  /** Root of the tree (RFC 9162 §2.1.1). */
  root(): Buffer {
    if (this.#size === 0) return Buffer.from(EMPTY_ROOT);
    const pair = Buffer.alloc(2 * HASH);
    let any = false;
    for (const { level, index } of coveringNodes(0, this.#size).reverse()) {
      const node = this.#corner(level, index);
      if (any) {
        node.copy(pair, 0);
        nodeInto(pair, 0, pair, HASH);
      } else node.copy(pair, HASH);
      any = true;
    }
    return pair.subarray(HASH);
  }

  /** A node that ends where its level ends: it is in the last tile, or the root of the full tile below. */
  #corner(level: number, index: number): Buffer {
    const tile = this.#tiles[Math.floor(level / 8)];
    if (tile === undefined) throw new AttestdError('INTERNAL', 'the edge of the tree has a hole');
    const step = level % 8;
    return tile.node(step, index % (WIDTH >> step));
  }
}
