import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBase64, toHex, utf8 } from '../../src/core/bytes.ts';
import { consistencyPlan, consistencyProof, verifyConsistency } from '../../src/log/consistency.ts';
import { inclusionPlan, inclusionProof, verifyInclusion } from '../../src/log/inclusion.ts';
import { EMPTY_ROOT, leafHash, nodeHash } from '../../src/log/merkle.ts';
import { MAX_SIZE, splitPoint, trailingZeros } from '../../src/log/position.ts';
import { CompactRange } from '../../src/log/range.ts';
import { coveringNodes, rangeHashes, rootAt } from '../../src/log/source.ts';
import * as book from './tree.ts';

const D = book.leaves(70);

describe('a tree of every size up to 70 is the one of the book', () => {
  test('root of the compact range, of stored nodes, and the nodes that appending visits', async () => {
    const range = new CompactRange();
    const visited = new Map<string, string>();
    for (let n = 0; n <= D.length; n++) {
      const wanted = toHex(book.mth(D.slice(0, n)));
      const source = book.nodes(D.slice(0, n));
      expect(toHex(range.root())).toBe(wanted);
      expect(toHex(await rootAt(n, source))).toBe(wanted);
      expect((await rangeHashes(n, source)).map(toHex)).toEqual(range.hashes.map(toHex));
      expect(new CompactRange(n, range.hashes).root()).toEqual(range.root());
      const next = D[n];
      if (next === undefined) break;
      range.append(next, (level, index, hash) => {
        expect(visited.has(`${level}/${index}`)).toBe(false);
        visited.set(`${level}/${index}`, toHex(hash));
      });
    }
    const source = book.nodes(D);
    for (let level = 0; level < 7; level++) {
      const count = Math.floor(D.length / 2 ** level);
      for (let i = 0; i < count; i++) {
        expect(visited.get(`${level}/${i}`)).toBe(toHex(source(level, i)));
        visited.delete(`${level}/${i}`);
      }
    }
    expect(visited.size).toBe(0);
  });

  test('inclusion proofs', async () => {
    for (let n = 1; n <= 40; n++) {
      const d = D.slice(0, n);
      const root = book.mth(d);
      for (let i = 0; i < n; i++) {
        const proof = await inclusionProof(i, n, async (l, x) => book.nodes(d)(l, x));
        expect(proof.map(toHex)).toEqual(book.path(i, d).map(toHex));
        expect(verifyInclusion({ index: i, size: n, leafHash: D[i] as Uint8Array, proof }, root)).toBe(true);
      }
    }
  });

  test('consistency proofs', async () => {
    for (let n = 1; n <= 40; n++) {
      const d = D.slice(0, n);
      for (let m = 1; m <= n; m++) {
        const proof = await consistencyProof(m, n, book.nodes(d));
        expect(proof.map(toHex)).toEqual(book.subproof(m, d, true).map(toHex));
        const from = { size: m, root: book.mth(D.slice(0, m)) };
        expect(verifyConsistency(from, { size: n, root: book.mth(d) }, proof)).toBe(true);
      }
    }
  });
});

test('hash inputs are those of RFC 6962', () => {
  expect(EMPTY_ROOT).toEqual(fromBase64('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='));
  expect(leafHash(new Uint8Array(0))).toEqual(book.leaf(new Uint8Array(0)));
  expect(leafHash(utf8('entry'))).toEqual(book.leaf(utf8('entry')));
  const [a, b] = D as [Uint8Array, Uint8Array];
  expect(nodeHash(a, b)).toEqual(book.node(a, b));
  expect(nodeHash(b, a)).toEqual(book.node(b, a));
});

