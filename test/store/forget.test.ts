import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { nativeDisk } from '../../src/store/disk.ts';
import { openStore } from '../../src/store/open.ts';
import { checkLog } from './checklog.ts';
import { entryOf, itemOf, newLog, opened, SMALL, sealNow } from './kit.ts';

const SECRET = 'the very secret value';

function filesWith(dir: string, text: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(dir, name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });
}

test.each([
  ['in the segment that is being written', 0],
  ['in an older segment', 60],
])('a forgotten opening %s is in no file any more, and nothing else changes', async (_, more) => {
  const dir = await newLog();
  let store = await openStore(dir, SMALL);
  await store.commit([itemOf(1), { entry: entryOf(2), opening: utf8(`["salt","${SECRET}"]`) }, itemOf(3)]);
  for (let i = 0; i < more; i++)
    await store.commit(Array.from({ length: 20 }, (_, k) => itemOf(i * 20 + k, 600)));
  await sealNow(store);
  await store.settle();
  const before = await checkLog(dir);
  expect(filesWith(dir, SECRET)).toHaveLength(1);
  await store.forget(2);
  expect(filesWith(dir, SECRET)).toEqual([]);
  const check = () => {
    expect(store.openings(2)).toBe('erased');
    expect(Buffer.from(store.openings(1) as Uint8Array).toString()).toContain('secret of 1');
    expect(Buffer.from(store.openings(3) as Uint8Array).toString()).toContain('secret of 3');
    expect(store.openings(0)).toBeUndefined();
  };
  check();
  await store.forget(2);
  await expect(store.forget(0)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await checkLog(dir)).toEqual(before);
  await store.close();
  store = await opened(dir);
  check();
});

test('an erasure that was cut off is finished by the next start', async () => {
  const dir = await newLog();
  const disk = nativeDisk();
  let cut = false;
  const store = await openStore(dir, {
    ...SMALL,
    disk: {
      ...disk,
      async openDurable(path) {
        const file = await disk.openDurable(path);
        return {
          async append(buffers, offset) {
            const all = Buffer.concat(buffers);
            if (!cut && all.length > 20 && all.every((b) => b === 255)) {
              cut = true;
              await file.append([all.subarray(0, 10)], offset);
              throw new Error('power is gone');
            }
            return file.append(buffers, offset);
          },
          appendEntries: file.appendEntries,
          poll: () => file.poll(),
          close: () => file.close(),
        };
      },
    },
  });
  await store.commit([{ entry: entryOf(1), opening: utf8(`["0123456789","${SECRET}"]`) }]);
  await store.commit([itemOf(2)]);
  await expect(store.forget(1)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  await store.close();
  expect(filesWith(dir, SECRET)).toHaveLength(1);
  const again = await opened(dir);
  expect(again.openings(1)).toBe('erased');
  expect(filesWith(dir, SECRET)).toEqual([]);
});

test('files of the log are for their owner only', async () => {
  const dir = await newLog();
  const store = await opened(dir);
  await store.commit(Array.from({ length: 600 }, (_, i) => itemOf(i + 1)));
  await sealNow(store);
  await store.settle();
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    const { mode } = statSync(join(dir, name));
    expect(`${name} ${mode & 0o077}`).toBe(`${name} 0`);
  }
});
