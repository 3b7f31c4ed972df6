import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex, utf8 } from '../../src/core/bytes.ts';
import { encodeEntries, MAX_ENTRY_SIZE, parseEntries } from '../../src/log/entries.ts';
import { inclusionProof, verifyInclusion } from '../../src/log/inclusion.ts';
import { leafHash } from '../../src/log/merkle.ts';
import { CompactRange } from '../../src/log/range.ts';
import { rootAt } from '../../src/log/source.ts';
import {
  hasTile,
  levelExtent,
  parseTilePath,
  printTilePath,
  type Tile,
  tilesBetween,
} from '../../src/log/tile.ts';
import { tileSource } from '../../src/log/tilesource.ts';
import { runs } from '../fuzz/runs.ts';

const anyTile: fc.Arbitrary<Tile> = fc.record({
  level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 })),
  n: fc.oneof(fc.nat(2000), fc.maxSafeNat()),
  width: fc.integer({ min: 1, max: 256 }),
});

describe('paths', () => {
  test.each([
    ['tile/0/000', { level: 0, n: 0, width: 256 }],
    ['tile/0/x001/x234/067', { level: 0, n: 1234067, width: 256 }],
    ['tile/1/001.p/17', { level: 1, n: 1, width: 17 }],
    ['tile/entries/x001/000.p/255', { level: 'entries', n: 1000, width: 255 }],
    ['tile/63/999', { level: 63, n: 999, width: 256 }],
  ] as const)('%s', (path, tile) => {
    expect(printTilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  test.each([
    ['', 'nothing'],
    ['tile/0/0', 'short group'],
    ['tile/0/x000/001', 'leading zero group'],
    ['tile/0/001/234', 'group without x'],
    ['tile/0/x001', 'last group with x'],
    ['tile/00/001', 'leading zero in level'],
    ['tile/64/001', 'level 64'],
    ['tile/-1/001', 'negative level'],
    ['tile/0/001.p/0', 'width 0'],
    ['tile/0/001.p/256', 'width 256 spelt out'],
    ['tile/0/001.p/257', 'width 257'],
    ['tile/0/001.p/01', 'leading zero in width'],
    ['tile/entries/001/', 'a slash too many'],
    ['/tile/0/001', 'a slash before'],
    ['tile/8/0/001', 'the layout of sum.golang.org'],
    ['tile/0/x009/x007/x199/x254/x740/992', 'index 2^53'],
    ['tile/0/../../checkpoint', 'dots'],
    ['tile/0/001\n', 'a newline after'],
  ])('refused: %j (%s)', (path) => {
    expect(() => parseTilePath(path)).toThrow(/tile/);
  });

  test('what prints is parsed, what is parsed prints the same', () => {
    fc.assert(fc.property(anyTile, (t) => void expect(parseTilePath(printTilePath(t))).toEqual(t)));
    const noise = fc.stringMatching(/^tile\/(entries|[0-9]{1,2})\/(x?[0-9]{3}\/?){1,4}(\.p\/[0-9]{1,3})?$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), noise), (path) => {
        let tile: Tile;
        try {
          tile = parseTilePath(path);
        } catch {
          return;
        }
        expect(printTilePath(tile)).toBe(path);
      }),
      { numRuns: runs(1000) },
    );
  });

  test.each([
    [{ level: 64, n: 0, width: 1 }],
    [{ level: 0.5, n: 0, width: 1 }],
    [{ level: 0, n: -1, width: 1 }],
    [{ level: 0, n: 2 ** 53, width: 1 }],
    [{ level: 0, n: 0, width: 0 }],
    [{ level: 0, n: 0, width: 257 }],
  ])('%j has no path', (tile) => {
    expect(() => printTilePath(tile)).toThrow(/tile/);
  });
});

describe('which tiles a tree has', () => {
  test('70,000 entries: the example of the specification', () => {
    expect([0, 1, 2, 3].map((l) => levelExtent(l, 70_000))).toEqual([
      { full: 273, partial: 112 },
      { full: 1, partial: 17 },
      { full: 0, partial: 1 },
      { full: 0, partial: 0 },
    ]);
    const all = [...tilesBetween(0, 70_000)];
    expect(all.length).toBe(274 * 2 + 2 + 1);
    expect(all.every((t) => hasTile(t, 70_000))).toBe(true);
    expect(all.filter((t) => t.width < 256).map(printTilePath)).toEqual([
      'tile/entries/273.p/112',
      'tile/0/273.p/112',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ]);
  });

  test('growing in steps gives each full tile once and every partial one of each size', () => {
    const sizes = fc
      .array(fc.nat(200_000), { minLength: 1, maxLength: 6 })
      .map((a) => a.sort((x, y) => x - y));
    fc.assert(
      fc.property(sizes, (steps) => {
        const have = new Set<string>();
        let from = 0;
        for (const size of steps) {
          for (const tile of tilesBetween(from, size)) {
            const path = printTilePath(tile);
            expect(have.has(path)).toBe(false);
            have.add(path);
          }
          for (const tile of tilesBetween(0, size)) expect(have.has(printTilePath(tile))).toBe(true);
          from = size;
        }
      }),
      { numRuns: 20 },
    );
  });

  test('up to the largest tree', () => {
    const size = 2 ** 53 - 1;
    expect(levelExtent(6, size)).toEqual({ full: 0, partial: 31 });
    expect(levelExtent(7, size)).toEqual({ full: 0, partial: 0 });
    expect(hasTile({ level: 0, n: 2 ** 45 - 1, width: 255 }, size)).toBe(true);
    expect(hasTile({ level: 0, n: 2 ** 45 - 1, width: 256 }, size)).toBe(false);
    expect(hasTile({ level: 7, n: 0, width: 1 }, size)).toBe(false);
  });
});