describe('a proof that was tampered with does not verify', () => {
  const size = fc.integer({ min: 2, max: 70 });
  test('inclusion: any flipped bit, dropped, doubled or added hash, other index or size', async () => {
    await fc.assert(
      fc.asyncProperty(size, fc.nat(), fc.nat(), fc.integer({ min: 0, max: 7 }), async (n, x, y, bit) => {
        const index = x % n;
        const d = D.slice(0, n);
        const root = book.mth(d);
        const proof = await inclusionProof(index, n, book.nodes(d));
        const good = { index, size: n, leafHash: D[index] as Uint8Array, proof };
        expect(verifyInclusion(good, root)).toBe(true);
        const at = y % proof.length;
        const flipped = proof.map((h, i) =>
          i === at ? h.map((v, j) => (j === x % 32 ? v ^ (1 << bit) : v)) : h,
        );
        const bad = [
          { ...good, proof: flipped },
          { ...good, proof: proof.slice(0, -1) },
          { ...good, proof: proof.slice(1) },
          { ...good, proof: [...proof, root] },
          { ...good, proof: [root, ...proof] },
          { ...good, proof: proof.map((h, i) => (i === at ? h.slice(1) : h)) },
          { ...good, index: index + 1 },
          { ...good, index: n },
          { ...good, index: index + 2 ** 32 },
          { ...good, size: n + 2 ** 32 },
          { ...good, leafHash: root },
        ];
        for (const b of bad) expect(verifyInclusion(b, root)).toBe(false);
        expect(verifyInclusion(good, flipped[at] as Uint8Array)).toBe(false);
      }),
    );
  });

  test('consistency: any flipped bit, dropped or added hash, other sizes or roots', async () => {
    await fc.assert(
      fc.asyncProperty(size, fc.nat(), fc.nat(), fc.integer({ min: 0, max: 7 }), async (n, x, y, bit) => {
        const m = 1 + (x % (n - 1));
        const d = D.slice(0, n);
        const from = { size: m, root: book.mth(D.slice(0, m)) };
        const to = { size: n, root: book.mth(d) };
        const proof = await consistencyProof(m, n, book.nodes(d));
        const at = y % proof.length;
        const flip = (h: Uint8Array) => h.map((v, j) => (j === x % 32 ? v ^ (1 << bit) : v));
        expect(verifyConsistency(from, to, proof)).toBe(true);
        expect(
          verifyConsistency(
            from,
            to,
            proof.map((h, i) => (i === at ? flip(h) : h)),
          ),
        ).toBe(false);
        expect(verifyConsistency(from, to, proof.slice(1))).toBe(false);
        expect(verifyConsistency(from, to, proof.slice(0, -1))).toBe(false);
        expect(verifyConsistency(from, to, [...proof, to.root])).toBe(false);
        expect(verifyConsistency({ ...from, root: flip(from.root) }, to, proof)).toBe(false);
        expect(verifyConsistency(from, { ...to, root: flip(to.root) }, proof)).toBe(false);
        expect(verifyConsistency(to, from, proof)).toBe(false);
        expect(verifyConsistency({ ...from, size: m + 2 ** 32 }, { ...to, size: n + 2 ** 32 }, proof)).toBe(
          false,
        );
      }),
    );
  });

  test('numbers and values that are none are a no and not an error', () => {
    const hash = D[0] as Uint8Array;
    const odd: unknown[] = [
      -1,
      -0,
      0.5,
      Number.NaN,
      Infinity,
      2 ** 53,
      2 ** 64,
      '1',
      1n,
      null,
      undefined,
      {},
      [],
    ];
    for (const v of odd) {
      const n = v as number;
      expect(verifyInclusion({ index: n, size: 1, leafHash: hash, proof: [] }, hash)).toBe(false);
      expect(verifyInclusion({ index: 0, size: n, leafHash: hash, proof: [] }, hash)).toBe(false);
      expect(verifyConsistency({ size: n, root: hash }, { size: 1, root: hash }, [])).toBe(false);
      expect(verifyConsistency({ size: 1, root: hash }, { size: n, root: hash }, [])).toBe(false);
      const h = v as Uint8Array;
      expect(verifyInclusion({ index: 0, size: 1, leafHash: h, proof: [] }, hash)).toBe(false);
      expect(verifyInclusion({ index: 0, size: 2, leafHash: hash, proof: [h] }, hash)).toBe(false);
      expect(verifyConsistency({ size: 1, root: hash }, { size: 2, root: hash }, [h])).toBe(false);
      expect(verifyInclusion({ index: 0, size: 1, leafHash: hash, proof: [] }, h)).toBe(false);
    }
    expect(verifyInclusion({ index: 0, size: 1, leafHash: hash, proof: [] }, hash)).toBe(true);
  });
});

