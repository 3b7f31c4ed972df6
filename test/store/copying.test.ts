/** Copying and reading a log from which entries are removed meanwhile: what comes of it is a log of one moment. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { copyLog, roomy } from '../../src/store/copying.ts';
import { openStore } from '../../src/store/open.ts';
import { readLog } from '../../src/store/reader.ts';
import type { Store } from '../../src/store/store.ts';
import { THIN_MAGIC } from '../../src/store/thin.ts';
import { entryOf, freshDir, itemOf, newLog, opened, SMALL, sealNow } from './kit.ts';

/** Called before a file is read, so that a test can have something happen just then. */
const hook = vi.hoisted(() => ({ before: async (_: string): Promise<void> => {} }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const readFile = async (path: string) => {
    await hook.before(String(path));
    return real.readFile(path);
  };
  return { ...real, readFile };
});

const segments = (dir: string) =>
  readdirSync(join(dir, 'wal'))
    .filter((f) => f.endsWith('.wal'))
    .sort()
    .map((f) => join(dir, 'wal', f));
const isThin = (file: string) => readFileSync(file).subarray(0, 4).equals(THIN_MAGIC);
const fill = async (store: Store, n: number) => {
  for (const end = store.size + n; store.size < end; )
    await store.commit(Array.from({ length: 20 }, (_, k) => itemOf(store.size + k, 900)));
};

/** A log of three segments, and what happens once, before its segment `ordinal` is read by somebody else. */
async function meanwhile(ordinal: number, act: (store: Store) => Promise<void>) {
  const dir = await newLog();
  const store = await opened(dir);
  await fill(store, 600);
  await sealNow(store);
  const file = segments(dir).at(ordinal);
  expect([segments(dir).length > 2, file]).toEqual([true, expect.any(String)]);
  hook.before = async (path) => {
    if (path !== file) return;
    hook.before = async () => {};
    await act(store);
  };
  return { dir, store };
}

/** The announcement, in a segment that was not there before, and then the removal of all that stood before it. */
async function remove(store: Store): Promise<number> {
  await fill(store, 300);
  const { first: index } = await store.commit([{ entry: entryOf(9999) }]);
  await sealNow(store);
  expect((await store.thin(index, (i) => i === 0)).removed).toBeGreaterThan(800);
  return index;
}

test.each([
  ['the first segment', 0],
  ['the last segment', -1],
])('entries that go before %s is read: the copy has what announced it, and goes on', async (_, ordinal) => {
  let announced = -1;
  const { dir, store } = await meanwhile(ordinal, async (s) => {
    announced = await remove(s);
  });
  const to = join(freshDir(), 'log', '7');
  const copied = await copyLog(dir, to, { openings: true });
  expect(announced).toBeGreaterThan(0);
  const files = segments(to);
  expect(files.some(isThin)).toBe(true);
  expect([isThin(files.at(-1) as string), copied.size > announced]).toEqual([false, true]);
  writeFileSync(files.at(-1) as string, roomy(readFileSync(files.at(-1) as string), true));
  const again = await openStore(to, SMALL);
  expect(Buffer.from(again.rootAt(copied.size))).toEqual(Buffer.from(store.rootAt(copied.size)));
  expect(Buffer.from(again.entry(announced))).toEqual(Buffer.from(entryOf(9999)));
  await fill(again, 20);
  await again.close();
});

test('entries that go before the last segment is read: whoever reads the log meets what announced it', async () => {
  let announced = -1;
  const { dir } = await meanwhile(-1, async (s) => {
    announced = await remove(s);
  });
  let removed = 0;
  let size = 0;
  for await (const frame of readLog(dir).frames()) {
    if (frame.kind !== 'entries') continue;
    size = frame.next.size;
    for (let i = 0; i < frame.batch.count; i++) if (frame.batch.removed(i)) removed++;
  }
  expect([removed > 0, announced > 0, size > announced]).toEqual([true, true, true]);
});