describe('a node source over tiles', () => {
  const SIZE = 66_000;
  const rows: Uint8Array[][] = [[], [], []];
  const range = new CompactRange();
  const D = Array.from({ length: SIZE }, (_, i) => leafHash(utf8(String(i))));
  const heads = new Map<number, Uint8Array>();
  for (const leaf of D) {
    range.append(leaf, (level, _, hash) => {
      if (level % 8 === 0) rows[level / 8]?.push(hash);
    });
    if ([1, 255, 256, 257, 65_535, 65_536, 65_537].includes(range.size)) heads.set(range.size, range.root());
  }
  heads.set(SIZE, range.root());
  const read = ({ level, n, width }: Tile): Uint8Array => {
    const row = (rows[level as number] ?? []).slice(n * 256, n * 256 + width);
    return new Uint8Array(Buffer.concat(row));
  };

  test('gives the roots of every size and proofs that verify', async () => {
    for (const [size, root] of heads) {
      const source = tileSource(size, async (tile) => {
        expect(hasTile(tile, size)).toBe(true);
        return read(tile);
      });
      expect(toHex(await rootAt(size, source))).toBe(toHex(root));
      for (const index of [0, 1, 254, 255, 256, 65_535, 65_536, size - 1].filter((i) => i < size)) {
        const proof = await inclusionProof(index, size, source);
        const leaf = D[index] as Uint8Array;
        expect(verifyInclusion({ index, size, leafHash: leaf, proof }, root)).toBe(true);
      }
    }
  });

  test('a proof reads each tile once, and the next one of the same tiles none', async () => {
    const reads: string[] = [];
    const source = tileSource(SIZE, async (tile) => {
      reads.push(printTilePath(tile));
      return read(tile);
    });
    await inclusionProof(1000, SIZE, source);
    expect([...reads].sort()).toEqual([...new Set(reads)].sort());
    const before = reads.length;
    await inclusionProof(1001, SIZE, source);
    expect(reads.length).toBe(before);
  });

  test('refuses nodes outside of the tree and tiles of another length', () => {
    const source = tileSource(300, read);
    expect(source(0, 299)).toEqual(D[299]);
    expect(() => source(0, 300)).toThrow(/no node 300 of level 0/);
    expect(() => source(8, 1)).toThrow(/no node 1 of level 8/);
    expect(() => source(60, 0)).toThrow(/no node/);
    expect(() => source(0.5, 0)).toThrow(/no node/);
    expect(() => source(0, 0.5)).toThrow(/no node/);
    expect(() => source(0, Number.NaN)).toThrow(/no node/);
    expect(() => tileSource(300, () => new Uint8Array(31))(0, 0)).toThrow(/has 31 bytes/);
  });
});

describe('entry bundles', () => {
  const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 });
  test('what is encoded is parsed', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const bytes = encodeEntries(list);
        expect(parseEntries(bytes, list.length)).toEqual(list);
        expect(() => parseEntries(bytes, list.length + 1)).toThrow(/entry bundle|tile width/);
        if (list.length > 1) expect(() => parseEntries(bytes, list.length - 1)).toThrow(/bytes too many/);
      }),
    );
  });

  test('random bytes are refused or print back', () => {
    const bytes = fc.uint8Array({ maxLength: 64 });
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 8 }), (b, width) => {
        let parsed: Uint8Array[];
        try {
          parsed = parseEntries(b, width);
        } catch {
          return;
        }
        expect(encodeEntries(parsed)).toEqual(b);
      }),
      { numRuns: runs(1000) },
    );
  });

  test('every proper prefix is refused', () => {
    const bytes = encodeEntries([utf8('one'), utf8(''), utf8('three')]);
    for (let n = 0; n < bytes.length; n++) {
      expect(() => parseEntries(bytes.slice(0, n), 3)).toThrow(/entry bundle/);
    }
  });

  test('the longest entry passes, one byte more does not', () => {
    const longest = new Uint8Array(MAX_ENTRY_SIZE).fill(7);
    expect(parseEntries(encodeEntries([longest, longest]), 2)).toEqual([longest, longest]);
    expect(() => encodeEntries([new Uint8Array(MAX_ENTRY_SIZE + 1)])).toThrow(/65536 bytes/);
    expect(() => encodeEntries([])).toThrow(/1 to 256/);
    expect(() => encodeEntries(Array(257).fill(utf8('x')))).toThrow(/1 to 256/);
  });
});
