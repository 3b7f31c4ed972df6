/** What every parser must survive, whatever it reads: texts and JSON that are nearly right. */
import fc from 'fast-check';
import { AttestdError } from '../../src/core/errors.ts';

type Value = null | boolean | number | string | Value[] | { [name: string]: Value };

const ODD: readonly Value[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e300,
  '',
  '0',
  '../..',
  '\0',
  '\ud800',
  'x'.repeat(5000),
  '9'.repeat(400),
  [],
  {},
  [[]],
  [null],
  { a: null },
  { __proto__: [] } as Value,
];

/** One member or item somewhere in a value is another, gone, there twice, or beside one that nobody knows. */
function disturbed(value: Value, at: number, how: number, odd: Value): Value {
  const places: { readonly of: Value[] | { [name: string]: Value }; readonly key: string }[] = [];
  const copy = structuredClone(value);
  const visit = (v: Value): void => {
    if (v === null || typeof v !== 'object') return;
    for (const [key, inner] of Object.entries(v)) {
      places.push({ of: v, key });
      visit(inner);
    }
  };
  visit(copy);
  const place = places[at % Math.max(1, places.length)];
  if (place === undefined) return odd;
  const { of, key } = place;
  const holder = of as { [name: string]: Value };
  if (how === 0) delete holder[key];
  else if (how === 1 && Array.isArray(of)) of.push(of[Number(key)] ?? null);
  else if (how === 1) holder[`${key}x`] = odd;
  else holder[key] = odd;
  return copy;
}

/** JSON of values like these, with one to three places that are not as they should be. */
export function jsonLike(...valid: readonly unknown[]): fc.Arbitrary<string> {
  const edit = fc.tuple(fc.nat(), fc.nat(4), fc.constantFrom(...ODD));
  return fc
    .tuple(fc.constantFrom(...(valid as Value[])), fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([value, edits]) =>
      JSON.stringify(edits.reduce((v, [at, how, odd]) => disturbed(v, at, how, odd), value)),
    );
}

/** Bytes like these: a few changed, dropped or put in, pieces moved, cut off, or something else altogether. */
export function bytesLike(...valid: readonly (string | Uint8Array)[]): fc.Arbitrary<Uint8Array> {
  const given = valid.map((v) => Buffer.from(v as Uint8Array));
  const put = fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc
      .constantFrom('\n', '\0', '=', '[', '"', '-', ' ', '#', ':', '\xff', '9'.repeat(40))
      .map((s) => Buffer.from(s, 'latin1')),
  );
  const edit = fc.record({ at: fc.nat(), drop: fc.nat(4), put, from: fc.option(fc.nat()) });
  const near = fc
    .tuple(
      fc.constantFrom(...given),
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(), { freq: 4 }),
    )
    .map(([bytes, edits, cut]) => {
      let out = bytes;
      for (const { at, drop, put, from } of edits) {
        const i = at % (out.length + 1);
        const moved = from === null ? Buffer.alloc(0) : out.subarray(from % (out.length + 1)).subarray(0, 30);
        out = Buffer.concat([out.subarray(0, i), put, moved, out.subarray(i + drop)]);
      }
      return cut === null ? out : out.subarray(0, cut % (out.length + 1));
    });
  return fc
    .oneof({ weight: 8, arbitrary: near }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) })
    .map((b) => Uint8Array.from(b));
}

/**
 * Reads, and holds whatever is thrown to be a refusal with a code that says what is wrong.
 * @returns what was read, or undefined
 */
export function readOrRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (e) {
    if (e instanceof AttestdError && e.code !== 'INTERNAL') return undefined;
    throw e;
  }
}
