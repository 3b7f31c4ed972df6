/**
 * States that were put back (design §6, Rollback): the disk alone or the TPM alone is seen at the next start, which
 * then refuses until an operator begins a new epoch; both together are not, and here that is held as well, so that
 * the documentation can say so.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { type Predicate, readStatement } from '../../src/evidence/statement.ts';
import { readLog } from '../../src/store/reader.ts';
import type { Sealed } from '../../src/store/seal.ts';
import { makeProcessHost, type ProcessHost } from '../kit/host.ts';
import { createLedger } from './ledger.ts';
import { ask, newBody } from './load.ts';

let host: ProcessHost;
beforeEach(async () => {
  host = await makeProcessHost();
});
afterEach(() => host.remove());

async function record() {
  const { status, json } = await ask(host.socket, '/v1/records?wait=sealed', { body: newBody() });
  expect(status).toBe(201);
  return json;
}

/** One run with one record; ended by a clean stop or by SIGKILL. */
async function run(end: 'stop' | 'kill' = 'stop') {
  const daemon = host.start();
  await daemon.ready();
  const receipt = await record();
  await daemon[end]();
  return receipt;
}

/** Origin and newest seal of the log in use. */
async function newest(): Promise<{ origin: string; seal: Sealed | undefined }> {
  const log = readLog(host.logDir);
  let seal: Sealed | undefined;
  for await (const frame of log.frames()) if (frame.kind === 'seal') seal = frame.sealed;
  return { origin: log.origin, seal };
}

/** The start refuses and says why everywhere; a new epoch names what was before, and works. */
async function expectRefusedThenRecovered(): Promise<void> {
  const before = await newest();
  const daemon = host.start();
  expect(await daemon.refusal()).toBe('AUDIT_CONTINUITY_LOST');
  const health = (await ask(host.socket, '/v1/health')).json;
  expect(health).toMatchObject({ canRecord: false, canSeal: false, canBeTrusted: false });
  expect(health.reasons[0]).toMatch(/log \d+, TPM \d+/);
  const refused = await ask(host.socket, '/v1/records', { body: newBody() });
  expect([refused.status, refused.json.type]).toEqual([503, 'urn:attestd:error:AUDIT_CONTINUITY_LOST']);
  expect((await host.ctl('recover', '--new-epoch', '--yes')).status, 'recover while the daemon runs').toBe(5);
  expect(await daemon.stop()).toEqual({ code: 0, signal: null });
  expect(await newest(), 'nothing was appended').toEqual(before);

  expect((await host.ctl('recover', '--new-epoch')).status, 'recover without --yes').toBe(2);
  const recovered = await host.ctl('recover', '--new-epoch', '--yes');
  expect([recovered.status, recovered.stderr]).toEqual([0, '']);
  const after = (await run()).log;
  expect(after).not.toBe(before.origin);
  expect(recovered.stdout.trim()).toBe(after);
  for await (const { entry } of readLog(host.logDir).entries()) {
    const { previous } = readStatement(entry).predicate as Predicate<'genesis'>;
    const { seal } = before;
    expect(previous).toEqual({ origin: before.origin, seal: seal && toHex(seal.digest), size: seal?.size });
    break;
  }
  expect((await host.audit()).map((r) => [r.origin, r.verdict, r.findings])).toEqual([
    [before.origin, 'verified', []],
    [after, 'verified', []],
  ]);
}

test.each(['stop', 'kill'] as const)('the disk alone, after a %s: refused, then recovered', async (end) => {
  await run();
  const disk = host.copyState();
  await run(end);
  host.restoreState(disk);
  await expectRefusedThenRecovered();
});

test.each(['stop', 'kill'] as const)('the TPM alone, after a %s: refused, then recovered', async (end) => {
  await run();
  const tpm = host.tpm.copyState();
  await run(end);
  await host.tpm.restoreState(tpm);
  await expectRefusedThenRecovered();
});

test('both together are not seen: two histories verify, each by itself', async () => {
  const first = await run();
  const disk = host.copyState();
  const tpm = host.tpm.copyState();
  const lost = await run();
  const one = await newest();
  host.restoreState(disk);
  await host.tpm.restoreState(tpm);
  const again = await run();
  const other = await newest();
  expect([lost.log, lost.index]).toEqual([again.log, again.index]);
  expect(lost.digest).not.toBe(again.digest);
  expect(one.seal?.size).toBe(other.seal?.size);
  expect(toHex(one.seal?.root ?? new Uint8Array())).not.toBe(toHex(other.seal?.root ?? new Uint8Array()));
  expect((await host.audit()).map((r) => [r.verdict, r.findings])).toEqual([['verified', []]]);
  const ledger = createLedger();
  ledger.add([{ receipt: first }, { receipt: again }]);
  await ledger.check(host);
});
