import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, u8, u16, u32, u64 } from '../../src/core/bytes.ts';
import { Reader } from '../../src/core/reader.ts';

describe('the reader', () => {
  it('reads what was written, from the middle of a larger buffer too', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 255 }),
        fc.nat({ max: 65535 }),
        fc.nat({ max: 0xffffffff }),
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.uint8Array({ maxLength: 40 }),
        (a, b, c, d, e) => {
          const written = concat(u8(a), u16(b), u32(c), u64(d), u16(e.length), e);
          const r = new Reader(concat(u8(9), written, u8(9)).subarray(1, 1 + written.length), 'thing');
          expect([r.u8(), r.u16(), r.u32(), r.u64(), r.sized(40)]).toEqual([a, b, c, d, e]);
          expect(r.left).toBe(0);
          expect(r.offset).toBe(written.length);
          r.end();
        },
      ),
    );
  });

  it('gives copies, not views', () => {
    const from = Uint8Array.of(1, 2, 3);
    const part = new Reader(from, 'thing').bytes(2);
    from[0] = 9;
    expect(part).toEqual(Uint8Array.of(1, 2));
  });

  it.each<[string, Uint8Array, (r: Reader) => unknown, RegExp]>([
    ['u8 of nothing', new Uint8Array(0), (r) => r.u8(), /thing: 1 bytes wanted, 0 left at byte 0/],
    ['u16 of one byte', new Uint8Array(1), (r) => r.u16(), /2 bytes wanted, 1 left/],
    ['u32 of three', new Uint8Array(3), (r) => r.u32(), /4 bytes wanted/],
    ['u64 of seven', new Uint8Array(7), (r) => r.u64(), /8 bytes wanted/],
    ['bytes beyond the end', new Uint8Array(3), (r) => r.bytes(4), /4 bytes wanted/],
    ['a field over its bound', Uint8Array.of(0, 5, 1, 2, 3, 4, 5), (r) => r.sized(4), /5 bytes, at most 4/],
    ['a field beyond the end', Uint8Array.of(0, 5, 1), (r) => r.sized(9), /5 bytes wanted, 1 left at byte 2/],
    ['an end that is not one', new Uint8Array(3), (r) => r.end(), /3 bytes too many/],
  ])('%s is MALFORMED', (_, bytes, read, message) => {
    expect(() => read(new Reader(bytes, 'thing'))).toThrow(message);
    expect(() => read(new Reader(bytes, 'thing'))).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });
});
