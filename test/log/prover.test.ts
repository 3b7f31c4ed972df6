import { expect, test } from 'vitest';
import { inclusionProof, verifyInclusion } from '../../src/log/inclusion.ts';
import { leafHash, nodeHash } from '../../src/log/merkle.ts';
import { createInclusionProver } from '../../src/log/prover.ts';
import { rootAt } from '../../src/log/source.ts';

const leaves = Array.from({ length: 300 }, (_, i) => leafHash(Uint8Array.of(i >> 8, i & 255)));
let reads = 0;
function node(level: number, index: number): Uint8Array {
  reads++;
  return perfect(level, index);
}
function perfect(level: number, index: number): Uint8Array {
  if (level === 0) return leaves[index] as Uint8Array;
  return nodeHash(perfect(level - 1, 2 * index), perfect(level - 1, 2 * index + 1));
}

test.each([1, 2, 3, 7, 8, 31, 100, 255, 256, 257, 300])(
  'every proof of a tree of %i entries is that of one proof alone, and leads to the root',
  async (size) => {
    const prove = createInclusionProver(size, node);
    const root = await rootAt(size, node);
    for (let index = 0; index < size; index++) {
      const proof = prove(index);
      expect(proof).toEqual(await inclusionProof(index, size, node));
      expect(verifyInclusion({ index, size, leafHash: leaves[index] as Uint8Array, proof }, root)).toBe(true);
    }
  },
);

test('the right edge is read once for all entries', () => {
  const prove = createInclusionProver(255, node);
  prove(0);
  reads = 0;
  prove(1);
  // Seven siblings within the left subtree of 128; the eighth, over the edge of 127 entries, is known already.
  expect(reads).toBe(7);
});

test('what is not in the tree is refused, and so is a node that is no hash', () => {
  expect(() => createInclusionProver(5, node)(5)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  expect(() => createInclusionProver(5, node)(-1)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  const bad = createInclusionProver(5, () => new Uint8Array(31));
  expect(() => bad(0)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
});
