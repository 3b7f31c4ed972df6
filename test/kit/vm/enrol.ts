/** Makes the attestd of a virtual machine a certified host; the authority is outside, and four files cross. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ctl } from '../ctl.ts';
import type { Booted, Machine } from './machine.ts';

/** Runs attestctl on this side. @throws when it does not end with 0 */
export async function outside(dir: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await ctl(args, { cwd: dir });
  if (status !== 0) throw new Error(`attestctl ${args.join(' ')}: exit status ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** Keys, log and certificate, by the commands of docs/operators.md. The authority is the folder `ca`, its root `ca/root.pem`. */
export async function enrol(machine: Machine, booted: Booted): Promise<void> {
  const { dir } = machine;
  const at = (name: string) => join(dir, name);
  writeFileSync(at('vendor.pem'), machine.vendorPem);
  await outside(dir, 'ca', 'init', '--dir', 'ca', '--name', 'Test CA', '--software', '--no-passphrase');
  await booted.sh('attestctl init');
  // The daemon begins by itself, and measures itself into PCR 13 meanwhile.
  await booted.recording();
  writeFileSync(at('request.json'), await booted.sh('attestctl enroll request -o -'));
  const challenge = ['challenge', 'request.json', '--ek-roots', 'vendor.pem', '-o', 'challenge.json'];
  await outside(dir, 'ca', ...challenge, '--dir', 'ca');
  const enroll = async (word: string, name: string, out = ''): Promise<Buffer> => {
    await booted.write(`/run/${name}`, readFileSync(at(name)));
    return booted.sh(`chmod a+r /run/${name} && attestctl enroll ${word} /run/${name} ${out}`);
  };
  writeFileSync(at('response.json'), await enroll('respond', 'challenge.json', '-o -'));
  await outside(dir, 'ca', 'issue', 'response.json', '--dir', 'ca', '--approve', '-o', 'certificate.pem');
  await enroll('install', 'certificate.pem');
  // No record is to be older than the certificate.
  await booted.recording();
}
