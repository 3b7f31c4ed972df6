/** The writer thread, preallocation, and the lock of a log: on real files and with real faults (strace). */
import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leafHash } from '../../src/log/merkle.ts';
import { loadAddon } from '../../src/native/addon.ts';

const addon = loadAddon();
const addonPath = join(import.meta.dirname, '../../build/Release/attestd.node');
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-file-'));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('SyncWriter', () => {
  it('writes each group at its offset, in order', async () => {
    const path = join(dir, 'order');
    const fd = openSync(path, 'w+');
    const writer = new addon.SyncWriter(fd);
    const done: number[] = [];
    const all = [];
    for (let i = 0; i < 50; i++) {
      const buffers = [Buffer.from(`${String(i).padStart(3, '0')}:`), Buffer.alloc(4, 'x')];
      all.push(writer.write(buffers, i * 8).then(() => done.push(i)));
    }
    await Promise.all(all);
    expect(done).toEqual([...Array(50).keys()]);
    const text = readFileSync(path, 'latin1');
    expect(text).toBe([...Array(50).keys()].map((i) => `${String(i).padStart(3, '0')}:xxxx`).join(''));
    await writer.close();
    closeSync(fd);
  });

  it('hashes the frame and each of its entries, and refuses entries that end outside of it', async () => {
    const path = join(dir, 'entries');
    const fd = openSync(path, 'w+');
    const writer = new addon.SyncWriter(fd);
    const lengthsOf = [0, 1, 7, 8, 9, 55, 56, 63, 64, 65, 199, 200, 1049, 4096, 65_535];
    const entries = lengthsOf.map((n) => randomBytes(n));
    const lengths = entries.map((e) => Buffer.of(e.length >> 8, e.length & 255));
    const frame = Buffer.concat([
      Buffer.from('head'),
      ...entries.flatMap((e, i) => [lengths[i] as Buffer, e]),
      Buffer.from('meta'),
    ]);
    const opened = [frame, Buffer.from('opening')];
    const { ms, hashes, digests } = await writer.writeEntries(opened, 5, 4, entries.length);
    expect(ms).toBeGreaterThan(0);
    expect(readFileSync(path).subarray(5)).toEqual(Buffer.concat([frame, Buffer.from('opening')]));
    const digest = createHash('sha256').update(frame).digest();
    expect(hashes).toEqual(Buffer.concat([digest, ...entries.map((e) => leafHash(e))]));
    expect(digests).toBe(entries.map((e) => createHash('sha256').update(e).digest('hex')).join(''));
    expect(() => writer.writeEntries([], 0, 0, 1)).toThrow(TypeError);
    await writer.close();
    // A length beyond the frame (the opening is no entry: it stands behind), one entry too many, a place outside.
    for (const [buffers, from, count] of [
      [[Buffer.of(0, 9), Buffer.alloc(9)], 0, 1],
      [[Buffer.of(0, 9, 1)], 0, 1],
      [[Buffer.of(0, 1, 1)], 0, 2],
      [[Buffer.of(0, 1, 1)], 4, 1],
      [[Buffer.of(0, 1, 1)], 0, 0xffff_ffff],
    ] as const) {
      const other = new addon.SyncWriter(fd);
      await expect(other.writeEntries(buffers, 0, from, count)).rejects.toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
        errno: 'EBADMSG',
      });
      await other.close();
    }
    closeSync(fd);
  });

  it('took its copy before write returns', async () => {
    const path = join(dir, 'copy');
    const fd = openSync(path, 'w+');
    const writer = new addon.SyncWriter(fd);
    const buffer = Buffer.from('before');
    const written = writer.write([buffer], 0);
    buffer.fill('!');
    await written;
    expect(readFileSync(path, 'latin1')).toBe('before');
    // The copy's memory serves the next one, which leaves nothing of itself in shorter ones.
    for (const text of ['long enough', 'short', 'a']) {
      buffer.fill('?');
      await writer.write([Buffer.from(text)], 0);
      expect(readFileSync(path, 'latin1').slice(0, text.length)).toBe(text);
    }
    await writer.close();
    closeSync(fd);
  });

  it('settles what has ended when it is asked, before the event loop comes round', async () => {
    const fd = openSync(join(dir, 'poll'), 'w+');
    const writer = new addon.SyncWriter(fd);
    let settled = 0;
    /** Turns of microtasks alone: the event loop does not come round while they go on. */
    const turns = async (ms: number, poll: () => void) => {
      const end = performance.now() + ms;
      for (const before = settled; settled === before && performance.now() < end; ) {
        poll();
        await undefined;
      }
    };
    const first = writer.write([Buffer.from('one')], 0).then(() => settled++);
    await turns(300, () => undefined);
    expect(settled).toBe(0);
    await turns(20_000, () => writer.poll());
    expect(settled).toBe(1);
    await first;
    const both = [writer.write([Buffer.from('two')], 0), writer.write([Buffer.from('three')], 3)];
    const order: number[] = [];
    both.forEach((written, i) => {
      void written.then(() => order.push(i));
    });
    writer.poll();
    await Promise.all(both);
    expect(order).toEqual([0, 1]);
    writer.poll();
    await writer.close();
    writer.poll();
    closeSync(fd);
  });

  it('writes past 4 GiB, and large groups whole', async () => {
    const path = join(dir, 'sparse');
    const fd = openSync(path, 'w+');
    const writer = new addon.SyncWriter(fd);
    const big = Buffer.alloc(3 << 20, 7);
    await writer.write([big], 2 ** 33);
    expect(statSync(path).size).toBe(2 ** 33 + big.length);
    await writer.write([], 0);
    await writer.close();
    closeSync(fd);
  });

  it('goes on with its own descriptor when Node closes the number it was given', async () => {
    const path = join(dir, 'dup');
    const fd = openSync(path, 'w+');
    const writer = new addon.SyncWriter(fd);
    closeSync(fd);
    const other = openSync(join(dir, 'other'), 'w+');
    await writer.write([Buffer.from('mine')], 0);
    expect(readFileSync(path, 'latin1')).toBe('mine');
    expect(fstatSync(other).size).toBe(0);
    await writer.close();
    closeSync(other);
  });

  it('says ENOSPC on a full device, and refuses every later write', async () => {
    const fd = openSync('/dev/full', 'w');
    const writer = new addon.SyncWriter(fd);
    const first = writer.write([Buffer.from('x')], 0);
    const second = writer.write([Buffer.from('y')], 1);
    await expect(first).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      errno: 'ENOSPC',
      syscall: 'pwrite',
    });
    const poisoned = { code: 'STORAGE_UNAVAILABLE', errno: 'EPOISONED' };
    await expect(second).rejects.toMatchObject(poisoned);
    await expect(writer.write([], 0)).rejects.toMatchObject(poisoned);
    await writer.close();
    closeSync(fd);
  });

  it('says what fdatasync failed with, and does not try again', async () => {
    // The third fdatasync fails; the kernel would let the fourth succeed, and that success would be a lie.
    const path = join(dir, 'eio');
    const trace = join(dir, 'trace');
    const script = `
      const { SyncWriter } = require(${JSON.stringify(addonPath)});
      const w = new SyncWriter(require('fs').openSync(${JSON.stringify(path)}, 'w+'));
      const all = [0, 1, 2, 3, 4].map((i) => w.write([Buffer.from('x')], i));
      Promise.allSettled(all).then(async (r) => {
        console.log(JSON.stringify(r.map((x) => x.reason?.errno + '/' + x.reason?.syscall)));
        await w.close();
      });`;
    const strace = ['-f', '-o', trace, '-e', 'trace=pwrite64,fdatasync'];
    const inject = ['-e', 'inject=fdatasync:error=EIO:when=3'];
    const { stdout } = await promisify(execFile)('strace', [
      ...strace,
      ...inject,
      process.execPath,
      '-e',
      script,
    ]);
    const ok = 'undefined/undefined';
    expect(JSON.parse(stdout)).toEqual([
      ok,
      ok,
      'EIO/fdatasync',
      'EPOISONED/fdatasync',
      'EPOISONED/fdatasync',
    ]);
    const calls = readFileSync(trace, 'latin1').match(/ (pwrite64|fdatasync)\(/g);
    expect(calls).toHaveLength(6);
  });

  it('continues a short write', async () => {
    // RLIMIT_FSIZE cuts a write at the limit: the first attempt is short, the rest fails with EFBIG.
    const path = join(dir, 'short');
    const script = `
      process.on('SIGXFSZ', () => {});
      const { SyncWriter } = require(${JSON.stringify(addonPath)});
      const w = new SyncWriter(require('fs').openSync(${JSON.stringify(path)}, 'w+'));
      w.write([Buffer.alloc(3000, 1)], 0).catch((e) => console.log(e.errno, e.syscall));`;
    const { stdout } = await promisify(execFile)('bash', [
      '-c',
      'ulimit -f 2; exec "$0" -e "$1"',
      process.execPath,
      script,
    ]);
    expect(stdout).toBe('EFBIG pwrite\n');
    expect(statSync(path).size).toBe(2048);
  });

  it('is closed once, lets what was queued end, and takes nothing more', async () => {
    const path = join(dir, 'closed');
    const fd = openSync(path, 'w+');
    const writer = new addon.SyncWriter(fd);
    const last = writer.write([Buffer.from('last')], 0);
    await writer.close();
    await last;
    await writer.close();
    await expect(writer.write([Buffer.from('x')], 0)).rejects.toMatchObject({ errno: 'EBADF' });
    expect(readFileSync(path, 'latin1')).toBe('last');
    closeSync(fd);
  });

  it('refuses what it cannot write', () => {
    const fd = openSync(join(dir, 'misuse'), 'w+');
    const writer = new addon.SyncWriter(fd);
    const write = writer.write as (...a: unknown[]) => unknown;
    expect(() => write('x', 0)).toThrow(TypeError);
    expect(() => write(['x'], 0)).toThrow(TypeError);
    expect(() => write([Buffer.alloc(1)], -1)).toThrow(/offset/);
    closeSync(fd);
    expect(() => new addon.SyncWriter(99_999)).toThrow(expect.objectContaining({ errno: 'EBADF' }));
    expect(() => new addon.SyncWriter(-1)).toThrow(TypeError);
  });

  it('neither keeps a process alive when idle nor loses an accepted write when it ends', () => {
    const path = join(dir, 'alive');
    const script = `
      const { SyncWriter } = require(${JSON.stringify(addonPath)});
      const w = new SyncWriter(require('fs').openSync(${JSON.stringify(path)}, 'w+'));
      w.write([Buffer.from('written')], 0);`;
    execFileSync(process.execPath, ['-e', script], { timeout: 60_000 });
    expect(readFileSync(path, 'latin1')).toBe('written');
  });
});

