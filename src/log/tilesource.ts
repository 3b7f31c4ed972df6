/**
 * A node source over tiles, for whoever reads a log from its files or over HTTP. Only every eighth level is stored;
 * the nodes between are hashed up within their tile, once, and kept for the tiles used last, because one proof asks
 * for up to eight nodes of a tile and the next proof for the same ones.
 */
import { AttestdError } from '../core/errors.ts';
import { HASH_SIZE, nodeHash } from './merkle.ts';
import { checkSize, isSize } from './position.ts';
import type { NodeSource } from './source.ts';
import { levelExtent, TILE_WIDTH, type Tile, tileHash } from './tile.ts';

/** Gives the bytes of a tile of hashes, 32 × width of them; nobody may change them afterwards. */
export type TileReader = (tile: Tile) => Uint8Array | Promise<Uint8Array>;

/** Tiles whose inner nodes are kept: 16 KiB each. */
const KEPT = 64;

/** The complete nodes of a tile: row 0 are its hashes, row 7 has at most two. */
type Rows = readonly (readonly Uint8Array[])[];

function makeRows(bytes: Uint8Array, width: number): Rows {
  if (bytes.length !== width * HASH_SIZE) {
    throw new AttestdError('MALFORMED', `a tile of width ${width} has ${bytes.length} bytes`);
  }
  let row = Array.from({ length: width }, (_, i) => tileHash(bytes, i));
  const rows = [row];
  while (rows.length < 8) {
    const next: Uint8Array[] = [];
    for (let i = 0; i + 1 < row.length; i += 2) {
      next.push(nodeHash(row[i] as Uint8Array, row[i + 1] as Uint8Array));
    }
    rows.push(next);
    row = next;
  }
  return rows;
}

/**
 * The nodes of a tree of `size` from its tiles. What it gives is only as good as the tiles: a proof made from it is
 * to be verified against a root that is trusted.
 * @throws MALFORMED from the source when there is no such node, or a tile has another length than its width says
 */
export function tileSource(size: number, read: TileReader): NodeSource {
  checkSize(size, 'tree size');
  const kept = new Map<string, Rows>();
  const keep = (key: string, rows: Rows): Rows => {
    kept.delete(key);
    kept.set(key, rows);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value as string);
    return rows;
  };
  return (level, index) => {
    const tileLevel = Math.floor(level / 8);
    const step = level % 8;
    const perTile = TILE_WIDTH / 2 ** step;
    const n = Math.floor(index / perTile);
    const at = index % perTile;
    const { full, partial } = levelExtent(tileLevel, size);
    const width = n < full ? TILE_WIDTH : n === full ? partial : 0;
    if (!(Number.isInteger(level) && level >= 0 && isSize(index) && (at + 1) * 2 ** step <= width)) {
      throw new AttestdError('MALFORMED', `no node ${index} of level ${level} in a tree of ${size}`);
    }
    const node = (rows: Rows) => rows[step]?.[at] as Uint8Array;
    const key = `${tileLevel}/${n}`;
    const known = kept.get(key);
    if (known !== undefined) return node(keep(key, known));
    const bytes = read({ level: tileLevel, n, width });
    return bytes instanceof Uint8Array
      ? node(keep(key, makeRows(bytes, width)))
      : bytes.then((b) => node(keep(key, makeRows(b, width))));
  };
}
