/**
 * The journal of late decisions where more is refused than it has room for, and on the way into the log: each decision
 * once, whatever is kept meanwhile, and those without room by their number.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AttestdError } from '../../src/core/errors.ts';
import { startBelated } from '../../src/daemon/govern/belated.ts';
import { type LateDecision, type LateJournal, openLateJournal } from '../../src/daemon/govern/late.ts';
import { createJournal } from '../../src/daemon/journal.ts';
import { createSequencer } from '../../src/daemon/sequencer.ts';
import { newFrame } from '../../src/evidence/record.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { until } from '../daemon/kit.ts';

let dir: string;
const faults: Error[] = [];
const open = (): LateJournal => openLateJournal(join(dir, 'decisions.late'), (e) => faults.push(e));
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-late-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
  expect(faults.splice(0)).toEqual([]);
});

const OBSERVED = {
  uid: 0,
  gid: 0,
  pid: 1,
  startTicks: 1,
  cgroup: '/',
  exe: 'unreadable',
  exeMethod: 'none',
  method: 'SO_PEERCRED',
} as const;
const decision = (n: number, padding = 0): LateDecision => ({
  at: 1_790_000_000_000 + n,
  uid: n,
  body: {
    caller: { observed: { ...OBSERVED, uid: n } },
    requested: { what: 'grant' },
    reason: 'STORAGE_UNAVAILABLE',
    condition: `no room ${'x'.repeat(padding)}`,
    late: { decided: '2026-11-28T08:00:00.000Z' },
  },
});

/** A log in memory behind the real sequencer. @param before called with the number of each group, may throw */
function log(before: (group: number) => void) {
  const entries: Uint8Array[] = [];
  let groups = 0;
  const sequencer = createSequencer({
    store: {
      syncMs: 0,
      async commit(items) {
        before(groups++);
        entries.push(...items.map((i) => Uint8Array.from(i.entry)));
        return entries.length - items.length;
      },
    },
    size: 0,
    onDurable: () => undefined,
    onFailure: () => undefined,
  });
  const random = (n: number) => new Uint8Array(randomBytes(n));
  const gaps: number[] = [];
  const start = (late: LateJournal) =>
    startBelated({
      late,
      sequencer,
      frame: () => newFrame({ log: 'test/host/1', boot: 'b'.repeat(64) }, Date.now(), random),
      journal: createJournal('error', () => undefined),
      onGap: () => gaps.push(1),
    });
  return { start, sequencer, gaps, statements: () => entries.map((e) => readStatement(e)) };
}
const uids = (l: ReturnType<typeof log>) =>
  l.statements().flatMap((s) => (s.kind === 'denial' ? [s.predicate.caller.observed.uid] : []));

it('what finds no room is counted, durably, and the log says how many; the file never grows', async () => {
  const late = open();
  const size = statSync(join(dir, 'decisions.late')).size;
  for (let n = 0; n < 400; n++) late.keep(decision(n, 900));
  const { decisions, lost } = late.waiting();
  expect(decisions.length).toBeGreaterThan(150);
  expect(decisions.length + lost).toBe(400);
  expect(lost).toBeGreaterThan(0);
  expect(statSync(join(dir, 'decisions.late')).size).toBe(size);
  // Another process finds the same, and counts on.
  const again = open();
  again.keep(decision(400, 900));
  expect(again.waiting().lost).toBe(lost + 1);

  const l = log(() => undefined);
  await l.start(again);
  expect(uids(l)).toEqual(decisions.map((d) => d.uid));
  expect(l.statements().at(-1)).toMatchObject({
    kind: 'gap',
    predicate: { reason: 'late-decisions-lost', detail: expect.stringMatching(new RegExp(`^${lost + 1} `)) },
  });
  expect(l.gaps).toHaveLength(1);
  expect(open().waiting()).toEqual({ decisions: [], lost: 0 });
  await l.sequencer.stop();
});

it('what is kept while others are written is neither lost nor written twice', async () => {
  const late = open();
  for (let n = 0; n < 5; n++) late.keep(decision(n));
  const l = log((group) => {
    if (group < 5) late.keep(decision(5 + group));
  });
  await l.start(late);
  expect(uids(l)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(open().waiting()).toEqual({ decisions: [], lost: 0 });
  await l.sequencer.stop();
});

it('a log that is full again half way gets the rest later, and only the rest', async () => {
  const late = open();
  const l = log((group) => {
    if (group === 1 || group === 2) throw new AttestdError('STORAGE_UNAVAILABLE', 'full');
  });
  await l.start(late);
  for (let n = 0; n < 3; n++) late.keep(decision(n));
  await until(() => uids(l).length === 3);
  await until(() => late.waiting().decisions.length === 0);
  expect(uids(l)).toEqual([0, 1, 2]);
  await l.sequencer.stop();
});