describe('preallocate', () => {
  it('makes a file of zeroes that occupies its blocks', async () => {
    const path = join(dir, 'zeroes');
    const fd = openSync(path, 'w+');
    await addon.preallocate(fd, 2_500_000);
    const stat = statSync(path);
    expect(stat.size).toBe(2_500_000);
    expect(stat.blocks * 512).toBeGreaterThanOrEqual(2_500_000);
    expect(readFileSync(path).every((b) => b === 0)).toBe(true);
    closeSync(fd);
  });

  it('keeps what the file holds, and does nothing to one that is large enough', async () => {
    const path = join(dir, 'kept');
    writeFileSync(path, 'kept');
    const fd = openSync(path, 'r+');
    await addon.preallocate(fd, 10);
    expect(readFileSync(path, 'latin1')).toBe('kept\0\0\0\0\0\0');
    writeSync(fd, '0123456789', 0);
    await addon.preallocate(fd, 4);
    expect(readFileSync(path, 'latin1')).toBe('0123456789');
    await addon.syncFd(fd);
    closeSync(fd);
  });

  it('and syncFd say what failed', async () => {
    const fd = openSync(join(dir, 'ro'), 'w');
    closeSync(fd);
    const bad = { code: 'STORAGE_UNAVAILABLE', errno: 'EBADF' };
    await expect(addon.preallocate(99_999, 1)).rejects.toMatchObject({ ...bad, syscall: 'fstat' });
    await expect(addon.syncFd(99_999)).rejects.toMatchObject({ ...bad, syscall: 'fsync' });
    const reader = openSync(join(dir, 'ro'), 'r');
    await expect(addon.preallocate(reader, 1)).rejects.toMatchObject({ ...bad, syscall: 'posix_fallocate' });
    closeSync(reader);
    const folder = openSync(dir, 'r');
    await addon.syncFd(folder);
    closeSync(folder);
  });
});

