/** What every parser here must survive. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { AttestdError } from '../../src/core/errors.ts';

/** Bytes of `valid` with a few of them changed, dropped, doubled or put in. */
export function mutated(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    at: fc.nat(),
    drop: fc.integer({ min: 0, max: 3 }),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc.constantFrom(10, 13, 32, 43, 61, 0, 48).map((c) => Uint8Array.of(c)),
    ),
  });
  return fc.tuple(valid, fc.array(edit, { minLength: 1, maxLength: 3 })).map(([bytes, edits]) => {
    let out = [...bytes];
    for (const { at, drop, put } of edits) {
      const i = at % (out.length + 1);
      out = [...out.slice(0, i), ...put, ...out.slice(i + drop)];
    }
    return Uint8Array.from(out);
  });
}

/**
 * Random bytes and mutated valid ones are either refused with MALFORMED or TOO_LARGE, or `reprint` (parse, then
 * print) gives the same bytes back. Valid ones always do the latter.
 */
export function survives(valid: fc.Arbitrary<Uint8Array>, reprint: (bytes: Uint8Array) => Uint8Array): void {
  fc.assert(fc.property(valid, (b) => void expect(reprint(b)).toEqual(b)));
  const noise = fc.oneof(mutated(valid), fc.uint8Array({ maxLength: 200 }));
  const property = fc.property(noise, (b) => {
    let printed: Uint8Array;
    try {
      printed = reprint(b);
    } catch (e) {
      expect(e).toBeInstanceOf(AttestdError);
      expect(['MALFORMED', 'TOO_LARGE']).toContain((e as AttestdError).code);
      return;
    }
    expect(printed).toEqual(b);
  });
  // FUZZ_RUNS asks for a longer run than that of every day.
  fc.assert(property, { numRuns: Number(process.env.FUZZ_RUNS ?? 1000) });
}
