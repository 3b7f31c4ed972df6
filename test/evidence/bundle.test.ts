import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { parseBundle, printBundle, printProved, readProved } from '../../src/evidence/bundle.ts';
import { parseFresh, printFresh } from '../../src/evidence/fresh.ts';
import { MAX_BUNDLE } from '../../src/evidence/schema/bundle.ts';
import { runs } from '../fuzz/runs.ts';
import { type Reject, readVectors } from './vectors.ts';

interface Vectors {
  accept: { name: string; text: string }[];
  reject: (Reject & { text: string })[];
}
const FORMATS = [
  {
    format: 'bundle',
    vectors: readVectors<Vectors>('bundle'),
    reprint: (b: Uint8Array) => {
      const { mediaType: _, ...content } = parseBundle(b);
      return printBundle(content);
    },
  },
  {
    format: 'fresh',
    vectors: readVectors<Vectors>('fresh'),
    reprint: (b: Uint8Array) => {
      const { mediaType: _, ...content } = parseFresh(b);
      return printFresh(content);
    },
  },
];

describe.each(FORMATS)('$format', ({ vectors, reprint }) => {
  it.each(vectors.accept)('$name: accepted, and printed back to the same bytes', ({ text }) => {
    expect(fromUtf8(reprint(utf8(text)))).toBe(text);
  });

  it.each(vectors.reject)('$name: refused', ({ text, code }) => {
    expect(() => reprint(utf8(text))).toThrow(expect.objectContaining({ code }));
  });

  it('over 16 MiB is refused before it is read', () => {
    expect(() => reprint(new Uint8Array(MAX_BUNDLE + 1))).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    );
  });

  it('with any byte changed is refused or prints back as it is; a prefix is refused', () => {
    const bytes = utf8(vectors.accept[1]?.text ?? '');
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, x) => {
        const changed = bytes.slice();
        changed[at] = (changed[at] as number) ^ x;
        for (const b of [changed, bytes.slice(0, at)]) {
          try {
            expect(reprint(b)).toEqual(b);
            expect(b.length).toBe(bytes.length);
          } catch (e) {
            expect(isAttestdError(e, 'MALFORMED')).toBe(true);
          }
        }
      }),
      { numRuns: runs(300) },
    );
  });
});

it('an entry with its proof goes through JSON unchanged', () => {
  const proved = { entry: utf8('x'), index: 7, hashes: [new Uint8Array(32).fill(1), new Uint8Array(32)] };
  expect(readProved(printProved(proved))).toEqual(proved);
});
