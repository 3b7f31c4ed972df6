/** The addon's one ioctl, against a device that a preloaded library plays (device.c). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ADDON = fileURLToPath(new URL('../../build/Release/attestd.node', import.meta.url));
const SOURCE = fileURLToPath(new URL('nsmdevice.c', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'attestd-nsm-'));
const library = join(dir, 'nsmdevice.so');
beforeAll(() => {
  execFileSync('c++', ['-x', 'c', '-shared', '-fPIC', '-o', library, SOURCE]);
}, 120_000);
afterAll(() => rmSync(dir, { recursive: true }));

/** What the addon gives for this request, in hex, or the code of the error. */
function exchange(request: Uint8Array): string {
  const program = `
    const fd = require('node:fs').openSync('/dev/null', 'r+');
    const request = Buffer.from(process.argv[2], 'hex');
    try {
      const answer = require(process.argv[1]).nsmExchange(fd, new Uint8Array(request));
      process.stdout.write(Buffer.from(answer).toString('hex'));
    } catch (e) {
      process.stdout.write(e.code + ' ' + e.syscall);
    }`;
  const hex = Buffer.from(request).toString('hex');
  return execFileSync(process.execPath, ['-e', program, ADDON, hex], {
    env: { PATH: process.env.PATH, LD_PRELOAD: library },
    encoding: 'utf8',
  });
}

test('a request arrives whole, and the answer comes back as long as the module says', () => {
  const request = Uint8Array.from({ length: 600 }, (_, i) => i & 0x7f);
  expect(exchange(request)).toBe(`590258${Buffer.from(request).toString('hex')}`);
}, 60_000);

test('what the driver refuses comes back as its error', () => {
  expect(exchange(Uint8Array.of(0xee, 1))).toBe('EIO ioctl');
  expect(exchange(new Uint8Array(0x1001))).toBe('EMSGSIZE ioctl');
}, 60_000);
