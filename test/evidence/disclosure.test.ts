import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64Url, toBase64Url } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import type { Json } from '../../src/core/json.ts';
import {
  artefactValue,
  disclosureDigest,
  MAX_DISCLOSURE,
  makeDisclosure,
  parseDisclosure,
} from '../../src/evidence/disclosure.ts';
import { runs } from '../fuzz/runs.ts';
import { type Reject, readVectors } from './vectors.ts';

const vectors = readVectors<{
  digests: { origin: string; disclosure: string; digest: string }[];
  accept: { name: string; salt: string; member: string; value: Json; disclosure: string; digest: string }[];
  reject: (Reject & { disclosure: string })[];
}>('disclosure');

describe('disclosure vectors', () => {
  it.each(vectors.digests)('the digest of $origin', ({ disclosure, digest }) => {
    expect(toBase64Url(disclosureDigest(disclosure))).toBe(digest);
  });

  it.each(vectors.accept)('$name: made, digested and opened', (v) => {
    expect(makeDisclosure(fromBase64Url(v.salt), v.member, v.value)).toBe(v.disclosure);
    expect(toBase64Url(disclosureDigest(v.disclosure))).toBe(v.digest);
    expect(parseDisclosure(v.disclosure)).toEqual({ salt: v.salt, name: v.member, value: v.value });
  });

  it.each(vectors.reject)('$name: refused', ({ disclosure, code }) => {
    expect(() => parseDisclosure(disclosure)).toThrow(expect.objectContaining({ code }));
  });
});

describe('a disclosure', () => {
  it('opens to what was put in; any text that opens is what its parts make', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.string({ unit: 'grapheme' }),
        fc.oneof(fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constant(null)),
        fc.nat(),
        fc.constantFrom(...'Ab9_-'),
        (salt, name, value, at, c) => {
          const d = makeDisclosure(salt, name, value);
          expect(parseDisclosure(d)).toEqual({ salt: toBase64Url(salt), name, value });
          const i = at % d.length;
          const changed = d.slice(0, i) + c + d.slice(i + 1);
          try {
            const o = parseDisclosure(changed);
            expect(makeDisclosure(fromBase64Url(o.salt), o.name, o.value)).toBe(changed);
          } catch (e) {
            expect(isAttestdError(e, 'MALFORMED')).toBe(true);
          }
        },
      ),
      { numRuns: runs(300) },
    );
  });

  it('needs a salt of 16 bytes and has a bound', () => {
    expect(() => makeDisclosure(new Uint8Array(15), 'a', 1)).toThrow(/16 bytes/);
    expect(() => parseDisclosure('A'.repeat(MAX_DISCLOSURE + 1))).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    );
    expect(artefactValue('ab')).toBe('sha256:ab');
  });
});
