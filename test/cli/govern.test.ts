/**
 * Governed execution as people meet it: sign a policy, ask, run under the grant, be refused, and what an auditor makes
 * of the evidence, offline.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';

let host: EnrolledHost;
let policies: string;
beforeAll(async () => {
  policies = mkdtempSync(join(tmpdir(), 'attestd-cli-policies-'));
  execFileSync('openssl', [
    'ecparam',
    '-name',
    'prime256v1',
    '-genkey',
    '-noout',
    '-out',
    join(policies, 'key.pem'),
  ]);
  execFileSync(
    'openssl',
    ['ec', '-in', join(policies, 'key.pem'), '-pubout', '-out', join(policies, 'public.pem')],
    { stdio: 'ignore' },
  );
  writeFileSync(
    join(policies, 'run.cedar'),
    'permit(principal, action == Action::"execute", resource in Kind::"command.run") when { ["sh", "true"].contains(resource.name) };',
  );
  host = await makeEnrolledHost({
    policy: [`directory = "${policies}"`, `keys = ["${join(policies, 'public.pem')}"]`, 'break_glass = true'],
  });
  await host.must(['policy', 'lint', policies]);
  await host.must(['policy', 'sign', policies, '--key', join(policies, 'key.pem'), '--id', 'run@1']);
  await host.up();
}, 240_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies, { recursive: true, force: true });
});

const ask = async (...more: string[]) =>
  (await host.must(['grant', 'request', '--type', 'command.run', '--name', 'sh', ...more])).trim();
const checks = async (file: string, trust: string) => {
  const { stdout } = await host.ctl(['verify', file, '--trust', trust, '--json']);
  const report = JSON.parse(stdout) as {
    verdict: string;
    checks: { id: string; status: string; sentence: string }[];
  };
  return { verdict: report.verdict, of: (id: string) => report.checks.find((c) => c.id === id) };
};

it('a command runs under a grant, and an auditor derives the decision again from its bundle', async () => {
  const plain = await host.recorded('true');
  const trust = await host.trust(await host.bundle(plain));
  const grant = await ask('--uses', '2');
  await host.must(['run', '--grant', grant, '--', 'sh', '-c', 'exit 0']);
  await host.must(['run', '--grant', grant, '--id-file', host.at('id'), '--', 'sh', '-c', 'exit 0']);
  const file = await host.bundle(readFileSync(host.at('id'), 'utf8').trim());
  const { verdict, of } = await checks(file, trust);
  for (const id of [
    'grant-given',
    'grant-order',
    'grant-policy',
    'policy-signature',
    'grant-window',
    'grant-scope',
    'grant-caller',
    'grant-uses',
    'completion',
  ])
    expect([id, of(id)?.status, of(id)?.sentence]).toEqual([id, 'pass', of(id)?.sentence]);
  expect(of('policy-signature')?.sentence).toMatch(/signed by the operator/);
  expect(verdict).toBe('verified');
  const shown = JSON.parse(await host.must(['grant', 'show', grant, '--json']));
  expect(shown).toMatchObject({ kind: 'grant', state: 'live', used: 2 });
}, 120_000);

it('refused, nothing is started: 6, and the status line says so', async () => {
  const grant = await ask();
  await host.must(['run', '--grant', grant, '--', 'sh', '-c', 'exit 0']);
  const made = host.at('made');
  const refused = await host.ctl(
    ['run', '--grant', grant, '--status-fd', '3', '--', 'sh', '-c', `touch ${made}`],
    {
      under: ['sh', '-c', 'exec "$@" 3>status', 'sh'],
      cwd: host.dir,
    },
  );
  expect(refused.status, refused.stderr).toBe(6);
  expect(refused.stderr).toMatch(/SCOPE_EXCEEDED/);
  expect(existsSync(made)).toBe(false);
  expect(JSON.parse(readFileSync(host.at('status'), 'utf8'))).toMatchObject({
    started: false,
    code: 'SCOPE_EXCEEDED',
  });
}, 120_000);

it('a token is named by its digest and chosen claims, under what is claimed', async () => {
  const part = (v: unknown) => Buffer.from(JSON.stringify(v)).toString('base64url');
  const token = `${part({ alg: 'ES256' })}.${part({ iss: 'https://ci.example', sub: 'job/7', n: 1 })}.${part('s')}`;
  writeFileSync(host.at('token'), `${token}\n`);
  const claims = ['--token', host.at('token'), '--claim', 'sub', 'n'];
  await host.must(['run', '--id-file', host.at('id'), ...claims, '--', 'true']);
  const { statement } = await host.shown(readFileSync(host.at('id'), 'utf8').trim());
  const { claimed, observed } = statement.predicate.caller as Record<string, unknown>;
  const tokenSha256 = createHash('sha256').update(token).digest('hex');
  expect(claimed).toEqual({ tokenSha256, sub: 'job/7', n: 1 });
  expect(observed).toMatchObject({ uid: process.getuid?.() });
  const wrong = await host.ctl(['run', '--token', host.at('token'), '--claim', 'email', '--', 'true']);
  expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('the claim email')]);
}, 120_000);

it('a denial verifies as evidence of its own', async () => {
  const refused = await host.ctl(['grant', 'request', '--type', 'command.run', '--name', 'rm', '--json']);
  expect(refused.status).toBe(6);
  const id = /record ([0-9A-Z]{26})/.exec(refused.stderr)?.[1] ?? '';
  const plain = await host.recorded('true');
  const trust = await host.trust(await host.bundle(plain));
  const { verdict, of } = await checks(await host.bundle(id), trust);
  expect(of('grant-policy')).toMatchObject({ status: 'pass' });
  expect(verdict).toBe('verified');
}, 120_000);

it('what was given past the policy never verifies in silence', async () => {
  const socket = ['--socket', host.config.admin_socket.path];
  const grant = (
    await host.must([
      'grant',
      'request',
      ...socket,
      '--type',
      'command.run',
      '--name',
      'env',
      '--break-glass',
      'the pager',
    ])
  ).trim();
  await host.must(['run', ...socket, '--grant', grant, '--id-file', host.at('id'), '--', 'env']);
  const id = readFileSync(host.at('id'), 'utf8').trim();
  const plain = await host.recorded('true');
  const trust = await host.trust(await host.bundle(plain));
  const { verdict, of } = await checks(await host.bundle(id), trust);
  expect(of('grant-policy')).toMatchObject({
    status: 'unknown',
    sentence: expect.stringContaining('the pager'),
  });
  expect(verdict).toBe('indeterminate');
}, 120_000);
