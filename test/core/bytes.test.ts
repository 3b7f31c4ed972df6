import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  concat,
  equal,
  fromBase64,
  fromBase64Url,
  fromHex,
  fromUtf8,
  isWellFormed,
  toBase64,
  toBase64Url,
  toHex,
  u8,
  u16,
  u32,
  u64,
  utf8,
  ZERO32,
} from '../../src/core/bytes.ts';
import { runs } from '../fuzz/runs.ts';

const malformed = expect.objectContaining({ code: 'MALFORMED' });
const TEXTS = [
  { name: 'hex', to: toHex, from: fromHex, node: 'hex' as const, alphabet: '0123456789abcdefABCDEFg ' },
  { name: 'base64', to: toBase64, from: fromBase64, node: 'base64' as const, alphabet: 'ABab01+/-_= \n' },
  {
    name: 'base64url',
    to: toBase64Url,
    from: fromBase64Url,
    node: 'base64url' as const,
    alphabet: 'ABab01+/-_= ',
  },
];

describe.each(TEXTS)('$name', ({ to, from, node, alphabet }) => {
  it('is what Node writes, and reads back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (b) => {
        expect(to(b)).toBe(Buffer.from(b).toString(node));
        expect(from(to(b))).toEqual(b);
      }),
    );
  });

  it('of long input too', () => {
    for (const n of [6143, 6144, 6145, 6146, 100_000]) {
      const b = Uint8Array.from({ length: n }, (_, i) => i * 7);
      expect(to(b)).toBe(Buffer.from(b).toString(node));
      expect(from(to(b))).toEqual(b);
    }
  });

  it('has one spelling: what is read prints back to the same text', () => {
    const spelling = fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 12 });
    fc.assert(
      fc.property(spelling, (s) => {
        try {
          expect(to(from(s))).toBe(s);
        } catch (e) {
          expect(e).toEqual(malformed);
        }
      }),
      { numRuns: runs(2000) },
    );
  });
});

describe('refused', () => {
  it.each<[string, () => unknown]>([
    ['half a byte of hex', () => fromHex('abc')],
    ['hex in upper case', () => fromHex('AB')],
    ['hex with a newline at the end', () => fromHex('ab\n')],
    ['base64 without padding', () => fromBase64('AAA')],
    ['base64 with padding bits, two over', () => fromBase64('AB==')],
    ['base64 with padding bits, one over', () => fromBase64('AAB=')],
    ['base64 of padding only', () => fromBase64('====')],
    ['base64 with padding inside', () => fromBase64('AA==AAAA')],
    ['base64 with three pads', () => fromBase64('A===')],
    ['base64 with a newline', () => fromBase64('AAA\n')],
    ['base64 in the other alphabet', () => fromBase64('__8=')],
    ['base64 beyond ASCII', () => fromBase64('AAAé')],
    ['base64url with padding', () => fromBase64Url('AA==')],
    ['base64url of one character', () => fromBase64Url('A')],
    ['base64url with padding bits', () => fromBase64Url('AB')],
    ['base64url in the other alphabet', () => fromBase64Url('//8')],
    ['UTF-8 of a lone surrogate', () => utf8('a\ud800')],
    ['bytes that are not UTF-8', () => fromUtf8(Uint8Array.of(0xff))],
    ['UTF-8 cut short', () => fromUtf8(Uint8Array.of(0xe2, 0x82))],
    ['UTF-8 of a surrogate', () => fromUtf8(Uint8Array.of(0xed, 0xa0, 0x80))],
  ])('%s', (_, f) => {
    expect(f).toThrow(malformed);
  });
});

it('text goes through UTF-8 unchanged, its byte order mark too', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (s) => {
      expect(fromUtf8(utf8(s))).toBe(s);
      expect(isWellFormed(s)).toBe(true);
    }),
  );
  expect(fromUtf8(utf8('\ufeffx'))).toBe('\ufeffx');
  expect(isWellFormed('\udc00\ud800')).toBe(false);
});

it('integers are big-endian', () => {
  expect(toHex(concat(u8(1), u16(0x0203), u32(0xfffefdfc), u64(2 ** 53 - 1), u64((1n << 64n) - 1n)))).toBe(
    '01' + '0203' + 'fffefdfc' + '001fffffffffffff' + 'ffffffffffffffff',
  );
});

it('equal compares contents and lengths', () => {
  expect(equal(new Uint8Array(32), ZERO32)).toBe(true);
  expect(equal(new Uint8Array(31), ZERO32)).toBe(false);
  expect(equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(equal(concat(), new Uint8Array(0))).toBe(true);
});
