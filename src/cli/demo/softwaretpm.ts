/** A software TPM with an endorsement key that a CA of its own certifies, as a vendor would. It proves nothing. */
import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { AttestdError } from '../../core/errors.ts';
import { DEMO } from './place.ts';

const run = promisify(execFile);

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function program(name: string): string {
  const found = (process.env.PATH ?? '/usr/bin')
    .split(delimiter)
    .map((d) => join(d, name))
    .find((f) => existsSync(f));
  if (found !== undefined) return found;
  throw new AttestdError('USAGE', `there is no ${name} here: apt install swtpm-tools libtss2-tcti-swtpm0`);
}

/** Makes its state, once. @returns PEM of the CA that stands in for a vendor */
export async function makeSoftwareTpm(owner: Owner): Promise<string> {
  const setup = program('swtpm_setup');
  const localca = program('swtpm_localca');
  const { vendor } = DEMO;
  for (const dir of [DEMO.dir, DEMO.tpmState, vendor]) {
    mkdirSync(dir, { recursive: true, mode: 0o711 });
    chownSync(dir, owner.uid, owner.gid);
  }
  const write = (name: string, lines: readonly string[]): string => {
    const file = join(vendor, name);
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  };
  const ca = write('localca.conf', [
    `statedir = ${vendor}`,
    `signingkey = ${vendor}/signkey.pem`,
    `issuercert = ${vendor}/issuercert.pem`,
    `certserial = ${vendor}/certserial`,
  ]);
  const options = write('localca.options', [
    '--platform-manufacturer attestd',
    '--platform-version 1',
    '--platform-model demo',
  ]);
  const config = write('setup.conf', [
    `create_certs_tool = ${localca}`,
    `create_certs_tool_config = ${ca}`,
    `create_certs_tool_options = ${options}`,
    'active_pcr_banks = sha256',
  ]);
  const words = [
    '--tpm2',
    '--tpmstate',
    DEMO.tpmState,
    '--config',
    config,
    '--create-ek-cert',
    '--overwrite',
  ];
  await run(setup, [...words, '--logfile', join(vendor, 'setup.log')], { ...owner, cwd: '/' }).catch(
    (e: unknown) => {
      throw new AttestdError('TPM_UNAVAILABLE', `swtpm_setup did not succeed, see ${vendor}/setup.log`, {
        cause: e,
      });
    },
  );
  return ['issuercert.pem', 'swtpm-localca-rootca-cert.pem']
    .map((f) => join(vendor, f))
    .filter((f) => existsSync(f))
    .map((f) => readFileSync(f, 'utf8'))
    .join('');
}
