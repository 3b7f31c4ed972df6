/** docs/authority.md, carried out line by line against a host of this test; and an authority whose key is in a TPM. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CTL, ctl, ROOT, runProgram } from '../kit/ctl.ts';
import { makeProcessHost, type ProcessHost, until } from '../kit/host.ts';
import { startSwtpm } from '../kit/swtpm.ts';

const page = readFileSync(join(ROOT, 'docs/authority.md'), 'utf8');
const lines = [...page.matchAll(/^```console\n(.*?)^```$/gms)].flatMap((m) =>
  (m[1] as string).split('\n').flatMap((l) => (l.startsWith('$ ') ? [l.slice(2)] : [])),
);

let host: ProcessHost;
let server: ChildProcess | undefined;
const at = (name: string) => join(host.dir, name);
const env = () => ({ PATH: `${at('bin')}:${process.env.PATH}` });

beforeAll(async () => {
  host = await makeProcessHost();
  const config = readFileSync(at('attestd.toml'), 'utf8').replace(/^fleet = .*$/m, 'fleet = "fleet-1"');
  writeFileSync(at('attestd.toml'), config);
  writeFileSync(at('vendor.pem'), host.tpm.issuerPem + host.tpm.rootPem);
  writeFileSync(at('secret'), 'correct horse battery staple\n', { mode: 0o600 });
  writeFileSync(at('hosts.txt'), 'fleet-1/host-1 certified\n');
  const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  const root = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '3650',
    '-subj',
    '/CN=Corporate Root',
  ];
  execFileSync('openssl', [...root, ...usage, '-keyout', 'corporate.key', '-out', 'corporate.pem'], {
    cwd: host.dir,
    stdio: 'pipe',
  });
  mkdirSync(at('bin'));
  writeFileSync(at('bin/attestctl'), `#!/bin/sh\nexec ${process.execPath} ${CTL} "$@"\n`, { mode: 0o755 });
});
afterAll(async () => {
  server?.kill('SIGKILL');
  await host?.remove();
});

/** Starts the server of a line on a port that is free. @returns its URL */
async function serve(line: string): Promise<string> {
  const child = spawn('bash', ['-c', `exec ${line}`], { cwd: host.dir, env: { ...process.env, ...env() } });
  server = child;
  let said = '';
  child.stdout?.on('data', (b) => {
    said += String(b);
  });
  return until('the authority to serve', () => /^https:\S+/m.exec(said)?.[0]);
}
async function stop(): Promise<number | null> {
  const child = server;
  if (child === undefined) return null;
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  server = undefined;
  return ended;
}

test('every line of docs/authority.md does what it says', async () => {
  expect(lines.length).toBeGreaterThan(9);
  const said: string[] = [];
  let url = '';
  for (const line of lines) {
    // A test host has a software TPM, and its configuration lies elsewhere.
    const software = /^attestctl ca init/.test(line) ? ' --software' : '';
    const config = /^attestctl enroll/.test(line) ? ` --config ${at('attestd.toml')}` : '';
    const typed = line.replace(
      '127.0.0.1:8443',
      /^attestctl ca serve/.test(line) ? '127.0.0.1:0' : new URL(url || 'https://x').host,
    );
    if (/^attestctl ca serve/.test(line)) {
      url = await serve(typed);
      continue;
    }
    const { status, stdout, stderr } = await runProgram(['bash', '-c', typed + software + config], {
      cwd: host.dir,
      env: env(),
    });
    expect([typed, status], stderr).toEqual([typed, 0]);
    said.push(stdout);
    if (/^attestctl enroll/.test(line)) {
      expect(stderr).toContain('enrolled as attestd://fleet-1/host-1');
      // The same host again, while its certificate is live.
      const again = await runProgram(['bash', '-c', typed + config], { cwd: host.dir, env: env() });
      expect([again.status, again.stderr]).toEqual([6, expect.stringContaining('ek-has-live-ak')]);
      expect(await stop()).toBe(0);
    }
  }
  expect(said.at(-1)).toMatch(/^VERIFIED$/m);
  const listed = JSON.parse((await ctl(['ca', 'list', '--dir', at('ca'), '--json'])).stdout);
  expect(listed.certificates.map((c: { state: string }) => c.state)).toEqual(['revoked', 'revoked']);
  const audited = JSON.parse((await ctl(['audit', at('ca'), '--json'])).stdout);
  expect(audited).toMatchObject({
    verdict: 'verified',
    events: { created: 1, served: 1, refused: 1, issued: 2, superseded: 1, revoked: 2 },
  });
  // Another authority's certificate finds this log to be none of its own.
  const other = await ctl(['audit', at('ca'), '--ca', at('corporate.pem')]);
  expect([other.status, other.stdout]).toEqual([1, expect.stringContaining('checkpoint-signature')]);
});

test('an authority keeps its key in a TPM, and signs with it alone', async () => {
  const tpm = await startSwtpm({ eks: 'none' });
  try {
    const dir = at('tpm-ca');
    const out = ['-o', at('tpm-crl.pem')];
    const made = await ctl(['ca', 'init', '--dir', dir, '--name', 'TPM CA', '--software', '--tpm', tpm.tcti]);
    expect([made.status, made.stderr]).toEqual([0, expect.stringContaining('auditors need root.pem')]);
    const list = await ctl(['ca', 'crl', '--dir', dir, ...out]);
    expect(list.status, list.stderr).toBe(0);
    const verify = ['crl', '-in', at('tpm-crl.pem'), '-CAfile', join(dir, 'root.pem'), '-noout'];
    expect(execFileSync('openssl', verify, { stdio: 'pipe' }).toString()).toBe('');
    expect((await ctl(['audit', dir])).stdout).toMatch(/^VERIFIED$/m);
  } finally {
    await tpm.stop();
  }
});

test('one kind of protection is chosen, and no passphrase is guessed', async () => {
  const init = ['ca', 'init', '--name', 'X', '--dir', at('x')];
  for (const wrong of [[], ['--no-passphrase', '--passphrase-file', at('secret')]]) {
    expect((await ctl([...init, ...wrong])).status).toBe(2);
  }
  const unasked = await ctl(['ca', 'crl', '--dir', at('ca'), '-o', at('never.pem')]);
  expect([unasked.status, unasked.stderr]).toEqual([2, expect.stringContaining('--passphrase-file')]);
  expect((await ctl(['ca', 'list', '--dir', at('ca'), '--state', 'dead'])).status).toBe(2);
  expect((await ctl(['enroll', '--server', 'https://127.0.0.1'])).status).toBe(2);
});
