import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { MAX_DEPTH } from '../../src/core/ijson.ts';
import { assertJson, type Json, jcs, jcsBytes, parseJson } from '../../src/core/json.ts';
import { runs } from '../fuzz/runs.ts';

const DIR = new URL('../vectors/jcs/', import.meta.url);
const read = (f: string) => new Uint8Array(readFileSync(new URL(f, DIR)));
const malformed = expect.objectContaining({ code: 'MALFORMED' });
const nested = (depth: number, open = '[', close = ']') => open.repeat(depth) + close.repeat(depth);

describe('RFC 8785 vectors', () => {
  it.each(['arrays', 'french'])('%s.json', (name) => {
    expect(jcsBytes(parseJson(read(`input/${name}.json`)))).toEqual(read(`output/${name}.json`));
  });

  it('values.json: refused for its 1E30, right without it', () => {
    const text = fromUtf8(read('input/values.json'));
    expect(() => parseJson(text)).toThrow(/1E30 is beyond 2\^53/);
    const canonical = jcs(parseJson(text.replace('1E30', '1E3')));
    expect(canonical).toBe(fromUtf8(read('output/values.json')).replace('1e+30', '1000'));
  });

  it('the first thousand numbers, as far as I-JSON holds them', () => {
    const lines = fromUtf8(read('es6_numbers_1000.txt')).trimEnd().split('\n');
    expect(lines.length).toBe(1000);
    let written = 0;
    for (const line of lines) {
      const [hex, expected] = line.split(',') as [string, string];
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, BigInt(`0x${hex}`));
      const n = view.getFloat64(0);
      if (Number.isFinite(n) && (!Number.isInteger(n) || Number.isSafeInteger(n))) {
        expect(jcs(n)).toBe(expected);
        written++;
      } else expect(() => jcs(n)).toThrow(malformed);
    }
    expect(written).toBeGreaterThan(400);
  });

  const receipts: { canonicalization_vectors: { name: string; input: unknown; canonical: string }[] } =
    JSON.parse(fromUtf8(read('agent-receipts_vectors.json')));
  it.each(receipts.canonicalization_vectors)('agent-receipts: $name', ({ input, canonical }) => {
    if (canonical === '1e+21') expect(() => jcs(input)).toThrow(malformed);
    else expect(jcs(input)).toBe(canonical);
  });
});

