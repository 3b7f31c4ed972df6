import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { nativeDisk, wordsOf } from '../../src/store/disk.ts';
import { layoutOf } from '../../src/store/layout.ts';
import { openStore } from '../../src/store/open.ts';
import { may } from '../kit/privilege.ts';
import { checkLog } from './checklog.ts';
import { freshDir, itemOf, newLog, SMALL, sealNow } from './kit.ts';

const enospc = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
/** As Node says it, which has no name for it; and as the addon does. */
const edquot = () => {
  const code = 'Unknown system error -122';
  return Object.assign(new Error(`${code}: ${code}, write`), { code, errno: -122, syscall: 'write' });
};
const nativeEdquot = () =>
  Object.assign(new Error('write: Disk quota exceeded (EDQUOT)'), {
    code: 'STORAGE_UNAVAILABLE',
    errno: 'EDQUOT',
    syscall: 'write',
  });

test('a full disk makes the log read-only at the end of the spare segment, still sealable, and passes', async () => {
  const dir = await newLog();
  let full = true;
  const disk = nativeDisk();
  const allocate = (path: string, size: number) =>
    full ? Promise.reject(enospc()) : disk.allocate(path, size);
  const store = await openStore(dir, { ...SMALL, disk: { ...disk, allocate } });
  const acked: number[] = [];
  let refused: unknown;
  for (let i = 1; refused === undefined; i++) {
    await store.commit([itemOf(i, 9000)]).then(
      ({ first }) => acked.push(first),
      (e) => {
        refused = e;
      },
    );
  }
  expect(refused).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  expect(String(refused)).toMatch(/read-only.*ENOSPC/);
  expect(store.full).toBeDefined();
  expect(store.failed).toBeUndefined();
  // What is durable can still be read and sealed.
  expect(store.size).toBe(acked.length + 1);
  expect((await sealNow(store)).size).toBe(store.size);
  // A seal goes into what is kept free for it, and says nothing of room for records.
  expect(store.full).toBeDefined();
  await expect(store.commit([itemOf(500, 9000)])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  full = false;
  expect((await store.commit([itemOf(501, 9000)])).first).toBe(acked.length + 1);
  expect(store.full).toBeUndefined();
  await sealNow(store);
  await store.close();
  expect(await checkLog(dir)).toMatchObject({ size: acked.length + 2, seals: 2, torn: 0 });
});

test('what is ordered behind a group that finds no room is refused with it, for it may rest on that', async () => {
  const dir = await newLog();
  const disk = nativeDisk();
  const allocate = () => Promise.reject(enospc());
  const store = await openStore(dir, { ...SMALL, disk: { ...disk, allocate } });
  // One more would not fit into the first group, so there is a second, which finds room wherever the first does not.
  const groups = (i: number) => [
    Array.from({ length: 14 }, (_, k) => itemOf(i + k, 9000)),
    [itemOf(i + 14, 4000)],
  ];
  let refused: number[] = [];
  for (let i = 1; refused.length === 0; i += 20) {
    const told = await Promise.allSettled(groups(i).map((items) => store.commit(items)));
    refused = told.flatMap(({ status }, k) => (status === 'rejected' ? [k] : []));
  }
  expect(refused).toEqual([0, 1]);
  expect((await store.commit([itemOf(9999, 20)])).first).toBe(store.size - 1);
  await store.close();
});

test.each([
  ['ENOSPC', enospc],
  ['EDQUOT', edquot],
])('a checkpoint that finds no room, %s, is written later, and the log goes on', async (name, fault) => {
  const dir = await newLog();
  let full = true;
  const disk = nativeDisk();
  const replace = (path: string, bytes: Uint8Array) =>
    full ? Promise.reject(fault()) : disk.replace(path, bytes);
  const warnings: string[] = [];
  const store = await openStore(dir, {
    ...SMALL,
    disk: { ...disk, replace },
    warn: (what, cause) => warnings.push(`${what}: ${wordsOf(cause)}`),
  });
  await sealNow(store);
  expect((await store.commit([itemOf(1)])).first).toBe(1);
  expect(store.failed).toBeUndefined();
  expect(warnings).toEqual([expect.stringMatching(`the checkpoint is not written: ${name}: `)]);
  full = false;
  const seal = await sealNow(store);
  await store.close();
  expect(readFileSync(layoutOf(dir).checkpoint)).toEqual(Buffer.from(seal.note));
});

test('a log is opened without room for its tiles, and they follow', async () => {
  const dir = await newLog();
  let full = true;
  const disk = nativeDisk();
  const create = (path: string, bytes: Uint8Array) =>
    full ? Promise.reject(nativeEdquot()) : disk.create(path, bytes);
  const warnings: string[] = [];
  const options = { ...SMALL, disk: { ...disk, create }, warn: (what: string) => warnings.push(what) };
  let store = await openStore(dir, options);
  for (let i = 1; i < 300; i++) await store.commit([itemOf(i)]);
  await store.close();
  store = await openStore(dir, options);
  expect(new Set(warnings)).toEqual(new Set(['tiles are not written']));
  const tile = join(dir, 'tile/0/000');
  expect(existsSync(tile)).toBe(false);
  full = false;
  expect((await store.commit([itemOf(300)])).first).toBe(300);
  await store.close();
  expect(existsSync(tile)).toBe(true);
  expect(await checkLog(dir)).toMatchObject({ size: 301, torn: 0 });
});

test('a log that cannot be locked for want of room or of a file system that takes writes says so', async () => {
  const dir = await newLog();
  const lock = () => {
    throw Object.assign(new Error(`EROFS: read-only file system, open '${dir}/lock'`), { code: 'EROFS' });
  };
  await expect(openStore(dir, { ...SMALL, disk: { ...nativeDisk(), lock } })).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringMatching(/could not be opened: EROFS/),
  });
});

/** A file system of its own of this size. */
function smallFileSystem(kib: number): string {
  const dir = mkdtempSync(join(tmpdir(), 'attestd-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'attestd-test', dir]);
  onTestFinished(() => {
    execFileSync('umount', ['--lazy', dir]);
    rmdirSync(dir);
  });
  return dir;
}

test.runIf(may('mounts'))(
  'a file system that is really full: everything durable stays readable, sealable and goes on elsewhere',
  async () => {
    const mounted = smallFileSystem(2048);
    const dir = join(mounted, 'log');
    cpSync(await newLog(), dir, { recursive: true });
    const warnings: string[] = [];
    let store = await openStore(dir, { ...SMALL, warn: (what) => warnings.push(what) });
    let acked = 0;
    for (let refused = false; !refused; ) {
      refused = await store.commit([itemOf(acked + 1, 3000)]).then(
        () => false,
        () => true,
      );
      if (!refused) acked++;
    }
    expect(acked).toBeGreaterThan(50);
    expect(store.full).toBeDefined();
    expect(store.failed).toBeUndefined();
    await sealNow(store);
    await store.close();
    // A start on the full disk works as well: there is nothing that it has to write.
    store = await openStore(dir, SMALL);
    expect(store.size).toBe(acked + 1);
    expect(store.openings(acked)).toBeInstanceOf(Uint8Array);
    await store.close();
    const roomy = join(freshDir(), 'log');
    cpSync(dir, roomy, { recursive: true });
    store = await openStore(roomy, SMALL);
    expect((await store.commit([itemOf(900, 3000)])).first).toBe(acked + 1);
    await store.close();
    expect(await checkLog(roomy)).toMatchObject({ size: acked + 2, seals: 1, torn: 0 });
  },
);
