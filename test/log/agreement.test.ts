/** Proofs of one log agree wherever they overlap, and those of a fork do not. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { contradiction, stretchesOf } from '../../src/log/agreement.ts';
import { type Inclusion, inclusionProof, inclusionRoot } from '../../src/log/inclusion.ts';
import { leafHash, nodeHash } from '../../src/log/merkle.ts';

/** A log whose entries from `fork` on are those of another history. */
async function provedIn(index: number, size: number, fork = Number.POSITIVE_INFINITY): Promise<Inclusion> {
  const leaf = (i: number) => leafHash(utf8(i < fork ? `entry ${i}` : `other ${i}`));
  const node = (level: number, at: number): Uint8Array =>
    level === 0 ? leaf(at) : nodeHash(node(level - 1, 2 * at), node(level - 1, 2 * at + 1));
  return { index, size, leafHash: leaf(index), proof: await inclusionProof(index, size, node) };
}

const places = fc
  .integer({ min: 1, max: 70 })
  .chain((size) => fc.record({ size: fc.constant(size), index: fc.integer({ min: 0, max: size - 1 }) }));

test('any proofs of one log agree', async () => {
  await fc.assert(
    fc.asyncProperty(places, places, async (a, b) => {
      expect(
        contradiction([await provedIn(a.index, a.size), await provedIn(b.index, b.size)]),
      ).toBeUndefined();
    }),
  );
});

test('proofs of a log and of a fork disagree exactly where they both give a stretch that the fork changed', async () => {
  await fc.assert(
    fc.asyncProperty(places, places, fc.integer({ min: 0, max: 70 }), async (a, b, fork) => {
      const one = await provedIn(a.index, a.size);
      const other = await provedIn(b.index, b.size, fork);
      const shared = [...stretchesOf(one).keys()].filter((s) => stretchesOf(other).has(s));
      const changed = shared.filter((s) => Number(s.split('-')[1]) > fork);
      expect(contradiction([one, other]) !== undefined).toBe(changed.length > 0);
    }),
  );
});

test('two roots for one size are a contradiction, and so are two leaves at one place', async () => {
  expect(contradiction([await provedIn(1, 9), await provedIn(3, 9, 8)])).toBe('8-9');
  expect(contradiction([await provedIn(4, 5), await provedIn(4, 9, 4)])).toBe('4-5');
});

test('a proof that does not fit its numbers says nothing', async () => {
  const { proof, ...rest } = await provedIn(3, 9);
  for (const broken of [proof.slice(1), [...proof, ...proof], []])
    expect(stretchesOf({ ...rest, proof: broken }).size).toBe(0);
  const root = inclusionRoot(await provedIn(3, 9));
  expect(stretchesOf(await provedIn(3, 9)).get('0-9')).toEqual(root);
});
