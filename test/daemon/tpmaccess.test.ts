/** How the TPM of a configuration is opened: authorisations of hierarchies by credentials, algorithms by their names. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it, vi } from 'vitest';
import { initHost } from '../../src/daemon/init.ts';
import { AUTH_CREDENTIALS, accessOf } from '../../src/daemon/tpmaccess.ts';
import { ROOT } from '../kit/ctl.ts';
import { makeProcessHost, type ProcessHost, random, until } from '../kit/host.ts';

let host: ProcessHost | undefined;
afterEach(async () => {
  await host?.remove();
  host = undefined;
});

it('hierarchies whose owner has set an authorisation are used with the credentials of systemd, and not without', async () => {
  host = await makeProcessHost();
  const { dir, tpm } = host;
  const env = { ...process.env, TPM2TOOLS_TCTI: tpm.tcti };
  for (const c of ['o', 'e']) await promisify(execFile)('tpm2_changeauth', ['-c', c, `secret-${c}`], { env });

  const without = host.start();
  await until('a word of the authorisation', () => /TPM_RC_BAD_AUTH/.test(without.output()));
  await without.stop();

  const credentials = join(dir, 'credentials');
  mkdirSync(credentials);
  // With the line break of an echo, and without.
  writeFileSync(join(credentials, 'tpm-owner'), 'secret-o\n');
  writeFileSync(join(credentials, 'tpm-endorsement'), 'secret-e');
  const daemon = host.start(['env', `CREDENTIALS_DIRECTORY=${credentials}`]);
  await daemon.ready();
  expect(JSON.stringify(await host.ctl('status', '--json'))).not.toContain('secret');
  await daemon.stop();
  expect(daemon.output()).not.toContain('secret-');
});

it('a credential that is given and cannot be read is a fault, and none is none', async () => {
  host = await makeProcessHost();
  const credentials = join(host.dir, 'unreadable');
  mkdirSync(credentials);
  vi.stubEnv('CREDENTIALS_DIRECTORY', credentials);
  expect(accessOf(host.config).hierarchyAuth).toEqual({});
  mkdirSync(join(credentials, 'tpm-owner'));
  expect(() => accessOf((host as ProcessHost).config)).toThrow(/tpm-owner cannot be read: EISDIR/);
  vi.unstubAllEnvs();
});

it('their units load those credentials, and name no others', () => {
  for (const unit of ['attestd.service', 'attestd-init.service']) {
    const text = readFileSync(join(ROOT, 'systemd', unit), 'utf8');
    const named = [...text.matchAll(/^LoadCredentialEncrypted=(.*)$/gm)].map((m) => m[1]);
    expect(named.sort()).toEqual(Object.values(AUTH_CREDENTIALS).sort());
  }
});

it('init names the algorithms that a TPM lacks, and makes nothing', async () => {
  host = await makeProcessHost();
  const state_dir = join(host.dir, 'another');
  host.tpm.proxy?.inject({ cc: 0x18a, rc: 0x1e6 });
  await expect(
    initHost({ config: { ...host.config, state_dir }, now: Date.now, random }),
  ).rejects.toMatchObject({
    code: 'TPM_ERROR',
    message: expect.stringMatching(/^this TPM does not have .*P-256/),
  });
  expect(spawnSync('find', [state_dir, '-type', 'f'], { encoding: 'utf8' }).stdout).toBe('');
});
