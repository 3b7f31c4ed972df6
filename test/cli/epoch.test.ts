/**
 * Records outlive epochs: what was taken out before a new epoch, before TPM2_Clear and under a renewed certificate goes
 * on being verified, and `attestctl epoch` shows how the logs hang together.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Epoch } from '../../src/cli/epochs.ts';
import { runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { startSwtpm } from '../kit/swtpm.ts';

let host: EnrolledHost;
let trust: string | undefined;
/** What was taken out: judged once, for a verdict rests on the bundle and the trust file, and neither changes here. */
const bundles = new Map<string, Buffer>();
const config = () => ['--config', host.at('attestd.toml')];
const epochs = async (): Promise<Epoch[]> =>
  JSON.parse(await host.must(['epoch', ...config(), '--json'])).epochs;

/** One run with one record, its bundle, which the one trust file accepts, and a clean stop. */
async function record(name: string): Promise<string> {
  const daemon = await host.up();
  const bundle = await host.bundle(await host.recorded('true'), name);
  await daemon.stop();
  trust ??= await host.trust(bundle);
  const { status, stdout } = await host.ctl(['verify', bundle, '--trust', trust]);
  expect([bundle, status], stdout).toEqual([bundle, 0]);
  bundles.set(bundle, readFileSync(bundle));
  return bundle;
}

/** The four files, once more. @param how what the operator says of it */
async function enrol(...how: string[]): Promise<void> {
  const ca = ['--dir', host.at('ca')];
  const out = (name: string) => ['-o', host.at(name)];
  await host.must(['enroll', 'request', ...config(), ...out('request.json')]);
  const vendor = ['--ek-roots', host.at('vendor.pem')];
  await host.must(['ca', 'challenge', host.at('request.json'), ...ca, ...vendor, ...out('challenge.json')]);
  await host.must(['enroll', 'respond', host.at('challenge.json'), ...config(), ...out('response.json')]);
  await host.must(['ca', 'issue', host.at('response.json'), ...ca, ...how, ...out('new.pem')]);
  await host.must(['enroll', 'install', host.at('new.pem'), ...config()]);
}

beforeAll(async () => {
  host = await makeEnrolledHost();
  await record('first.attest.json');
});
afterAll(() => host?.remove());

test('a certificate that is renewed', async () => {
  const ca = ['--dir', host.at('ca'), '-o', host.at('renewed.pem')];
  await host.must(['ca', 'renew', 'test/host-1', ...ca]);
  await host.must(['enroll', 'install', host.at('renewed.pem'), ...config()]);
  await record('renewed.attest.json');
  expect((await epochs()).map((e) => e.link)).toEqual(['first']);
});

test('a new epoch by recover, the same keys', async () => {
  await host.must(['recover', '--new-epoch', '--yes', ...config()]);
  await record('second.attest.json');
  const [first, second] = await epochs();
  expect([first?.link, first?.current, second?.link, second?.current]).toEqual([
    'first',
    false,
    'chained',
    true,
  ]);
  expect(second?.previous).toEqual({
    origin: first?.origin,
    seal: first?.seal?.digest,
    size: first?.seal?.size,
  });
  expect(second?.akName).toBe(first?.akName);
});

test('an attestation key and a record key that are rotated, by the commands of the documentation', async () => {
  const before = JSON.parse(await host.must(['keys', 'list', ...config(), '--json'])).keys;
  expect(before.map((k: { role: string; state: string }) => [k.role, k.state])).toEqual([
    ['ak', 'in-force'],
    ['record', 'in-force'],
  ]);
  await host.must(['keys', 'rotate', '--reason', 'yearly', ...config()]);
  // The old one goes on until the authority has certified the new one.
  await record('waiting.attest.json');
  await enrol('--approve');
  await record('rotated.attest.json');
  const after = JSON.parse(await host.must(['keys', 'list', ...config(), '--json'])).keys;
  const states = (role: string) =>
    after.filter((k: { role: string }) => k.role === role).map((k: { state: string }) => k.state);
  expect([states('ak'), states('record')]).toEqual([
    ['retired', 'in-force'],
    ['retired', 'in-force'],
  ]);
  // By hand too, as printed: that every key came into force by the one before it.
  const by = [
    'explain',
    host.at('rotated.attest.json'),
    '--root',
    host.at('ca/root.pem'),
    '--out',
    host.at('by-hand'),
  ];
  const said = await host.must(by);
  expect(said).toMatch(/attestation key took the place/);
  const typed = said.split('\n').flatMap((l) => (l.startsWith('$ ') ? [l.slice(2)] : []));
  expect(typed.length).toBeGreaterThan(20);
  const byHand = await runProgram(['bash', '-euo', 'pipefail', '-c', typed.join('\n')], {});
  expect([byHand.status, byHand.stderr]).toEqual([0, expect.not.stringMatching(/error/i)]);
  const steps = () => runProgram(['bash', host.at('by-hand/steps.sh')], {});
  expect((await steps()).status).toBe(0);
  // And a key that nobody vouched for does not pass.
  cpSync(host.at('by-hand/ak-1.pem'), host.at('by-hand/ak-1-next.pem'));
  expect((await steps()).status).not.toBe(0);
});

