import { expect, test } from 'vitest';
import { equal } from '../../src/core/bytes.ts';
import { verifyConsistency } from '../../src/log/consistency.ts';
import { verifyInclusion } from '../../src/log/inclusion.ts';
import { leafHash } from '../../src/log/merkle.ts';
import { CompactRange } from '../../src/log/range.ts';
import { createLog, openStore } from '../../src/store/open.ts';
import { digestOf, entryOf, freshDir, idOf, itemOf, newLog, ORIGIN, opened, SMALL, sealNow } from './kit.ts';

const text = (b: Uint8Array | undefined) => Buffer.from(b ?? []).toString();

test('records come back after a restart with everything that was kept beside them', async () => {
  const dir = await newLog();
  let store = await openStore(dir, SMALL);
  for (let from = 1; from < 3000; from += 7) {
    const items = Array.from({ length: 7 }, (_, i) => itemOf(from + i, 100 + ((from * 31) % 900)));
    expect((await store.commit(items)).first).toBe(from);
  }
  const { size, root } = store.head();
  const range = new CompactRange();
  for (const entry of store.entries()) range.append(leafHash(entry));
  expect(text(root)).toBe(text(range.root()));
  const check = () => {
    for (let i = 1; i < size; i += 13) {
      const { entry, uid } = itemOf(i, 100 + (((i - ((i - 1) % 7)) * 31) % 900));
      expect(text(store.entry(i))).toBe(text(entry));
      expect(store.lookup(idOf(i))).toEqual({ index: i, uid });
      expect(store.idempotent(uid ?? 0, digestOf('key', i))?.index).toBe(i);
      expect(text(store.openings(i) as Uint8Array)).toBe(`["salt","secret of ${i}"]`);
    }
    expect(store.lookup(idOf(size + 5))).toBeUndefined();
    expect(store.idempotent(999, digestOf('key', 1))).toBeUndefined();
  };
  check();
  await store.close();
  store = await opened(dir);
  expect(store.size).toBe(size);
  expect(equal(store.head().root, root)).toBe(true);
  expect(store.recovered.unsealed).toEqual({ from: 0, size });
  check();
});

test('proofs verify at every kind of size', async () => {
  const store = await opened(await newLog());
  for (let i = 1; i < 1000; i += 50) await store.commit(Array.from({ length: 50 }, (_, k) => itemOf(i + k)));
  const sizes = [1, 2, 255, 256, 257, 511, 512, 513, store.size];
  for (const size of sizes) {
    const root = store.rootAt(size);
    for (const index of [0, 1, 7, 255, 256, 500, size - 1].filter((i) => i < size)) {
      const proof = await store.inclusionProof(index, size);
      const leaf = leafHash(store.entry(index));
      expect(verifyInclusion({ index, size, leafHash: leaf, proof }, root)).toBe(true);
    }
    for (const to of sizes.filter((s) => s >= size)) {
      const proof = await store.consistencyProof(size, to);
      expect(verifyConsistency({ size, root }, { size: to, root: store.rootAt(to) }, proof)).toBe(true);
    }
  }
});

test('a log that is not there is not begun by opening it', async () => {
  const dir = `${freshDir()}/log/9`;
  await expect(openStore(dir)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await createLog(dir, ORIGIN, { entry: entryOf(0) }, SMALL);
  await expect(createLog(dir, ORIGIN, { entry: entryOf(0) }, SMALL)).rejects.toMatchObject({
    code: 'EXISTS',
  });
});

test('seals are kept and found again', async () => {
  const dir = await newLog();
  let store = await openStore(dir, SMALL);
  for (let i = 0; i < 20; i++) {
    await store.commit([itemOf(1 + i)]);
    if (i % 2 === 1) await sealNow(store);
  }
  const last = store.lastSeal();
  const check = () => {
    expect(store.lastSeal()?.seq).toBe(10);
    expect(store.sealCovering(4)?.size).toBe(5);
    expect(store.sealCovering(5)?.size).toBe(7);
    expect(store.sealCovering(5, { minSize: 12 })?.size).toBe(13);
    expect(store.sealCovering(5, { bootIndex: 4 })).toBeUndefined();
    expect([...store.seals()].map((s) => s.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  };
  check();
  await store.close();
  store = await opened(dir);
  check();
  expect(store.lastSeal()?.digest).toEqual(last?.digest);
  expect(store.recovered.unsealed).toBeUndefined();
});
