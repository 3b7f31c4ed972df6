/**
 * Layout of C2SP tlog-tiles v1 with tiles of height 8: which tiles a tree of some size has, their paths and
 * their contents. Tile (level, n) holds the roots of up to 256 perfect subtrees of 256^level entries each.
 */
import { AttestdError } from '../core/errors.ts';
import { HASH_SIZE } from './merkle.ts';
import { checkSize, parseDecimal } from './position.ts';

/** Hashes in a full tile, and entries in a full bundle. */
export const TILE_WIDTH = 256;
/** The highest tile level that a tree below 2^53 entries has. */
export const MAX_TILE_LEVEL = 6;

/** One tile, or one entry bundle where the level is `entries`; width 256 is a full one. */
export interface Tile {
  readonly level: number | 'entries';
  readonly n: number;
  readonly width: number;
}

function checkTile({ level, n, width }: Tile): void {
  if (level !== 'entries' && !(Number.isInteger(level) && level >= 0 && level <= 63)) {
    throw new AttestdError('MALFORMED', 'tile level: not an integer from 0 to 63');
  }
  checkSize(n, 'tile index');
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new AttestdError('MALFORMED', 'tile width: not an integer from 1 to 256');
  }
}

/** `tile/<L>/<N>[.p/<W>]`, with N in groups of three digits: 1234067 is `x001/x234/067`. @throws MALFORMED */
export function printTilePath(tile: Tile): string {
  checkTile(tile);
  const digits = String(tile.n);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g) as string[];
  const last = groups.pop() as string;
  const number = groups.map((g) => `x${g}/`).join('') + last;
  return `tile/${tile.level}/${number}${tile.width === TILE_WIDTH ? '' : `.p/${tile.width}`}`;
}

const PATH = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** Reads exactly what `printTilePath` prints. @throws MALFORMED */
export function parseTilePath(path: string): Tile {
  const m = PATH.exec(path);
  if (m === null) throw new AttestdError('MALFORMED', 'not the path of a tile');
  const [, level, number, width] = m as unknown as [string, string, string, string | undefined];
  const tile: Tile = {
    level: level === 'entries' ? level : parseDecimal(level, 'tile level'),
    n: parseDecimal(number.replace(/[x/]/g, '').replace(/^0+(?=.)/, ''), 'tile index'),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  if (width === String(TILE_WIDTH) || printTilePath(tile) !== path) {
    throw new AttestdError('MALFORMED', 'the path of a tile is not canonical');
  }
  return tile;
}

/** How many full tiles a level has, and how wide its partial tile is (0: there is none). */
export interface LevelExtent {
  readonly full: number;
  readonly partial: number;
}

/** Extent of tile `level` in a tree of `size`; entry bundles have that of level 0. @throws MALFORMED */
export function levelExtent(level: number, size: number): LevelExtent {
  checkSize(size, 'tree size');
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  return { full: Math.floor(hashes / TILE_WIDTH), partial: hashes % TILE_WIDTH };
}

/**
 * The tiles and bundles that a tree of `size` has and one of `from` had not, or narrower: entries and level 0
 * first, by rising index, the partial one last. From 0: all. @throws MALFORMED
 */
export function* tilesBetween(from: number, size: number): Generator<Tile> {
  checkSize(from, 'older tree size');
  for (const level of ['entries', 0, 1, 2, 3, 4, 5, 6] as const) {
    const l = level === 'entries' ? 0 : level;
    const before = levelExtent(l, from);
    const now = levelExtent(l, size);
    for (let n = before.full; n < now.full; n++) yield { level, n, width: TILE_WIDTH };
    const wider = now.full > before.full || now.partial > before.partial;
    if (now.partial > 0 && wider) yield { level, n: now.full, width: now.partial };
  }
}

/** Whether a tree of `size` has this tile at this width: full where it is full, else exactly the partial one. */
export function hasTile(tile: Tile, size: number): boolean {
  checkTile(tile);
  const level = tile.level === 'entries' ? 0 : tile.level;
  if (level > MAX_TILE_LEVEL) return false;
  const { full, partial } = levelExtent(level, size);
  return tile.width === TILE_WIDTH ? tile.n < full : tile.n === full && tile.width === partial;
}

/** Hash `i` of a tile's bytes. @throws MALFORMED when the tile is shorter */
export function tileHash(tile: Uint8Array, i: number): Uint8Array {
  const hash = tile.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE);
  if (hash.length !== HASH_SIZE) throw new AttestdError('MALFORMED', `the tile has no hash ${i}`);
  return hash;
}
