/**
 * Governed execution as people meet it: sign a policy, ask, run under the grant, be refused, and what an auditor makes
 * of the evidence, offline.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startLossy } from '../client/drive.ts';
import { OTHER } from '../govern/other.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { type DaemonProcess, until } from '../kit/host.ts';
import { may } from '../kit/privilege.ts';

let host: EnrolledHost;
let policies: string;
let daemon: DaemonProcess;
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
    `permit(principal, action == Action::"execute", resource in Kind::"command.run") when { ["sh", "true"].contains(resource.name) };
permit(principal, action == Action::"execute", resource in Kind::"command.run")
  when { resource.name == "env" && context.approvers.contains(Caller::"${OTHER}") };
permit(principal == Caller::"${OTHER}", action == Action::"approve", resource);`,
  );
  host = await makeEnrolledHost({
    socket: [`mode = "0666"`],
    policy: [`directory = "${policies}"`, `keys = ["${join(policies, 'public.pem')}"]`, 'break_glass = true'],
  });
  await host.must(['policy', 'lint', policies]);
  await host.must(['policy', 'sign', policies, '--key', join(policies, 'key.pem'), '--id', 'run@1']);
  daemon = await host.up();
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
  expect(shown).toMatchObject({ kind: 'grant', state: 'used', used: 2 });
}, 120_000);

it('asks again for the end of a run whose answer was lost, and finds it on record', async () => {
  const grant = await ask();
  const path = host.at('lossy.sock');
  const lossy = await startLossy(path, host.socket);
  const [begun, go] = [host.at('lossy-begun'), host.at('lossy-go')];
  const work = `touch ${begun}; while [ ! -e ${go} ]; do sleep 0.05; done`;
  const options = ['--socket', path, '--grant', grant, '--id-file', host.at('id')];
  const ran = host.ctl(['run', ...options, '--', 'sh', '-c', work]);
  await until('the command runs', () => existsSync(begun));
  lossy.left = 1;
  writeFileSync(go, '');
  const { status, stderr } = await ran;
  lossy.server.close();
  expect([status, stderr]).toEqual([0, '']);
  expect(lossy.left).toBeLessThan(1);
  const listed = JSON.parse(await host.must(['list', '--grant', grant, '--json']));
  const ends = listed.records.filter((r: { phase?: string }) => r.phase === 'completed');
  expect(ends.map((r: { id: string }) => r.id)).toEqual([readFileSync(host.at('id'), 'utf8').trim()]);
});

it('a grant for one program is used by that program, and an auditor sees that it was', async () => {
  const executable = (file: string) => ask('--executable', file);
  // The program at the other end of the socket is the one that runs attestctl.
  const grant = await executable(process.execPath);
  await host.must(['run', '--grant', grant, '--id-file', host.at('id'), '--', 'sh', '-c', 'exit 0']);
  const plain = await host.recorded('true');
  const file = await host.bundle(readFileSync(host.at('id'), 'utf8').trim());
  const { verdict, of } = await checks(file, await host.trust(await host.bundle(plain)));
  expect([verdict, of('grant-caller')?.status]).toEqual(['verified', 'pass']);
  const { holder } = (await host.shown(grant)).statement.predicate as { holder: { exeSha256: string } };
  expect(holder.exeSha256).toBe(createHash('sha256').update(readFileSync(process.execPath)).digest('hex'));
  const other = ['run', '--grant', await executable('/bin/sh'), '--', 'sh', '-c', 'exit 0'];
  expect(await host.ctl(other)).toMatchObject({
    status: 6,
    stderr: expect.stringContaining('IDENTITY_MISMATCH'),
  });
  const wanted = ['grant', 'request', '--type', 'command.run', '--name', 'sh'];
  const missing = await host.ctl([...wanted, '--executable', host.at('nothing')]);
  expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining('--executable: ENOENT')]);
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

it.runIf(may('root'))(
  'refused, approved by another person, granted, used, revoked: each by its command',
  async () => {
    chmodSync(host.dir, 0o755);
    const wanted = ['grant', 'request', '--type', 'command.run', '--name', 'env', '--uses', '2'];
    const refused = await host.ctl(wanted);
    expect([refused.status, refused.stderr]).toEqual([6, expect.stringContaining('POLICY_DENY')]);
    const denial = /the denial is record ([0-9A-Z]{26})/.exec(refused.stderr)?.[1] ?? '';
    // Who asked cannot approve, and that is refused on record; nobody approves without saying so.
    const own = await host.ctl(['approve', denial, '--yes']);
    expect([own.status, own.stderr]).toEqual([6, expect.stringContaining('IDENTITY_MISMATCH')]);
    const silent = await host.ctl(['approve', denial], { uid: OTHER });
    expect([silent.status, silent.stdout, silent.stderr]).toEqual([2, '', expect.stringContaining('--yes')]);
    const approve = ['approve', denial, '--yes', '--comment', 'seen by two', '--json'];
    const approved = await host.ctl(approve, { uid: OTHER });
    expect(approved.status, approved.stderr).toBe(0);
    expect(approved.stderr).toContain(`uid ${process.getuid?.()} asked, and was refused`);
    const { id: approval } = JSON.parse(approved.stdout);
    expect(
      JSON.parse(await host.must(['show', approval, '--json', '--socket', host.config.admin_socket.path]))
        .statement.predicate,
    ).toMatchObject({
      caller: { observed: { uid: OTHER } },
      request: { id: denial },
      comment: 'seen by two',
    });

    const grant = (await host.must([...wanted, '--approval', approval])).trim();
    await host.must(['run', '--grant', grant, '--id-file', host.at('id'), '--', 'env']);
    const id = readFileSync(host.at('id'), 'utf8').trim();
    // An approval is good for one grant.
    expect((await host.ctl([...wanted, '--approval', approval])).stderr).toContain('EVIDENCE_CHAIN_INVALID');

    const foreign = await host.ctl(['grant', 'revoke', grant], { uid: OTHER });
    expect([foreign.status, foreign.stderr]).toEqual([2, expect.stringContaining('NOT_FOUND')]);
    const revoked = await host.must(['grant', 'revoke', grant, '--reason', 'done', '--json']);
    expect((await host.shown(JSON.parse(revoked).id)).statement.predicate).toMatchObject({
      grant: { id: grant },
      reason: 'done',
    });
    const late = await host.ctl(['run', '--grant', grant, '--', 'env']);
    expect([late.status, late.stdout, late.stderr]).toEqual([
      6,
      '',
      expect.stringContaining('GRANT_EXPIRED'),
    ]);
    expect(JSON.parse(await host.must(['grant', 'show', grant, '--json']))).toMatchObject({
      state: 'revoked',
      used: 1,
    });

    const plain = await host.recorded('true');
    const { verdict, of } = await checks(await host.bundle(id), await host.trust(await host.bundle(plain)));
    for (const check of ['approvals', 'grant-given', 'grant-policy'])
      expect([check, of(check)?.status, of(check)?.sentence]).toEqual([check, 'pass', of(check)?.sentence]);
    expect(verdict).toBe('verified');
  },
  120_000,
);

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

it('a set that another key signed is refused on reload and by the doctor, and the old one stays', async () => {
  const other = join(policies, 'other.pem');
  const signed = ['policy', 'sign', policies, '--key'];
  execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', other]);
  await host.must([...signed, other, '--id', 'evil@1']);
  process.kill(daemon.pid, 'SIGHUP');
  await until('the refusal', () =>
    daemon.output().includes('the policies are not taken; those in force stay'),
  );
  expect(daemon.output()).toContain('no configured policy key has signed the policies');
  const policyOf = async () => (await host.shown(await ask())).statement.predicate.policy;
  expect(await policyOf()).toMatchObject({ id: 'run@1' });
  const { stdout } = await host.ctl(['doctor', '--config', host.at('attestd.toml'), '--json']);
  const judged = JSON.parse(stdout).checks as { id: string }[];
  expect(judged.find((c) => c.id === 'policy')).toMatchObject({
    status: 'wrong',
    sentence: expect.stringContaining('no configured policy key has signed'),
  });
  // The same again, as its operator signs it.
  await host.must([...signed, join(policies, 'key.pem'), '--id', 'run@2']);
  process.kill(daemon.pid, 'SIGHUP');
  await until('the new set', async () => ((await policyOf()) as { id: string }).id === 'run@2');
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
