/**
 * The fast reader of the audit and the reader of the evidence floor give the same verdict on every entry: on entries of a
 * forged host, on values that are hard to print, and on whatever one change makes of them.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { concat, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { sha256, useSha256 } from '../../src/core/hash.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { PAYLOAD_TYPE } from '../../src/core/namespace.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { readEntry } from '../../src/verify/audit/entry.ts';
import { shapeFault } from '../../src/verify/audit/shape.ts';
import { runs } from '../fuzz/runs.ts';
import { forge } from '../kit/forge.ts';

let entries: Uint8Array[];
beforeAll(async () => {
  useSha256((data) => new Uint8Array(createHash('sha256').update(data).digest()));
  const { raw } = await forge();
  const { genesis, boot, record, measurements, related, anchor } = raw;
  entries = [genesis, boot, record, ...measurements, ...related, ...(anchor ? [anchor] : [])].map(
    (r) => r.entry,
  );
});

const slow = (entry: Uint8Array): boolean => {
  try {
    readStatement(entry);
    return true;
  } catch {
    return false;
  }
};
const fast = (entry: Uint8Array): boolean => {
  try {
    const { kind, predicate } = readEntry(entry);
    return shapeFault(kind, predicate) === undefined;
  } catch {
    return false;
  }
};

/** PAE over this text. */
const pae = (payload: string): Uint8Array => {
  const bytes = utf8(payload);
  return concat(utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${bytes.length} `), bytes);
};
const payloadOf = (entry: Uint8Array): string => {
  const text = fromUtf8(entry);
  return text.slice(text.indexOf('{'));
};

/** The entry with another predicate, printed by `print`, and a first subject that binds it. */
function rebuilt(
  entry: Uint8Array,
  change: (p: JsonObject) => Json,
  print = JSON.stringify,
  extra = '',
): Uint8Array {
  const { predicate, predicateType, subject, _type } = JSON.parse(payloadOf(entry));
  const printed = print(sorted(change(predicate)));
  // What stands between predicate and predicateType may be counted to the predicate by a careless reader.
  subject[0].digest.sha256 = toHex(sha256(utf8(printed + extra)));
  return pae(
    `{"_type":${print(_type)},"predicate":${printed}${extra},"predicateType":${print(predicateType)},"subject":${print(sorted(subject))}}`,
  );
}
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((n) => [n, sorted(value[n] as Json)]));
}

test('every entry of a forged host is taken by both', () => {
  for (const entry of entries) expect([slow(entry), fast(entry)]).toEqual([true, true]);
});

test.each([
  [
    'a target with a backslash and ud',
    (p: JsonObject) => ({ ...p, action: { type: 'x', name: 'x', target: 'C:\\udev' } }),
    true,
  ],
  ['two backslashes and ud', (p: JsonObject) => ({ ...p, action: { type: 'x', name: '\\\\ud800' } }), true],
  ['a lone surrogate', (p: JsonObject) => ({ ...p, action: { type: 'x', name: 'a\ud800b' } }), false],
  [
    'a lone surrogate behind a backslash',
    (p: JsonObject) => ({ ...p, action: { type: 'x', name: '\\\ud800' } }),
    false,
  ],
  ['a pair of surrogates', (p: JsonObject) => ({ ...p, action: { type: 'x', name: '😀' } }), true],
  [
    'plain values with names like numbers',
    (p: JsonObject) => ({ ...p, inputs: { plain: { '10': 1, '9': 2, a: 3 } } }),
    undefined,
  ],
  [
    'a name that JavaScript knows',
    (p: JsonObject) => JSON.parse(JSON.stringify(p).replace('"phase"', '"__proto__":{},"phase"')),
    false,
  ],
  [
    'a number beyond the safe integers',
    (p: JsonObject) => ({ ...p, outcome: { ...(p.outcome as object), code: 2 ** 53 } }),
    false,
  ],
  [
    'control characters',
    (p: JsonObject) => ({ ...p, action: { type: 'x', name: '\u0001\u007f\u2028' } }),
    undefined,
  ],
] as const)('both agree on %s', (_, change, verdict) => {
  const entry = rebuilt(entries[2] as Uint8Array, change as (p: JsonObject) => Json);
  expect(fast(entry)).toBe(slow(entry));
  if (verdict !== undefined) expect(slow(entry)).toBe(verdict);
});

test.each(['', ',"predicateA":1', ',"predicateT":{"2":1,"10":2}'])(
  'both refuse a member that is none: %s',
  (extra) => {
    for (const base of [entries[1], entries[2]]) {
      const entry = rebuilt(base as Uint8Array, (p) => p, JSON.stringify, extra);
      expect([extra, fast(entry)]).toEqual([extra, slow(entry)]);
      if (extra !== '') expect(slow(entry)).toBe(false);
    }
  },
);

test('both agree on further subjects', () => {
  for (const [i, base] of entries.entries()) {
    for (const subject of [
      { name: 'artefact', digest: { sha256: '0'.repeat(64) } },
      { name: 'artefact', digest: { sha256: 'x' } },
      { name: 'artefact', digest: { sha256: '0'.repeat(64) }, other: 1 },
      { digest: { sha256: '0'.repeat(64) } },
    ]) {
      const value = JSON.parse(payloadOf(base));
      value.subject.push(subject);
      const entry = rebuilt(pae(JSON.stringify(value)), (p) => p);
      expect([i, subject, fast(entry)]).toEqual([i, subject, slow(entry)]);
    }
  }
});

test('both agree on every change of one byte, one insertion and one cut', () => {
  const index = fc.nat({ max: 5000 });
  fc.assert(
    fc.property(
      fc.nat({ max: 20 }),
      index,
      fc.nat({ max: 255 }),
      fc.nat({ max: 3 }),
      (which, where, byte, how) => {
        const entry = entries[which % entries.length] as Uint8Array;
        const at = where % entry.length;
        const changed =
          how === 0
            ? concat(entry.subarray(0, at), Uint8Array.of(byte), entry.subarray(at + 1))
            : how === 1
              ? concat(entry.subarray(0, at), Uint8Array.of(byte), entry.subarray(at))
              : how === 2
                ? entry.subarray(0, at)
                : concat(entry.subarray(0, at), entry.subarray(at + 1));
        expect(fast(changed)).toBe(slow(changed));
      },
    ),
    { numRuns: runs(3000) },
  );
});

test('both agree on any value in any printing', () => {
  const printings: ((v: unknown) => string)[] = [
    (v) => JSON.stringify(v),
    (v) => JSON.stringify(v, null, 1),
    (v) => JSON.stringify(v).replace(/e\+/g, 'e'),
    (v) => JSON.stringify(v).replace(/[a-z]/, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
  ];
  fc.assert(
    fc.property(
      fc.nat({ max: 20 }),
      fc.jsonValue({ maxDepth: 4 }),
      fc.constantFrom('reset', 'inputs', 'outcome', 'action', 'parents', 'detail', 'unknown', 'pcrs'),
      fc.constantFrom(...printings),
      (which, value, name, print) => {
        const base = entries[which % entries.length] as Uint8Array;
        const entry = rebuilt(base, (p) => ({ ...p, [name]: value as Json }), print as typeof JSON.stringify);
        expect(fast(entry)).toBe(slow(entry));
      },
    ),
    { numRuns: runs(1500) },
  );
});
