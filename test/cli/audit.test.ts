/** `attestctl audit` of the log of a real daemon: whole, interrupted, changed. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keepCursor } from '../../src/cli/audit/cursor.ts';
import { auditDirectory } from '../../src/cli/audit/directory.ts';
import { createProgress } from '../../src/cli/progress.ts';
import { type Client, connect } from '../../src/client/client.ts';
import type { AttestdError } from '../../src/core/errors.ts';
import type { AuditCursor } from '../../src/verify/audit/cursor.ts';
import { bytesLike, jsonLike } from '../fuzz/hostile.ts';
import { runs } from '../fuzz/runs.ts';
import { CTL, ctl, runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';

let host: EnrolledHost;
let dir: string;
let state: string;
let whole: string;

beforeAll(async () => {
  host = await makeEnrolledHost();
  dir = mkdtempSync(join(tmpdir(), 'attestd-audit-'));
  state = join(dir, 'state');
  // Two runs, so that there are two boots, several seals and anchors.
  for (let run = 0; run < 2; run++) {
    const daemon = await host.up();
    const client: Client = connect({ socket: host.socket, client: 'test/1' });
    const request = {
      phase: 'completed',
      action: { type: 'note', name: 'C:\\udev' },
      plain: { inputs: { '10': 1, '9': 'x' } },
      outcome: { status: 'succeeded', effect: 'confirmed' },
    } as const;
    for (let i = 0; i < 3; i++) await Promise.all(Array.from({ length: 100 }, () => client.record(request)));
    client.close();
    await daemon.stop();
  }
  cpSync(host.config.state_dir, state, { recursive: true });
  whole = (await ctl(['audit', state, '--json'])).stdout;
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await host?.remove();
});

const copy = (name: string) => {
  const to = join(dir, name);
  cpSync(state, to, { recursive: true });
  return to;
};
const wal = (of: string) => {
  const at = join(of, 'log', readdirSync(join(of, 'log'))[0] as string, 'wal');
  return join(at, readdirSync(at).filter((f) => f.endsWith('.wal'))[0] as string);
};

test('a log of two runs is verified, and told for people and for programs', async () => {
  const report = JSON.parse(whole);
  expect(report).toMatchObject({ schema: 'attestd.dev/audit/v1', verdict: 'verified' });
  expect(report.logs[0]).toMatchObject({
    runs: 2,
    findings: [],
    kinds: { execution: 600, boot: 2, genesis: 1 },
  });
  const told = await ctl(['audit', state]);
  expect([told.status, told.stderr]).toEqual([0, '']);
  expect(told.stdout).toMatch(/^test\/host-1\/\d+ {2}\d+ entries: 1 genesis, /);
  expect(told.stdout).toMatch(/^VERIFIED$/m);
});

test('the daemon may run meanwhile, and the index and tiles may be gone', async () => {
  const to = copy('bare');
  const log = join(to, 'log', readdirSync(join(to, 'log'))[0] as string);
  for (const f of readdirSync(log).filter((f) => !['wal', 'checkpoint'].includes(f))) {
    rmSync(join(log, f), { recursive: true });
  }
  expect((await ctl(['audit', to, '--json'])).stdout).toBe(whole);
});

describe('an interruption', () => {
  const silent = { update: () => undefined, end: () => undefined };
  test('at any frame leaves a cursor, from which the same report comes', async () => {
    for (const stops of [[1], [2, 1], [5, 5, 5], [20, 1, 1]]) {
      const cursor = join(dir, `cursor-${stops.join('-')}`);
      for (const stop of stops) {
        let seen = 0;
        const watch = { progress: silent, cursor, interrupted: () => ++seen >= stop };
        await expect(auditDirectory(state, watch)).rejects.toMatchObject({ code: 'INTERRUPTED' });
      }
      expect((await ctl(['audit', state, '--cursor', cursor, '--json'])).stdout).toBe(whole);
    }
  });

  test('a cursor that is none is malformed, and one of another log is not used', async () => {
    const cursor = join(dir, 'cursor-bad');
    for (const bad of ['', '{}', '[]', '{"origin":"a/b/1"}', 'null', '{"sha256":"","kept":null}']) {
      writeFileSync(cursor, bad);
      expect([bad, (await ctl(['audit', state, '--cursor', cursor])).status]).toEqual([bad, 3]);
    }
    const place = { place: { ordinal: 0, offset: 0 }, size: 0, chain: new Uint8Array(32) };
    keepCursor(cursor, 'a/b/1', place, {} as AuditCursor);
    expect((await ctl(['audit', state, '--cursor', cursor, '--json'])).stdout).toBe(whole);
  });

  test('a cursor that is damaged anywhere is malformed, and never leads to another word', async () => {
    const cursor = join(dir, 'cursor-damaged');
    let seen = 0;
    const stopped = { progress: silent, cursor, interrupted: () => ++seen >= 2 };
    await expect(auditDirectory(state, stopped)).rejects.toMatchObject({ code: 'INTERRUPTED' });
    const kept = readFileSync(cursor, 'utf8');
    const watch = { progress: silent, cursor, interrupted: () => false };
    await fc.assert(
      fc.asyncProperty(fc.oneof(jsonLike(JSON.parse(kept)), bytesLike(kept)), async (damaged) => {
        if (Buffer.from(damaged as string).equals(Buffer.from(kept))) return;
        writeFileSync(cursor, damaged);
        const said = await auditDirectory(state, watch).catch((e: unknown) => (e as AttestdError).code);
        // What JSON reads as the same, blanks for instance, is the same.
        if (said !== 'MALFORMED') expect(said).toEqual(JSON.parse(whole).logs);
      }),
      { numRuns: runs(200) },
    );
  });
});

describe('a changed log', () => {
  test.each([0.02, 0.3, 0.5, 0.7, 0.95])(
    'a byte at %f of what is written in the WAL is found',
    async (where) => {
      const to = copy(`flip-${where}`);
      const bytes = readFileSync(wal(to));
      const end = bytes.findLastIndex((b) => b !== 0);
      const at = Math.floor(end * where);
      bytes[at] = (bytes[at] as number) ^ 1;
      writeFileSync(wal(to), bytes);
      const { status, stdout } = await ctl(['audit', to, '--json']);
      expect([status, JSON.parse(stdout).verdict]).toEqual([1, 'rejected']);
      expect(JSON.parse(stdout).logs[0].findings[0]).toMatchObject({ id: 'log-frames' });
      const told = await ctl(['audit', to]);
      expect([told.status, told.stdout.match(/^ {2}✗ fail {2}log-frames at \d+: /m) !== null]).toEqual([
        1,
        true,
      ]);
      expect(told.stdout).toMatch(/^REJECTED$/m);
    },
  );

  test('a log that was cut behind the published head is found', async () => {
    const to = copy('cut');
    const bytes = readFileSync(wal(to));
    writeFileSync(wal(to), bytes.fill(0, Math.floor(bytes.findLastIndex((b) => b !== 0) * 0.4)));
    const { status, stdout } = await ctl(['audit', to, '--json']);
    expect([status, JSON.parse(stdout).verdict]).toEqual([1, 'rejected']);
  });
});

test('progress is shown in a way that exists, and does not disturb the report', async () => {
  const io = { stderrIsTerminal: false } as unknown as Parameters<typeof createProgress>[0];
  expect(() => createProgress(io, 'entries', 'loud')).toThrow(
    /--progress is one of auto, bar, lines, json, none/,
  );
  const typed = `${process.execPath} ${CTL} audit ${state} --progress bar`;
  const { status, stdout } = await runProgram(['script', '-qec', typed, '/dev/null'], {});
  expect([status, stdout.includes('VERIFIED')]).toEqual([0, true]);
});
