/** States of the host in which nothing is allowed: each is made, and refused by its code, on record at once or late. */
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromBase64 } from '../../src/core/bytes.ts';
import { createConditions } from '../../src/daemon/govern/conditions.ts';
import { epochOf, layoutOf, readCurrent } from '../../src/daemon/layout.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { ask, type Host, makeHost, until } from '../daemon/kit.ts';
import { CC } from '../kit/wire.ts';
import { code, makePolicies, POLICIES, type PolicyFolder, post, request, SCOPE } from './kit.ts';

const PARENTS = [{ rel: 'derivedFrom', digest: 'a'.repeat(64) }];
let policies: PolicyFolder;
let host: Host;
const socket = () => host.config.socket.path;
const asking = () => post(socket(), '/v1/grants?wait=durable', request());

beforeAll(async () => {
  policies = makePolicies(POLICIES);
  host = await makeHost(
    {
      policy: { directory: policies.directory, keys: [policies.publicKey], max_unsealed_ms: 1500 },
      tpm: { deadline_ms: 8000 },
    },
    { proxy: true },
  );
  await host.init();
  await (await host.start()).started;
}, 120_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

const recorded = async (id: string) => {
  const { json } = await ask(host.config.admin_socket.path, `/v1/records/${id}`);
  return readStatement(fromBase64(json.entry));
};

it('AUDIT_CONTINUITY_LOST: an entry stays unsealed for longer than is allowed', async () => {
  await until(async () => (await asking()).status === 201);
  const clear = host.tpm.proxy?.inject({ cc: CC.quote, delayMs: 4000, times: 3 });
  const refused = await until(async () => {
    const answer = await asking();
    return code(answer) === 'AUDIT_CONTINUITY_LOST' && answer;
  });
  expect([code(refused), refused.status], refused.text).toEqual(['AUDIT_CONTINUITY_LOST', 503]);
  expect(refused.json.detail).toMatch(/unsealed for \d+ s/);
  const denial = await recorded(refused.json.denial.id);
  expect(denial).toMatchObject({ kind: 'denial', predicate: { reason: 'AUDIT_CONTINUITY_LOST' } });
  clear?.();
  // It is over when the log is sealed again.
  await until(async () => (await asking()).status === 201);
}, 120_000);

it('TPM_UNAVAILABLE: the log cannot be sealed', async () => {
  const clear = host.tpm.proxy?.inject({ cc: CC.quote, rc: 0x101 });
  const refused = await until(async () => {
    const answer = await asking();
    return code(answer) === 'TPM_UNAVAILABLE' && answer;
  });
  expect((await recorded(refused.json.denial.id)).predicate).toMatchObject({ reason: 'TPM_UNAVAILABLE' });
  clear?.();
  await until(async () => (await asking()).status === 201);
}, 120_000);

it('TPM_UNAVAILABLE and AUDIT_CONTINUITY_LOST at the start: decided at once, on record late, and once only', async () => {
  await host.stop();
  const old = host.tpm.copyState();
  await (await host.start()).started;
  await host.stop();
  const now = host.tpm.copyState();
  await host.tpm.kill();
  let daemon = await host.start();
  await until(() => daemon.gate.phase === 'absent');
  const bounded = { seconds: 60, holder: { uid: 4711, unit: 'a.service' }, claimed: { sub: 'agent:x' } };
  const absent = await post(socket(), '/v1/grants?wait=durable', request({ ...bounded, parents: PARENTS }));
  expect([code(absent), absent.status], absent.text).toEqual(['TPM_UNAVAILABLE', 503]);
  await host.stop();
  // The TPM as it was before the last run: the counter disagrees with the log.
  await host.tpm.restoreState(old);
  daemon = await host.start();
  await until(() => daemon.gate.phase === 'failed');
  const lost = await asking();
  expect([code(lost), lost.status], lost.text).toEqual(['AUDIT_CONTINUITY_LOST', 503]);
  await host.stop();
  await host.tpm.restoreState(now);
  const late = async () => {
    const d = await host.start();
    daemon = d;
    await d.started;
    expect(d.gate.phase).toBe('running');
    const statements = [...(d.service.store?.entries() ?? [])].map((e) => readStatement(Uint8Array.from(e)));
    return statements.flatMap((s) =>
      s.kind === 'denial' && s.predicate.late !== undefined ? [s.predicate.reason] : [],
    );
  };
  expect(await late()).toEqual(['TPM_UNAVAILABLE', 'AUDIT_CONTINUITY_LOST']);
  // What was asked is on record as well, and by whom.
  const first = [...(daemon.service.store?.entries() ?? [])]
    .map((e) => readStatement(Uint8Array.from(e)))
    .find((s) => s.kind === 'denial' && s.predicate.late !== undefined);
  expect(first?.predicate).toMatchObject({
    requested: { what: 'grant', ask: { scope: SCOPE, maxUses: 1, seconds: 60, holder: bounded.holder } },
    caller: { observed: { uid: process.getuid?.() }, claimed: bounded.claimed },
    parents: PARENTS,
  });
  await host.stop();
  // A line that says nothing stops no start, and is not lost either.
  const journal = layoutOf(host.config.state_dir).late;
  const fd = openSync(journal, 'r+');
  writeSync(fd, '{"at":1,"uid":7,"body":{}}\n', 16);
  closeSync(fd);
  expect(await late()).toEqual(['TPM_UNAVAILABLE', 'AUDIT_CONTINUITY_LOST']);
  const gaps = [...(daemon.service.store?.entries() ?? [])]
    .map((e) => readStatement(Uint8Array.from(e)))
    .flatMap((s) => (s.kind === 'gap' ? [s.predicate] : []));
  expect(gaps.at(-1)).toMatchObject({
    reason: 'late-decisions-damaged',
    detail: expect.stringMatching(/^1 lines/),
  });
}, 180_000);

it('AUDIT_CONTINUITY_LOST: the TPM begins another life, until its boot entry stands', async () => {
  await host.stop();
  const daemon = await host.start();
  await daemon.started;
  await until(async () => (await asking()).status === 201);
  const runs = () => daemon.gate.engine?.run()?.resetCount ?? 0;
  const before = runs();
  // The boot entry of the new life waits for this command of the TPM, and nothing is allowed meanwhile.
  const clear = host.tpm.proxy?.inject({ cc: CC.readClock, delayMs: 1500, times: 2 });
  await host.tpm.reset();
  const refused = await until(async () => {
    const answer = await asking();
    return code(answer) === 'AUDIT_CONTINUITY_LOST' && answer;
  });
  expect(refused.json.detail).toMatch(/another life|unsealed/);
  clear?.();
  await until(async () => (await asking()).status === 201);
  expect(runs()).toBeGreaterThan(before);
  expect((await recorded(refused.json.denial.id)).predicate).toMatchObject({
    reason: 'AUDIT_CONTINUITY_LOST',
  });
}, 120_000);

it('AUDIT_CONTINUITY_LOST: the log does not verify when it is opened', async () => {
  await host.stop();
  const { origin } = readCurrent(layoutOf(host.config.state_dir));
  const log = layoutOf(host.config.state_dir).log(epochOf(origin));
  const wal = join(log, 'wal');
  const [first] = readdirSync(wal).sort();
  const file = join(wal, first as string);
  const bytes = readFileSync(file);
  const broken = Buffer.from(bytes);
  // One bit of the genesis entry.
  const at = bytes.indexOf('/genesis/v1');
  broken[at] = (broken[at] ?? 0) ^ 1;
  writeFileSync(file, broken);
  const daemon = await host.start();
  await until(() => daemon.gate.phase === 'failed');
  const refused = await asking();
  expect([code(refused), refused.status], refused.text).toEqual(['AUDIT_CONTINUITY_LOST', 503]);
  const record = await ask(socket(), '/v1/records', { body: '{}' });
  expect(record.status).not.toBe(201);
  await host.stop();
  // What was decided is on record as soon as there is a log that verifies.
  writeFileSync(file, bytes);
  const mended = await host.start();
  await mended.started;
  const late = [...(mended.service.store?.entries() ?? [])]
    .map((e) => readStatement(Uint8Array.from(e)))
    .filter((s) => s.kind === 'denial' && s.predicate.late !== undefined);
  expect(late.at(-1)).toMatchObject({
    predicate: { reason: 'AUDIT_CONTINUITY_LOST', requested: { what: 'grant' } },
  });
}, 120_000);

it.each([
  ['STORAGE_UNAVAILABLE', { broken: () => new Error('no space left on device') }],
  ['TPM_UNAVAILABLE', { hung: () => true }],
  ['AUDIT_CONTINUITY_LOST', { hasRun: () => false }],
  ['AUDIT_CONTINUITY_LOST', { epochBreak: () => 'the TPM was reset fewer times than before' }],
] as const)('%s stands for a condition of its own', (expected, broken) => {
  const sound = {
    broken: () => undefined,
    size: () => 4,
    sealedSize: () => 4,
    entry: () => new Uint8Array(),
    hung: () => false,
    trouble: () => undefined,
    hasRun: () => true,
    epochBreak: () => undefined,
    now: () => 0,
    maxUnsealedMs: 10_000,
    since: 0,
  };
  expect(createConditions(sound)()).toBeUndefined();
  expect(createConditions({ ...sound, ...broken })()?.code).toBe(expected);
});
