/** Scopes: what they cover, and that what is narrower never covers more. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/core/json.ts';
import type { Constraint, ScopeRow } from '../../src/evidence/schema/governance.ts';
import { type Act, outside, scopeWithin, stranger, widens } from '../../src/verify/grant/scope.ts';
import { runs } from '../fuzz/runs.ts';

const row = (more: Partial<ScopeRow> = {}): ScopeRow => ({ type: 'tool.call', name: 'refund.*', ...more });
const act = (more: Partial<Act> = {}): Act => ({ type: 'tool.call', name: 'refund.approve', ...more });

describe('a row covers', () => {
  it.each<[string, ScopeRow, Act, JsonObject, boolean]>([
    ['what it names', row({ name: 'refund.approve' }), act(), {}, true],
    ['what begins as it does', row(), act(), {}, true],
    ['not what begins otherwise', row(), act({ name: 'refunds' }), {}, false],
    ['no target where it names none', row(), act({ target: 'crm:1' }), {}, false],
    ['any target where it says so, and none', row({ target: '*' }), act({ target: 'crm:1' }), {}, true],
    ['no target where any will do', row({ target: '*' }), act(), {}, true],
    ['not a missing target where one is bounded', row({ target: 'crm:*' }), act(), {}, false],
    ['a star in the middle as itself', row({ name: 'a*b' }), act({ name: 'axb' }), {}, false],
    ['a parameter within bounds', row({ parameters: { n: { min: 1, max: 2 } } }), act(), { n: 2 }, true],
    ['not one beyond them', row({ parameters: { n: { min: 1, max: 2 } } }), act(), { n: 2.1 }, false],
    ['not one that is text', row({ parameters: { n: { max: 2 } } }), act(), { n: '1' }, false],
    ['not one that is withheld', row({ parameters: { n: { max: 2 } } }), act(), {}, false],
    ['one of a list', row({ parameters: { c: { oneOf: ['EUR', 1, true] } } }), act(), { c: true }, true],
    ['not what only looks like it', row({ parameters: { c: { oneOf: [1] } } }), act(), { c: '1' }, false],
    ['not what is inherited', row({ parameters: { toString: { oneOf: ['x'] } } }), act(), {}, false],
  ])('%s', (_what, r, a, plain, covered) => {
    expect(outside([r], a, plain) === undefined).toBe(covered);
  });
});

const text = fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 3 }).map((c) => `x${c.join('')}`);
const pattern = fc.tuple(text, fc.boolean()).map(([t, star]) => (star ? `${t}*` : t));
const constraint: fc.Arbitrary<Constraint> = fc.oneof(
  fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 3 }).map((oneOf) => ({ oneOf })),
  fc.integer({ min: 0, max: 4 }).map((min) => ({ min })),
  fc.integer({ min: 0, max: 4 }).map((max) => ({ max })),
  fc
    .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 }))
    .map(([min, max]) => ({ min, max })),
);
const rows: fc.Arbitrary<ScopeRow> = fc.record(
  {
    type: pattern,
    name: pattern,
    target: fc.oneof(fc.constant('*'), pattern),
    parameters: fc.dictionary(fc.constantFrom('n', 'm'), constraint, { minKeys: 1 }),
  },
  { requiredKeys: ['type', 'name'] },
) as fc.Arbitrary<ScopeRow>;
const acts = fc.record({ type: text, name: text, target: text }, { requiredKeys: ['type', 'name'] });
const plain = fc.dictionary(fc.constantFrom('n', 'm'), fc.integer({ min: 0, max: 4 }));

it('what lies within a scope covers nothing that the scope does not', () => {
  let within = 0;
  fc.assert(
    fc.property(fc.array(rows, { minLength: 1, maxLength: 3 }), rows, acts, plain, (outer, inner, a, p) => {
      if (!scopeWithin([inner], outer)) return;
      within++;
      if (outside([inner], a as Act, p) === undefined) expect(outside(outer, a as Act, p)).toBeUndefined();
    }),
    { numRuns: runs(20_000) },
  );
  expect(within).toBeGreaterThan(100);
});

it('every scope lies within itself', () => {
  fc.assert(
    fc.property(fc.array(rows, { minLength: 1, maxLength: 3 }), (s) => {
      expect(scopeWithin(s, s)).toBe(true);
    }),
  );
});

it('a delegation that changes nothing but its depth is no wider', () => {
  const parent = { scope: [row()], holder: { uid: 1 }, delegable: { depth: 2 }, notBefore: 0, notAfter: 9 };
  expect(widens({ ...parent, delegable: { depth: 1 } }, parent)).toBeUndefined();
  expect(widens(parent, parent)).toMatch(/delegated further/);
  expect(widens({ ...parent, delegable: { depth: 1 }, notAfter: 10 }, parent)).toMatch(/window/);
  // It is handed to somebody else, but never to another executable.
  const child = { ...parent, delegable: { depth: 1 }, holder: { uid: 2, unit: 'b.service' } };
  expect(widens(child, parent)).toBeUndefined();
  const bound = { ...parent, holder: { uid: 1, exeSha256: 'a'.repeat(64) } };
  expect(widens(child, bound)).toMatch(/executable/);
  expect(widens({ ...child, holder: { uid: 2, exeSha256: 'b'.repeat(64) } }, bound)).toMatch(/executable/);
  expect(widens({ ...child, holder: { uid: 2, exeSha256: 'a'.repeat(64) } }, bound)).toBeUndefined();
  expect(widens({ ...child, holder: { uid: 2, exeSha256: 'a'.repeat(64) } }, parent)).toBeUndefined();
});

it('a holder is a uid, and the unit, control group or executable if it was bound to one', () => {
  const exe = { path: '/usr/bin/a', sha256: 'a'.repeat(64) };
  const caller = { uid: 1, unit: 'a.service', cgroup: '/a', exe };
  expect(stranger({ uid: 1 }, caller)).toBeUndefined();
  expect(stranger({ uid: 1, unit: 'a.service' }, caller)).toBeUndefined();
  expect(stranger({ uid: 2 }, caller)).toMatch(/uid 1/);
  expect(stranger({ uid: 1, unit: 'b.service' }, caller)).toMatch(/a\.service/);
  expect(stranger({ uid: 1, cgroup: '/b' }, caller)).toMatch(/control group/);
  // The executable narrows, and stands for none of the others.
  const bound = { uid: 1, exeSha256: 'a'.repeat(64) };
  expect(stranger(bound, caller)).toBeUndefined();
  expect(stranger({ ...bound, uid: 2 }, caller)).toMatch(/uid 1/);
  for (const other of [{ path: '/usr/bin/a', sha256: 'b'.repeat(64) }, 'unreadable'] as const)
    expect(stranger(bound, { ...caller, exe: other })).toMatch(/executable/);
  expect(stranger(bound, { ...caller, exe: { path: '/usr/bin/a', sha256: 'unreadable' } })).toMatch(/exec/);
});