describe('lockFile', () => {
  it('is held by one open file, also within one process, until that is closed', () => {
    const path = join(dir, 'lock');
    const first = openSync(path, 'w');
    const second = openSync(path, 'w');
    expect(addon.lockFile(first)).toBe(true);
    expect(addon.lockFile(first)).toBe(true);
    expect(addon.lockFile(second)).toBe(false);
    // Closing another descriptor of the file does not release it, as it would with the older locks.
    closeSync(second);
    const third = openSync(path, 'w');
    expect(addon.lockFile(third)).toBe(false);
    const attempt = `console.log(require(${JSON.stringify(addonPath)}).lockFile(require('fs').openSync(${JSON.stringify(path)}, 'w')))`;
    expect(execFileSync(process.execPath, ['-e', attempt], { encoding: 'utf8' })).toBe('false\n');
    closeSync(first);
    expect(addon.lockFile(third)).toBe(true);
    closeSync(third);
  });

  it('needs a descriptor open for writing', () => {
    const fd = openSync('/dev/null', 'r');
    expect(() => addon.lockFile(fd)).toThrow(expect.objectContaining({ errno: 'EBADF', syscall: 'fcntl' }));
    closeSync(fd);
  });
});

describe('writeNewFile', () => {
  it('makes a file of its own mode with the bytes as they were, and never a second one', async () => {
    const path = join(dir, 'new');
    const bytes = Buffer.alloc(300_000, 7);
    const made = addon.writeNewFile(path, bytes);
    bytes.fill(9);
    await made;
    expect(readFileSync(path).equals(Buffer.alloc(300_000, 7))).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const again = { code: 'STORAGE_UNAVAILABLE', errno: 'EEXIST', syscall: 'open' };
    await expect(addon.writeNewFile(path, Buffer.from('other'))).rejects.toMatchObject(again);
    expect(readFileSync(path)[0]).toBe(7);
  });

  it('says what failed', async () => {
    const missing = join(dir, 'no folder', 'x');
    await expect(addon.writeNewFile(missing, Buffer.alloc(1))).rejects.toMatchObject({ errno: 'ENOENT' });
    expect(() => addon.writeNewFile('a\0b', Buffer.alloc(1))).toThrow(TypeError);
    expect(() => addon.writeNewFile(1 as never, Buffer.alloc(1))).toThrow(TypeError);
    expect(() => addon.writeNewFile(missing, [] as never)).toThrow(TypeError);
  });
});
