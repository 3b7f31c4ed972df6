import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTime, parseTime } from '../../src/core/time.ts';
import { isUlid, ulid } from '../../src/core/ulid.ts';

const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

describe('time', () => {
  it('reads back what it prints', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(0, 0, 1), max: LAST }), (ms) => {
        expect(parseTime(formatTime(ms))).toBe(ms);
      }),
    );
    expect(formatTime(0)).toBe('1970-01-01T00:00:00.000Z');
  });

  it.each([
    '',
    '2026-11-21',
    '2026-11-21T15:02:11Z',
    '2026-11-21T15:02:11.0Z',
    '2026-11-21T15:02:11.000',
    '2026-11-21T15:02:11.000z',
    '2026-11-21t15:02:11.000Z',
    '2026-11-21T15:02:11.000+00:00',
    '2026-11-21 15:02:11.000Z',
    ' 2026-11-21T15:02:11.000Z',
    '2026-11-21T15:02:11.000Z\n',
    '2026-02-30T15:02:11.000Z',
    '2025-02-29T00:00:00.000Z',
    '2026-13-01T00:00:00.000Z',
    '2026-11-21T24:00:00.000Z',
    '2026-11-21T15:60:11.000Z',
    '2026-12-31T23:59:60.000Z',
    '+010000-01-01T00:00:00.000Z',
    '２026-11-21T15:02:11.000Z',
  ])('%j is refused', (text) => {
    expect(() => parseTime(text)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });
});

describe('a ULID', () => {
  it('is 26 characters whose order is that of time', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2 ** 48 - 2 }),
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        (ms, random) => {
          const id = ulid(ms, random);
          expect(isUlid(id)).toBe(true);
          expect(id < ulid(ms + 1, new Uint8Array(10))).toBe(true);
          expect(id >= ulid(ms, new Uint8Array(10))).toBe(true);
        },
      ),
    );
  });

  it('spells time and random bytes as the specification does', () => {
    expect(ulid(1469918176385, new Uint8Array(10)).slice(0, 10)).toBe('01ARYZ6S41');
    expect(ulid(2 ** 48 - 1, new Uint8Array(10).fill(255))).toBe('7ZZZZZZZZZZZZZZZZZZZZZZZZZ');
    expect(ulid(0, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 1))).toBe('00000000000000000000000001');
  });

  it('keeps all 80 random bits', () => {
    const ids = Array.from({ length: 5000 }, () => ulid(0, randomBytes(10)));
    expect(new Set(ids).size).toBe(5000);
    const bit = Array.from({ length: 80 }, (_, i) => {
      const b = new Uint8Array(10);
      b[i >> 3] = 0x80 >> (i & 7);
      return ulid(0, b);
    });
    expect(new Set(bit).size).toBe(80);
  });

  it.each([
    '',
    '8ZZZZZZZZZZZZZZZZZZZZZZZZZ',
    '01ARYZ6S41TSV4RRFFQ69G5FA',
    '01ARYZ6S41TSV4RRFFQ69G5FAVA',
    '01aryz6s41tsv4rrffq69g5fav',
    '01ARYZ6S41TSV4RRFFQ69G5FAI',
    '01ARYZ6S41TSV4RRFFQ69G5FAL',
    '01ARYZ6S41TSV4RRFFQ69G5FAO',
    '01ARYZ6S41TSV4RRFFQ69G5FAU',
    '01ARYZ6S41TSV4RRFFQ69G5FAV\n',
  ])('%j is none', (text) => {
    expect(isUlid(text)).toBe(false);
  });
});
