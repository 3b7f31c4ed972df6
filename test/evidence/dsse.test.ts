import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { jcsBytes } from '../../src/core/json.ts';
import { MAX_ENTRY, makeEntry, pae, parseEntry, recordDigest } from '../../src/evidence/dsse.ts';
import { runs } from '../fuzz/runs.ts';

const vectors: {
  pae: { type: string; payload: string; pae: string }[];
  accept: { name: string; entry: string; payload: string; recordDigest: string }[];
  reject: { name: string; entry: string; code: string }[];
} = JSON.parse(readFileSync(new URL('../vectors/evidence/entry.json', import.meta.url), 'utf8'));

describe('the pre-authentication encoding', () => {
  it.each(vectors.pae)('of $payload is that of the DSSE specification', (v) => {
    expect(fromUtf8(pae(v.type, utf8(v.payload)))).toBe(v.pae);
  });
});

describe('entry vectors', () => {
  it.each(vectors.accept)('$name: accepted', (v) => {
    const entry = fromHex(v.entry);
    expect(toHex(makeEntry(utf8(v.payload)))).toBe(v.entry);
    expect(parseEntry(entry)).toEqual({ payload: utf8(v.payload), json: JSON.parse(v.payload) });
    expect(toHex(recordDigest(entry))).toBe(v.recordDigest);
  });

  it.each(vectors.reject)('$name: refused', ({ entry, code }) => {
    expect(() => parseEntry(fromHex(entry))).toThrow(expect.objectContaining({ code }));
  });
});

describe('an entry', () => {
  const room = MAX_ENTRY - makeEntry(jcsBytes({ a: '' })).length - 4; // four more digits of the length

  it('holds 65,535 bytes and not one more', () => {
    const full = makeEntry(jcsBytes({ a: 'x'.repeat(room) }));
    expect(full.length).toBe(MAX_ENTRY);
    expect(parseEntry(full).json).toEqual({ a: 'x'.repeat(room) });
    const over = jcsBytes({ a: 'x'.repeat(room + 1) });
    expect(() => makeEntry(over)).toThrow(expect.objectContaining({ code: 'RECORD_TOO_LARGE' }));
    const forced = pae('application/vnd.in-toto+json', over);
    expect(() => parseEntry(forced)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
  });

  it('that is accepted encodes back to the same bytes; prefixes are refused', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), (o) => {
        let entry: Uint8Array;
        try {
          entry = makeEntry(jcsBytes(o));
        } catch (e) {
          return isAttestdError(e, 'MALFORMED'); // a number that I-JSON does not hold
        }
        expect(makeEntry(parseEntry(entry).payload)).toEqual(entry);
        for (let n = 0; n < entry.length; n++) {
          expect(() => parseEntry(entry.slice(0, n))).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
        }
        return true;
      }),
      { numRuns: runs(50) },
    );
  });

  it('with any byte changed is refused or is the entry of its own payload', () => {
    const entry = makeEntry(jcsBytes({ action: 'tool.call', n: 17, list: [1, 'é', null] }));
    for (let at = 0; at < entry.length; at++) {
      for (const x of [1, 0x20, 0x80]) {
        const b = entry.slice();
        b[at] = (b[at] as number) ^ x;
        try {
          expect(toHex(makeEntry(jcsBytes(parseEntry(b).json)))).toBe(toHex(b));
        } catch (e) {
          expect(isAttestdError(e, 'MALFORMED')).toBe(true);
        }
      }
    }
  });
});
