/**
 * The epoch table shows a break: the state of the TPM was put back behind the newest seal of the log. Without a counter
 * nothing else shows it. Records go on, each grant is refused by its code, on record at once, and neither a start of the
 * daemon nor of the machine forgets it: only another epoch does.
 */
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fromBase64 } from '../../src/core/bytes.ts';
import { recoverHost } from '../../src/daemon/init.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { ask, body, type Host, makeHost, random, until } from '../daemon/kit.ts';
import { passwordCommand } from '../kit/wire.ts';
import { code, makePolicies, POLICIES, type PolicyFolder, post, request } from './kit.ts';

const RH_OWNER = 0x4000_0001;
const CLOCK_SET = 0x128;
const HOUR = 3_600_000n;

let policies: PolicyFolder;
let host: Host;
beforeEach(async () => {
  policies = makePolicies(POLICIES);
  host = await makeHost({
    tpm: { counter: 'none' },
    policy: { directory: policies.directory, keys: [policies.publicKey] },
  });
  await host.init();
}, 120_000);
afterEach(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

const asking = () => post(host.config.socket.path, '/v1/grants?wait=durable', request());
const start = async () => {
  const daemon = await host.start();
  await daemon.started;
  expect(daemon.gate.phase).toBe('running');
  return daemon;
};
const sealed = () => ask(host.config.socket.path, '/v1/records?wait=sealed', { body: body() });

/** Refused, and the denial that the answer names is in the log at once, with the break among the entries. */
async function refused(detail: RegExp): Promise<void> {
  const answer = await asking();
  expect([code(answer), answer.status], answer.text).toEqual(['AUDIT_CONTINUITY_LOST', 503]);
  expect(answer.json.detail).toMatch(detail);
  const { json } = await ask(host.config.admin_socket.path, `/v1/records/${answer.json.denial.id}`);
  const { kind, predicate } = readStatement(fromBase64(json.entry));
  expect([kind, predicate]).toMatchObject(['denial', { reason: 'AUDIT_CONTINUITY_LOST' }]);
  expect(predicate).not.toHaveProperty('late');
  const begun = await post(host.config.socket.path, '/v1/executions?wait=durable', {
    grant: answer.json.denial.id,
    action: { type: 'tool.call', name: 'x' },
  });
  expect(code(begun)).toBe('AUDIT_CONTINUITY_LOST');
  expect((await sealed()).status).toBe(201);
}
const breaks = (daemon: Awaited<ReturnType<typeof start>>) =>
  [...(daemon.service.store?.entries() ?? [])]
    .map((e) => readStatement(Uint8Array.from(e)))
    .flatMap((s) => (s.kind === 'gap' && s.predicate.reason === 'epoch-break' ? [s.predicate.detail] : []));

it('the clock went back within one reset; it stays so over starts, until another epoch begins', async () => {
  const old = host.tpm.copyState();
  await host.tpm.reset();
  const later = Buffer.alloc(8);
  later.writeBigUInt64BE(24n * HOUR);
  const [set] = await host.tpm.send([passwordCommand(CLOCK_SET, RH_OWNER, later)]);
  expect(set?.readUInt32BE(6)).toBe(0);
  await start();
  expect((await asking()).status).toBe(201);
  expect((await sealed()).status).toBe(201);
  await host.stop();
  // The same reset again, a day earlier.
  await host.tpm.restoreState(old);
  expect(breaks(await start())).toHaveLength(1);
  await refused(/clock stood later/);
  await host.stop();
  // What the TPM says from here on follows the newest seal, and is refused all the same.
  await host.tpm.reset();
  expect(breaks(await start())).toHaveLength(2);
  await refused(/clock stood later/);
  await host.stop();
  await recoverHost({ config: host.config, now: Date.now, random }, 'the machine was put back');
  expect(breaks(await start())).toEqual([]);
  expect((await asking()).status).toBe(201);
}, 180_000);

it('resetCount went back under a running daemon', async () => {
  const old = host.tpm.copyState();
  for (let i = 0; i < 3; i++) await host.tpm.reset();
  const daemon = await start();
  expect((await sealed()).status).toBe(201);
  expect((await asking()).status).toBe(201);
  const before = daemon.gate.engine?.run()?.resetCount ?? 0;
  await host.tpm.restoreState(old);
  await until(async () => code(await asking()) === 'AUDIT_CONTINUITY_LOST' && breaks(daemon).length > 0);
  await until(() => (daemon.gate.engine?.run()?.resetCount ?? before) < before);
  await refused(/reset fewer times|was cleared/);
  expect(daemon.gate.phase).toBe('running');
}, 180_000);
