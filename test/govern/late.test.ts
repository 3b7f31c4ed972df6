/**
 * The journal of late decisions where more is refused than it has room for, and on the way into the log: each decision
 * once, whatever is kept meanwhile, and those without room by their number.
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
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
const file = () => join(dir, 'decisions.late');
const torn: number[] = [];
const open = (): LateJournal =>
  openLateJournal(
    file(),
    (e) => faults.push(e),
    (bytes) => torn.push(bytes),
  );
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-late-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
  expect(faults.splice(0)).toEqual([]);
  torn.length = 0;
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
      poll: () => undefined,
      async commit(items) {
        before(groups++);
        entries.push(...items.map((i) => Uint8Array.from(i.entry)));
        return { first: entries.length - items.length, digests: '', at: 0 };
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
const EMPTY = { decisions: [], lost: 0, damaged: [] };
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
  expect(open().waiting()).toMatchObject(EMPTY);
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
  expect(open().waiting()).toMatchObject(EMPTY);
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

/** Where the decisions of a journal begin and end. */
function lines(): { readonly from: number; readonly to: number; readonly text: string }[] {
  const bytes = readFileSync(file());
  const out = [];
  for (let from = 16; bytes[from] !== 0; ) {
    const to = bytes.indexOf(0x0a, from) + 1;
    out.push({ from, to, text: bytes.toString('utf8', from, to - 1) });
    from = to;
  }
  return out;
}
function spoil(at: number, what: string | Buffer): void {
  const fd = openSync(file(), 'r+');
  writeSync(fd, Buffer.from(what), 0, undefined, at);
  closeSync(fd);
}
/** Keeps decisions 0 to 3 and gives their lines. */
function four() {
  const late = open();
  for (let n = 0; n < 4; n++) late.keep(decision(n));
  return lines() as [Line, Line, Line, Line];
}
type Line = ReturnType<typeof lines>[number];

it.each([
  ['the end of it', (l: Line) => spoil(l.to - 40, Buffer.alloc(40))],
  ['all but its first byte', (l: Line) => spoil(l.from + 1, Buffer.alloc(l.to - l.from - 1))],
  ['what is on its first page, and its end came to the disk', (l: Line) => spoil(l.from, Buffer.alloc(100))],
])('of a last line that a loss of power cut off, %s: told, dropped, written over', async (_, cut) => {
  const [, , , last] = four();
  cut(last);
  const late = open();
  expect(torn).toHaveLength(1);
  // It is gone, so that shorter ones can stand in its place.
  late.keep(decision(9));
  expect(open().waiting()).toMatchObject({ damaged: [], lost: 0 });
  expect(torn).toHaveLength(1);
  const l = log(() => undefined);
  await l.start(late);
  expect([uids(l), l.gaps]).toEqual([[0, 1, 2, 9], []]);
  await l.sequencer.stop();
});

it('a last line that lacks nothing but its newline is a decision', async () => {
  const [, , , last] = four();
  spoil(last.to - 1, Buffer.alloc(1));
  const late = open();
  late.keep(decision(4));
  const l = log(() => undefined);
  await l.start(late);
  expect([uids(l), torn]).toEqual([[0, 1, 2, 3, 4], []]);
  await l.sequencer.stop();
});

it.each<[string, (l: readonly Line[]) => void, number[], number]>([
  ['in the middle', ([, l]) => spoil((l as Line).from, '#'), [0, 2, 3], 1],
  ['at the end, whole', ([, , , l]) => spoil((l as Line).from, '#'), [0, 1, 2], 1],
  ['that are JSON and no denial', (l) => nonsense(l, { at: 1, uid: 7, body: {} }), [0, 3], 2],
  ['with an owner that is none', (l) => nonsense(l, { at: 1, uid: -1, body: decision(0).body }), [0, 3], 2],
  ['of which one is the number at its head', () => spoil(0, 'xx'), [0, 1, 2, 3], 1],
])(
  'damaged lines %s stop nothing: set aside, named by a gap, the others in the log',
  async (_, harm, good, bad) => {
    harm(four());
    const before = readFileSync(file(), 'utf8');
    const late = open();
    late.keep(decision(4));
    const l = log(() => undefined);
    await l.start(late);
    expect(uids(l)).toEqual([...good, 4]);
    const gap = l.statements().find((s) => s.kind === 'gap');
    expect(gap).toMatchObject({ predicate: { reason: 'late-decisions-damaged' } });
    const said = /^(\d) lines .* in (\S+), SHA-256 ([0-9a-f]{64})$/.exec(
      ((gap?.predicate ?? {}) as { detail?: string }).detail ?? '',
    );
    expect(said?.[1]).toBe(String(bad));
    const kept = readFileSync(join(dir, said?.[2] ?? ''));
    expect(createHash('sha256').update(kept).digest('hex')).toBe(said?.[3]);
    for (const line of kept.toString().split('\n').filter(Boolean)) expect(before).toContain(line);
    expect(statSync(join(dir, said?.[2] ?? '')).mode & 0o777).toBe(0o600);
    expect([l.gaps.length, torn]).toEqual([1, []]);
    expect(open().waiting()).toMatchObject(EMPTY);
    await l.sequencer.stop();
  },
);

/** Puts something else in place of the second and third line. */
function nonsense([, a, b]: readonly Line[], value: unknown): void {
  const { from } = a as Line;
  const { to } = b as Line;
  const text = JSON.stringify(value);
  const first = `${text}\n`;
  spoil(from, first + text.padEnd(to - from - first.length - 1, ' '));
}
