/** SLSA provenance of a step: what the two records of it must show together, and that nothing less gives one. */
import { describe, expect, it } from 'vitest';
import { fromUtf8, toHex } from '../../src/core/bytes.ts';
import { ulid } from '../../src/core/ulid.ts';
import { parseEntry, recordDigest } from '../../src/evidence/dsse.ts';
import { attemptOf, SLSA_PROVENANCE, slsaStatement } from '../../src/evidence/export/slsa.ts';
import { type Body, buildEntry } from '../../src/evidence/record.ts';
import { CI_STEP } from '../../src/evidence/schema/ci.ts';
import type { ObservedCaller } from '../../src/evidence/schema/execution.ts';

const BUILDER = 'attestd://example.org/host-1';
const TIME = Date.UTC(2026, 10, 21, 15, 2, 11, 250);
const OBSERVED: ObservedCaller = {
  uid: 1001,
  gid: 1001,
  pid: 4242,
  startTicks: 883212,
  exe: { path: '/usr/bin/attestctl', sha256: 'cd'.repeat(32) },
  exeMethod: 'procfs',
  cgroup: '/system.slice/runner.service',
  method: 'SO_PEERCRED+SO_PEERPIDFD',
};

type Change = Partial<ObservedCaller>;

/** The entries of a step: its attempt, and its end, each by a process that looks like this. */
function step(attempt: Change = {}, end: Change = {}) {
  const entry = (at: number, observed: Change, more: object, artefacts: Parameters<typeof buildEntry>[3]) => {
    const body = {
      action: { type: CI_STEP, name: 'build' },
      caller: { observed: { ...OBSERVED, ...observed } },
      authorization: 'ungoverned',
      ...more,
    } as unknown as Body<'execution'>;
    const timeMs = TIME + at;
    const id = ulid(timeMs, new Uint8Array(10).fill(at));
    const frame = {
      id,
      log: 'example.org/host-1/17',
      boot: 'ab'.repeat(32),
      timeMs,
      salt: new Uint8Array(16),
    };
    return buildEntry('execution', body, frame, artefacts).entry;
  };
  const begun = entry(1, attempt, { phase: 'attempted' }, []);
  const completes = { rel: 'completes', digest: toHex(recordDigest(begun)) };
  const outcome = { status: 'succeeded', code: 0, effect: 'confirmed', observedBy: 'caller' };
  const artefacts = [{ name: 'app.deb', digest: { sha256: 'ef'.repeat(32) } }];
  return { begun, done: entry(2, end, { phase: 'completed', outcome, parents: [completes] }, artefacts) };
}

describe('provenance of a step', () => {
  it('is of its artefacts, by the attempt that its end names', () => {
    const { begun, done } = step();
    expect(attemptOf(done)).toBe(toHex(recordDigest(begun)));
    const statement = JSON.parse(fromUtf8(parseEntry(slsaStatement(done, begun, BUILDER)).payload));
    expect(statement).toMatchObject({
      predicateType: SLSA_PROVENANCE,
      subject: [{ name: 'app.deb', digest: { sha256: 'ef'.repeat(32) } }],
      predicate: { runDetails: { builder: { id: BUILDER } } },
    });
  });

  it.each<[string, Change, Change, RegExp]>([
    ['another pid', {}, { pid: 4243 }, /not complete an attempt of the same process/],
    ['another user', {}, { uid: 0 }, /not complete an attempt of the same process/],
    [
      'a pid that was given out again',
      {},
      { startTicks: 883213 },
      /not complete an attempt of the same process/,
    ],
    ['a start that was read for one of them', {}, { startTicks: 'unreadable' }, /not complete an attempt/],
    [
      'a start that was read for neither',
      { startTicks: 'unreadable' },
      { startTicks: 'unreadable' },
      /record .* does not show when its process started/,
    ],
  ])('is refused for records of two processes: %s', (_, attempt, end, why) => {
    const { begun, done } = step(attempt, end);
    expect(() => slsaStatement(done, begun, BUILDER)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(why) }),
    );
  });
});