test('a TPM that was cleared: new keys, enrolled anew, the old records stay', async () => {
  const cleared = await runProgram(['tpm2_clear', '-c', 'p'], { env: { TPM2TOOLS_TCTI: host.tpm.tcti } });
  expect([cleared.status, cleared.stderr]).toEqual([0, '']);
  await host.must(['recover', '--new-epoch', '--yes', '--reason', 'the TPM was cleared', ...config()]);
  // The endorsement seed is as it was: the same EK asks for a certificate of another AK, which the operator replaces.
  const refused = await enrol('--approve').catch((e: Error) => e.message);
  expect(refused).toMatch(/ended with 6:[\s\S]*ek-has-live-ak/);
  await enrol('--approve', '--replace');
  await record('third.attest.json');
  const found = await epochs();
  expect(found.map((e) => e.link)).toEqual(['first', 'chained', 'chained']);
  expect(new Set(found.map((e) => e.akName)).size).toBe(2);
});

test('a TPM that was replaced: another EK, enrolled once the old certificates are revoked', async () => {
  const other = await startSwtpm({ fresh: true });
  try {
    const file = host.at('attestd.toml');
    const old = readFileSync(file, 'utf8');
    writeFileSync(file, old.replace(/tcti = ".*"/, `tcti = "${other.tcti}"`));
    const daemon = host.start();
    const left = await daemon.refusal();
    await daemon.stop();
    expect(left).toMatch(/^(?:TPM_KEY_LOST|AUDIT_CONTINUITY_LOST)$/);
    await host.must(['recover', '--new-epoch', '--yes', '--reason', 'another board', ...config()]);
    writeFileSync(host.at('vendor.pem'), other.issuerPem + other.rootPem);
    const ca = ['--dir', host.at('ca')];
    const taken = await enrol('--approve').catch((e: Error) => e.message);
    expect(taken).toMatch(/ended with 6:/);
    await host.must(['ca', 'revoke', 'test/host-1', ...ca, '--yes', '-o', host.at('crl.pem')]);
    await enrol('--approve');
    await record('replaced.attest.json');
    const found = await epochs();
    expect(found.map((e) => e.link)).toEqual(['first', 'chained', 'chained', 'chained']);
    expect(found.at(-1)?.previous?.origin).toBe(found.at(-2)?.origin);
  } finally {
    await other.stop();
  }
});

test('a log that is missing, and one that is not what the next genesis names', async () => {
  const state = host.at('copied-state');
  const show = async () => {
    const { status, stdout } = await host.ctl(['epoch', state, '--json']);
    return [status, ...JSON.parse(stdout).epochs.map((e: Epoch) => e.link)];
  };
  cpSync(host.config.state_dir, state, { recursive: true });
  const [first, second] = await epochs();
  const dir = (e: Epoch | undefined) => join(state, 'log', e?.origin.split('/')[2] as string);
  expect(await show()).toEqual([0, 'first', 'chained', 'chained', 'chained']);
  // The last segment loses its end, and with it the final seal.
  const wal = execFileSync('find', [dir(second), '-path', '*/wal/*', '!', '-name', 'spare'], {
    encoding: 'utf8',
  })
    .trim()
    .split('\n');
  expect(wal.length).toBeGreaterThan(0);
  const segment = wal.sort().at(-1) as string;
  const bytes = readFileSync(segment);
  const used = bytes.length - [...bytes].reverse().findIndex((b) => b !== 0);
  writeFileSync(segment, bytes.fill(0, used - 200));
  expect(await show()).toEqual([1, 'first', 'chained', 'broken', 'chained']);
  rmSync(dir(first), { recursive: true });
  expect(await show()).toEqual([1, 'missing', 'broken', 'chained']);
  const shown = await host.ctl(['epoch', state]);
  expect(shown.stdout).toMatch(/names another seal than the last one before it$/m);
  expect((await host.ctl(['epoch', host.at('ca')])).status).toBe(2);
});

test('after all of that the first evidence is what it was, and judged as it was', async () => {
  expect(bundles.size).toBe(7);
  for (const [bundle, was] of bundles) expect(readFileSync(bundle).equals(was)).toBe(true);
  const [first] = bundles.keys();
  expect((await host.ctl(['verify', first as string, '--trust', trust as string])).status).toBe(0);
});
