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

/** A line of attestctl inside, as the daemon's user. */
export const asDaemon = (line: string): string => `runuser -u attestd -- ${line}`;

/** Keys, log and certificate; then the daemon runs. The authority is the folder `ca`, its root `ca/root.pem`. */
export async function enrol(machine: Machine, booted: Booted): Promise<void> {
  const { dir } = machine;
  const at = (name: string) => join(dir, name);
  writeFileSync(at('vendor.pem'), machine.vendorPem);
  await outside(dir, 'ca', 'init', '--dir', 'ca', '--name', 'Test CA', '--software', '--no-passphrase');
  writeFileSync(
    at('request.json'),
    await booted.sh(asDaemon('attestctl init && runuser -u attestd -- attestctl enroll request -o -')),
  );
  await outside(
    dir,
    'ca',
    'challenge',
    'request.json',
    '--dir',
    'ca',
    '--ek-roots',
    'vendor.pem',
    '-o',
    'challenge.json',
  );
  await booted.write('/run/challenge.json', readFileSync(at('challenge.json')));
  writeFileSync(
    at('response.json'),
    await booted.sh(asDaemon('attestctl enroll respond /run/challenge.json -o -')),
  );
  await outside(dir, 'ca', 'issue', 'response.json', '--dir', 'ca', '--approve', '-o', 'certificate.pem');
  await booted.write('/run/certificate.pem', readFileSync(at('certificate.pem')));
  await booted.sh(`${asDaemon('attestctl enroll install /run/certificate.pem')} && systemctl start attestd`);
}