describe('parseJson refuses', () => {
  const cases: [string, string | Uint8Array, RegExp][] = [
    ['nothing', '', /not JSON/],
    ['a duplicate name', '{"a":1,"a":1}', /stands twice.*"a"/],
    ['a duplicate name spelt otherwise', '{"a":1,"\\u0061":1}', /stands twice.*"a"/],
    ['a duplicate deep inside', '[{"b":{"x":[{"c":1,"d":{},"c":2}]}}]', /stands twice.*"c"/],
    ['a duplicate __proto__', '{"__proto__":1,"__proto__":2}', /stands twice/],
    ['a duplicate beside a colon in a string', '{":":":","a:":1,"a:":2}', /stands twice/],
    ['a duplicate empty name', '{"":1,"":2}', /stands twice/],
    ['a duplicate after a long string', `{"a":"${'x\\"'.repeat(100_000)}","b":1,"b":2}`, /stands twice.*"b"/],
    ['a lone high surrogate', '"\\ud800"', /surrogate/],
    ['a lone low surrogate', '["\\udc00"]', /surrogate/],
    ['surrogates the wrong way round', '"\\udc00\\ud800"', /surrogate/],
    ['a lone surrogate in a name', '{"\\ud800":1}', /surrogate/],
    ['a lone surrogate in text', '"\ud800"', /surrogate/],
    ['a surrogate in UTF-8', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), /UTF-8/],
    ['an overlong form', Uint8Array.of(0x22, 0xc0, 0xaf, 0x22), /UTF-8/],
    ['half a character', Uint8Array.of(0x22, 0xe2, 0x82, 0x22), /UTF-8/],
    ['a byte order mark', Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d), /not JSON/],
    ['NaN', '{"a":NaN}', /not JSON/],
    ['Infinity', '[Infinity]', /not JSON/],
    ['-Infinity', '[-Infinity]', /not JSON/],
    ['1e400', '1e400', /does not fit/],
    ['-1e400', '[-1e400]', /does not fit/],
    ['1e-400, which would become 0', '1e-400', /does not fit/],
    ['-1e-400', '-1e-400', /does not fit/],
    ['0.000…1 that becomes 0', `0.${'0'.repeat(400)}1`, /does not fit/],
    ['-0', '-0', /-0 has no/],
    ['-0.0', '-0.0', /-0 has no/],
    ['-0e5', '[-0e5]', /-0 has no/],
    ['2^53', '9007199254740992', /beyond 2\^53/],
    ['-2^53', '-9007199254740992', /beyond 2\^53/],
    ['2^53 as exponent form', '9007199254740992e0', /beyond 2\^53/],
    ['2^53 with a point', '9007199254740992.0', /beyond 2\^53/],
    ['an integer of thirty digits', '123456789012345678901234567890', /beyond 2\^53/],
    ['more digits than a double keeps', '0.1234567890123456789', /more digits/],
    ['one level too deep, arrays', nested(MAX_DEPTH + 1), /deeper than 32/],
    [
      'one level too deep, objects',
      `${'{"a":'.repeat(MAX_DEPTH + 1)}1${'}'.repeat(MAX_DEPTH + 1)}`,
      /deeper/,
    ],
    ['a hundred thousand levels', '['.repeat(100_000), /deeper than 32/],
    ['a trailing comma', '[1,]', /not JSON/],
    ['a comment', '[1/**/]', /not JSON/],
    ['single quotes', "{'a':1}", /not JSON/],
    ['a bare name', '{a:1}', /not JSON/],
    ['a leading zero', '01', /not JSON/],
    ['a leading plus', '+1', /not JSON/],
    ['hexadecimal', '0x10', /not JSON/],
    ['two documents', '{}{}', /not JSON/],
    ['a control character in a string', '"\u0001"', /not JSON/],
    ['an unfinished string', '"abc', /not JSON/],
    ['an unfinished escape', '"abc\\', /not JSON/],
    ['half a document', '{"a":', /not JSON/],
    ['undefined', 'undefined', /not JSON/],
  ];
  it.each(cases)('%s', (_, input, message) => {
    expect(() => parseJson(input)).toThrow(message);
    expect(() => parseJson(input)).toThrow(malformed);
    if (typeof input === 'string' && !/\p{Surrogate}/u.test(input)) {
      expect(() => parseJson(utf8(input))).toThrow(message);
    }
  });
});

describe('parseJson accepts', () => {
  it.each<[string, Json]>([
    ['null', null],
    [' [ 1 , 2.5e-3 , "\\u00e9\\ud83d\\ude00" ] ', [1, 0.0025, 'é\u{1f600}']],
    ['9007199254740991', 9007199254740991],
    ['-9007199254740991', -9007199254740991],
    ['0.30000000000000004', 0.30000000000000004],
    ['5e-324', 5e-324],
    ['0e0', 0],
    ['0.0', 0],
    ['1.5E+3', 1500],
    ['{"a:b":"c:d","\\"{":["}"],"":{}}', { 'a:b': 'c:d', '"{': ['}'], '': {} }],
    [
      '{"toString":1,"constructor":2,"hasOwnProperty":3}',
      JSON.parse('{"toString":1,"constructor":2,"hasOwnProperty":3}'),
    ],
    [nested(MAX_DEPTH), JSON.parse(nested(MAX_DEPTH))],
  ])('%s', (text, value) => {
    expect(parseJson(text)).toEqual(value);
    expect(parseJson(utf8(text))).toEqual(value);
    expect(parseJson(jcs(value))).toEqual(value);
  });

  it('__proto__ as a name like any other, without touching a prototype', () => {
    const v = parseJson('{"__proto__":{"polluted":true},"a":1}') as { [name: string]: Json };
    expect(Object.getPrototypeOf(v)).toBe(Object.prototype);
    expect(Object.keys(v)).toEqual(['__proto__', 'a']);
    expect('polluted' in v).toBe(false);
    expect(jcs(v)).toBe('{"__proto__":{"polluted":true},"a":1}');
  });
});

