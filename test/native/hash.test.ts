/** What the addon computes for speed is what the plain code computes, for every length and place. */
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { loadAddon } from '../../src/native/addon.ts';
import { crc32c, useCrc32c } from '../../src/store/crc32c.ts';
import { nodeInto, sha256Into, sha256Of, useNativeHash } from '../../src/store/hash.ts';

const addon = loadAddon();
const LENGTHS = [0, 1, 7, 8, 9, 55, 56, 63, 64, 65, 199, 200, 1049, 4096, 65_535];

afterEach(() => useNativeHash(undefined));

test('SHA-256 is that of the platform', () => {
  useNativeHash(addon);
  for (const n of LENGTHS) {
    const input = randomBytes(n);
    const expected = createHash('sha256').update(input).digest();
    expect(sha256Of(input)).toEqual(expected);
    const out = Buffer.alloc(40, 0xee);
    sha256Into(input, out, 5);
    expect(out).toEqual(Buffer.concat([Buffer.alloc(5, 0xee), expected, Buffer.alloc(3, 0xee)]));
  }
});

test('node hashes are the same with the addon and without', () => {
  const pair = randomBytes(64);
  const [a, b] = [addon, undefined].map((native) => {
    useNativeHash(native);
    const out = Buffer.alloc(32);
    nodeInto(pair, 0, out, 0);
    return out;
  });
  expect(a).toEqual(b);
  expect(a).toEqual(createHash('sha256').update(Buffer.of(1)).update(pair).digest());
});

test('CRC32C by the processor is that of the tables', () => {
  if (!addon.hasCrc32c())
    return expect(() => addon.crc32c(new Uint8Array(8), 0, 0, 8)).toThrow('instruction');
  expect(addon.crc32c(Buffer.from('123456789'), 0, 0, 9)).toBe(0xe3069283);
  const bytes = randomBytes(5000);
  for (const [begin, end] of [...LENGTHS.filter((n) => n < 5000).map((n) => [0, n]), [3, 777], [1, 5000]] as [
    number,
    number,
  ][]) {
    expect(addon.crc32c(bytes, 12_345, begin, end)).toBe(crc32c(bytes, 12_345, begin, end));
  }
  let calls = 0;
  useCrc32c((...args) => {
    calls++;
    return addon.crc32c(...args);
  });
  crc32c(bytes, 0, 0, 199);
  expect(calls).toBe(0);
  crc32c(bytes);
  expect(calls).toBe(1);
});

test('what does not fit is refused and nothing is written', () => {
  const out = Buffer.alloc(32);
  expect(() => addon.sha256(new Uint8Array(1), out, 1)).toThrow(RangeError);
  expect(() => addon.sha256(new Uint8Array(1), new Uint8Array(31), 0)).toThrow(RangeError);
  expect(() => addon.sha256('text' as unknown as Uint8Array, out, 0)).toThrow(TypeError);
  if (addon.hasCrc32c()) expect(() => addon.crc32c(new Uint8Array(4), 0, 2, 5)).toThrow(RangeError);
  expect(out.every((b) => b === 0)).toBe(true);
});