describe('around 2^31, 2^32 and 2^53', () => {
  const near = [2 ** 31, 2 ** 32, 2 ** 33, 2 ** 52, 2 ** 53 - 1].flatMap((c) =>
    [-2, -1, 0, 1, 2].map((d) => c + d).filter((n) => n <= MAX_SIZE),
  );
  // The number of entries makes a hash here: all nodes of one level are alike in a tree of equal leaves.
  const levels: Uint8Array[] = [D[0] as Uint8Array];
  for (let i = 1; i < 54; i++)
    levels.push(nodeHash(levels[i - 1] as Uint8Array, levels[i - 1] as Uint8Array));
  const source = (size: number) => (level: number, index: number) => {
    const end = (BigInt(index) + 1n) << BigInt(level);
    if (!Number.isSafeInteger(index) || index < 0 || end > BigInt(size))
      throw new Error('outside of the tree');
    return levels[level] as Uint8Array;
  };
  const rangeOf = (size: number) => {
    const ones = [...size.toString(2)]
      .reverse()
      .flatMap((b, l) => (b === '1' ? [levels[l] as Uint8Array] : []));
    return new CompactRange(size, ones.reverse());
  };

  test('a plan covers every entry once, within the tree', () => {
    for (const n of near) {
      const covered = coveringNodes(0, n).map((x) => BigInt(2) ** BigInt(x.level));
      expect(covered.reduce((a, b) => a + b, 0n)).toBe(BigInt(n));
      expect(covered.length).toBe([...n.toString(2)].filter((b) => b === '1').length);
      for (const index of [0, 1, Math.floor(n / 2), n - 2, n - 1]) {
        const sum = inclusionPlan(index, n)
          .flat()
          .reduce((a, x) => a + (1n << BigInt(x.level)), 0n);
        expect(sum).toBe(BigInt(n) - 1n);
      }
    }
  });

  test('proofs are made and verify', async () => {
    for (const n of near) {
      const root = rangeOf(n).root();
      expect(toHex(await rootAt(n, source(n)))).toBe(toHex(root));
      for (const index of [0, 1, 2 ** 31 - 4, 2 ** 31 - 3, Math.floor(n / 2), n - 2, n - 1]) {
        const proof = await inclusionProof(index, n, source(n));
        const inclusion = { index, size: n, leafHash: levels[0] as Uint8Array, proof };
        expect(verifyInclusion(inclusion, root)).toBe(true);
        expect(verifyInclusion({ ...inclusion, proof: proof.slice(1) }, root)).toBe(false);
      }
      for (const m of [1, 2, 3, 2 ** 31 - 2, 2 ** 30, n - 2, n - 1, n]) {
        const proof = await consistencyProof(m, n, source(n));
        const from = { size: m, root: rangeOf(m).root() };
        expect(verifyConsistency(from, { size: n, root }, proof)).toBe(true);
        expect(verifyConsistency(from, { size: n, root }, [...proof, root])).toBe(false);
      }
    }
  });

  test('appending across them keeps root and shape, and ends at 2^53 - 1', () => {
    for (const n of near) {
      if (n === MAX_SIZE) continue;
      const range = rangeOf(n);
      range.append(levels[0] as Uint8Array);
      expect(range.size).toBe(n + 1);
      expect(toHex(range.root())).toBe(toHex(rangeOf(n + 1).root()));
    }
    const full = rangeOf(MAX_SIZE);
    expect(() => full.append(levels[0] as Uint8Array)).toThrow(/2\^53/);
    expect(full.size).toBe(MAX_SIZE);
  });

  test('the arithmetic agrees with BigInt', () => {
    for (const n of [...near, 2, 3, 4, 5, 7, 8, 9, 1023, 1024, 1025]) {
      let k = 1n;
      while (k * 2n < BigInt(n)) k *= 2n;
      expect(BigInt(splitPoint(n))).toBe(k);
      let z = 0;
      while ((BigInt(n) >> BigInt(z)) % 2n === 0n) z++;
      expect(trailingZeros(n)).toBe(z);
    }
  });
});

describe('misuse is named', () => {
  const hash = D[0] as Uint8Array;
  const bad: [string, () => unknown, RegExp][] = [
    ['an index at the size', () => inclusionPlan(5, 5), /index 5 is not in a tree of 5/],
    ['a size of 2^53', () => inclusionPlan(0, 2 ** 53), /tree size/],
    ['a fraction', () => inclusionPlan(0.5, 5), /index/],
    ['a tree that shrinks', () => consistencyPlan(6, 5), /not older/],
    ['a leaf of 31 bytes', () => new CompactRange().append(hash.slice(1)), /leaf hash/],
    ['a node of 33 bytes', () => nodeHash(hash, new Uint8Array(33)), /not 32 bytes/],
    ['too few hashes for a size', () => new CompactRange(3, [hash]), /2 perfect subtrees/],
    ['a negative size', () => new CompactRange(-1), /tree size/],
  ];
  test.each(bad)('%s', (_, act, why) => {
    expect(act).toThrow(why);
  });

  test('a source that gives no hash', async () => {
    await expect(rootAt(3, () => new Uint8Array(31))).rejects.toThrow(/node 0 of level 1/);
    await expect(rootAt(3, async () => undefined as unknown as Uint8Array)).rejects.toThrow(
      /node 0 of level 1/,
    );
  });
});
