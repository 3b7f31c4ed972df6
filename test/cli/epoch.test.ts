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

let host: EnrolledHost;
let trust: string;
const bundles: string[] = [];
const config = () => ['--config', host.at('attestd.toml')];
const epochs = async (): Promise<Epoch[]> =>
  JSON.parse(await host.must(['epoch', ...config(), '--json'])).epochs;

/** One run with one record, its bundle, and a clean stop. */
async function record(name: string): Promise<string> {
  const daemon = await host.up();
  const bundle = await host.bundle(await host.recorded('true'), name);
  await daemon.stop();
  bundles.push(bundle);
  return bundle;
}
async function expectAllVerify(): Promise<void> {
  for (const bundle of bundles) {
    const { status, stdout } = await host.ctl(['verify', bundle, '--trust', trust]);
    expect([bundle, status], stdout).toEqual([bundle, 0]);
  }
}

beforeAll(async () => {
  host = await makeEnrolledHost();
  trust = await host.trust(await record('first.attest.json'));
});
afterAll(() => host?.remove());

test('a certificate that is renewed', async () => {
  const ca = ['--dir', host.at('ca'), '-o', host.at('renewed.pem')];
  await host.must(['ca', 'renew', 'test/host-1', ...ca]);
  await host.must(['enroll', 'install', host.at('renewed.pem'), ...config()]);
  await record('renewed.attest.json');
  await expectAllVerify();
  expect((await epochs()).map((e) => e.link)).toEqual(['first']);
});

test('a new epoch by recover, the same keys', async () => {
  await host.must(['recover', '--new-epoch', '--yes', ...config()]);
  await record('second.attest.json');
  await expectAllVerify();
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

test('a TPM that was cleared: new keys, enrolled anew, the old records stay', async () => {
  const cleared = await runProgram(['tpm2_clear', '-c', 'p'], { env: { TPM2TOOLS_TCTI: host.tpm.tcti } });
  expect([cleared.status, cleared.stderr]).toEqual([0, '']);
  await host.must(['recover', '--new-epoch', '--yes', '--reason', 'the TPM was cleared', ...config()]);
  // The endorsement seed is as it was: the same EK asks for a certificate of another AK, which the operator replaces.
  const ca = ['--dir', host.at('ca')];
  await host.must(['enroll', 'request', ...config(), '-o', host.at('request.json')]);
  await host.must(['ca', 'challenge', host.at('request.json'), ...ca, '-o', host.at('challenge.json')]);
  await host.must([
    'enroll',
    'respond',
    host.at('challenge.json'),
    ...config(),
    '-o',
    host.at('response.json'),
  ]);
  const issue = ['ca', 'issue', host.at('response.json'), ...ca, '--approve', '-o', host.at('new.pem')];
  const refused = await host.ctl(issue);
  expect([refused.status, refused.stderr]).toEqual([6, expect.stringContaining('ek-has-live-ak')]);
  await host.must(['enroll', 'request', ...config(), '-o', host.at('request.json')]);
  await host.must(['ca', 'challenge', host.at('request.json'), ...ca, '-o', host.at('challenge.json')]);
  await host.must([
    'enroll',
    'respond',
    host.at('challenge.json'),
    ...config(),
    '-o',
    host.at('response.json'),
  ]);
  await host.must([...issue, '--replace']);
  await host.must(['enroll', 'install', host.at('new.pem'), ...config()]);
  await record('third.attest.json');
  await expectAllVerify();
  const found = await epochs();
  expect(found.map((e) => e.link)).toEqual(['first', 'chained', 'chained']);
  expect(new Set(found.map((e) => e.akName)).size).toBe(2);
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
  expect(await show()).toEqual([0, 'first', 'chained', 'chained']);
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
  expect(await show()).toEqual([1, 'first', 'chained', 'broken']);
  rmSync(dir(first), { recursive: true });
  expect(await show()).toEqual([1, 'missing', 'broken']);
  const shown = await host.ctl(['epoch', state]);
  expect(shown.stdout).toMatch(/names another seal than the last one before it, in use$/m);
  expect((await host.ctl(['epoch', host.at('ca')])).status).toBe(2);
});
