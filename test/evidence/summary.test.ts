/** What prunes a search never prunes a record that is asked for. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { type Json, jcs } from '../../src/core/json.ts';
import type { Statement } from '../../src/evidence/statement.ts';
import { predicateType } from '../../src/evidence/statement.ts';
import {
  type Filter,
  marksOf,
  matches,
  quickSummary,
  summarize,
  wordsFor,
  wordsIn,
} from '../../src/evidence/summary.ts';
import { runs } from '../fuzz/runs.ts';

const word = fc.string({
  unit: fc.constantFrom('a', 'b', '/', '"', '\\', 'ü', '.'),
  minLength: 1,
  maxLength: 4,
});
const digits = fc.constantFrom('01KAE3X5V0N9S8QX1Z7M2R4B6C', '01KAE3X5V0N9S8QX1Z7M2R4B6D');
const traces = fc.constantFrom('4bf92f3577b34da6a3ce929d0e0e4736', '4bf92f3577b34da6a3ce929d0e0e4737');
const uids = fc.constantFrom(0, 1, 10);
const action = fc.record({ type: word, name: word });
const frame = fc.record({ uid: uids, trace: traces, act: action, grant: digits });

const statements = fc.oneof(
  frame.map(({ uid, trace, act, grant }) => ({
    kind: 'execution',
    predicate: {
      id: grant,
      time: '2026-01-01T00:00:00.000Z',
      caller: { observed: { uid, exe: 'unreadable' } },
      trace: { traceparent: `00-${trace}-00f067aa0ba902b7-01` },
      phase: 'completed',
      action: act,
      authorization: uid === 0 ? 'ungoverned' : { grant: { id: grant } },
    },
  })),
  frame.map(({ uid, act, grant }) => ({
    kind: 'grant',
    predicate: { id: grant, time: '', caller: { observed: { uid, exe: 'unreadable' } }, scope: [act] },
  })),
  frame.map(({ uid, act, grant }) => ({
    kind: 'denial',
    predicate: {
      id: '',
      time: '',
      caller: { observed: { uid, exe: 'unreadable' } },
      requested: uid === 0 ? { action: act, grant: { id: grant } } : { ask: { scope: [act] } },
      reason: 'POLICY_DENY',
    },
  })),
);
const filters = fc.record(
  {
    kind: fc.constantFrom('execution', 'grant', 'denial'),
    uid: uids,
    decision: fc.constantFrom('permitted', 'denied', 'ungoverned'),
    grant: digits,
    trace: traces,
    action: fc.oneof(
      word,
      word.map((w) => `${w}*`),
      fc.constant('*'),
    ),
  },
  { requiredKeys: [] },
);

it('words and marks are in every record that a filter matches, and the quick reading is the same', () => {
  let matched = 0;
  fc.assert(
    fc.property(statements, filters, (s, filter) => {
      const summary = summarize(s as unknown as Statement);
      const { kind, predicate } = s;
      const payload = jcs({ predicate, predicateType: predicateType(kind as 'grant') } as unknown as Json);
      const entry = utf8(`DSSEv1 28 application/vnd.in-toto+json ${utf8(payload).length} ${payload}`);
      expect(quickSummary(entry)).toEqual(summary);
      // Half of the filters ask for what is there.
      const asked: Filter[] = [filter as Filter];
      const { action: whole } = summary;
      if (whole !== undefined) {
        const at = whole.indexOf('/');
        for (const form of [whole, whole.slice(0, at), whole.slice(at + 1)])
          asked.push({ action: form }, { ...filter, action: `${form.slice(0, 2)}*` } as Filter);
      }
      for (const f of asked) {
        if (!matches(summary, f)) continue;
        matched++;
        const words = wordsIn(summary);
        expect(wordsFor(f).filter((w) => !words.includes(w))).toEqual([]);
        const bytes = Buffer.from(entry);
        for (const group of marksOf(f)) {
          const there = group.some((m) => bytes.includes(Buffer.from(m)));
          expect(there, jcs(f as Json)).toBe(true);
        }
      }
    }),
    { numRuns: runs(2000) },
  );
  expect(matched).toBeGreaterThan(2000);
});