describe('jcs refuses what is not I-JSON', () => {
  class Odd {
    x = 1;
  }
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const deep = (n: number): unknown => JSON.parse(nested(n));
  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['NaN', NaN],
    ['Infinity', [-Infinity]],
    ['2^53', 2 ** 53],
    ['1e21', 1e21],
    ['a bigint', 1n],
    ['a function', { a: () => 1 }],
    ['a symbol', [Symbol('x')]],
    ['an undefined member', { a: undefined }],
    ['a hole in an array', Object.assign([], { 1: 1 })],
    ['a Map', new Map([['a', 1]])],
    ['a Date', new Date(0)],
    ['a Uint8Array', new Uint8Array(2)],
    ['an instance of a class', new Odd()],
    ['an object with toJSON', { toJSON: () => 1 }],
    ['a lone surrogate', 'a\udfff'],
    ['a lone surrogate in a name', { '\ud800': 1 }],
    ['a cycle', cyclic],
    ['33 levels', deep(33)],
  ])('%s', (_, value) => {
    expect(() => jcs(value)).toThrow(malformed);
    expect(() => assertJson(value)).toThrow(malformed);
  });

  it('and takes what it should: objects without prototype, -0 as 0, 32 levels', () => {
    expect(jcs(Object.assign(Object.create(null), { b: 1, a: -0 }))).toBe('{"a":0,"b":1}');
    expect(jcs(deep(32))).toBe(nested(32));
  });
});

const json: fc.Arbitrary<Json> = fc.letrec<{ v: Json }>((tie) => ({
  v: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((n) => n + 0),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).map((n) => n + 0),
    fc.string({ unit: 'binary' }),
    fc.array(tie('v'), { maxLength: 4 }) as fc.Arbitrary<Json>,
    fc.dictionary(fc.string({ unit: 'binary' }), tie('v'), {
      maxKeys: 5,
      noNullPrototype: true,
    }) as fc.Arbitrary<Json>,
  ),
})).v;

describe('canonical form', () => {
  it('parses back to the value, so one form has one value', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = jcs(value);
        expect(parseJson(text)).toEqual(value);
        expect(jcs(parseJson(text))).toBe(text);
        expect(parseJson(utf8(text))).toEqual(value);
      }),
      { numRuns: runs(500) },
    );
  });

  it('is the same for equal values and differs for others', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        let same = true;
        try {
          expect(a).toEqual(b);
        } catch {
          same = false;
        }
        expect(jcs(a) === jcs(b)).toBe(same);
      }),
      { numRuns: runs(300) },
    );
  });

  it('does not depend on the order or spelling in which it was sent', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), json, { noNullPrototype: true }),
        fc.nat(),
        (o, turn) => {
          const entries = Object.entries(o);
          const at = entries.length === 0 ? 0 : turn % entries.length;
          const turned = Object.fromEntries([...entries.slice(at), ...entries.slice(0, at)]);
          expect(jcs(turned)).toBe(jcs(o));
          expect(jcs(parseJson(JSON.stringify(turned, null, 2)))).toBe(jcs(o));
        },
      ),
    );
  });
});

it('whatever the bytes, parseJson gives I-JSON or MALFORMED', () => {
  const soup = fc.string({ unit: fc.constantFrom(...'{}[],:"\\u0123abd8-+.eE truefalsn') });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), soup.map(utf8)), (b) => {
      let value: Json;
      try {
        value = parseJson(b);
      } catch (e) {
        expect(e).toEqual(malformed);
        return;
      }
      expect(parseJson(jcs(value))).toEqual(value);
    }),
    { numRuns: runs(3000) },
  );
});
