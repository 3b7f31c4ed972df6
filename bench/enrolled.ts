/** A bundle and a trust file from a host that was enrolled as an operator enrols one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeHost } from './host.ts';

export interface Made {
  readonly bundle: string;
  readonly trust: string;
  remove(): Promise<void>;
}

export async function enrolledBundle(): Promise<Made> {
  const host = await makeHost();
  const at = (name: string) => join(host.dir, name);
  writeFileSync(at('vendor.pem'), host.tpm.issuerPem + host.tpm.rootPem);
  await host.ctl('ca', 'init', '--dir', at('ca'), '--name', 'Bench CA', '--software', '--no-passphrase');
  await host.ctl('enroll', 'request', '-o', at('request.json'));
  await host.ctl(
    'ca',
    'challenge',
    at('request.json'),
    '--dir',
    at('ca'),
    '--ek-roots',
    at('vendor.pem'),
    '-o',
    at('challenge.json'),
  );
  await host.ctl('enroll', 'respond', at('challenge.json'), '-o', at('response.json'));
  await host.ctl(
    'ca',
    'issue',
    at('response.json'),
    '--dir',
    at('ca'),
    '--approve',
    '-o',
    at('certificate.pem'),
  );
  await host.ctl('enroll', 'install', at('certificate.pem'));
  await host.start();
  await host.ctl('run', '--id-file', at('id'), '--', 'true');
  const id = readFileSync(at('id'), 'utf8').trim();
  await host.ctl('bundle', id, '-o', at('run.attest.json'));
  await host.stop();
  await host.ctl(
    'trust',
    'init',
    '--root',
    at('ca/root.pem'),
    '--software',
    '--reference',
    at('run.attest.json'),
    '--accept-host-time',
    '-o',
    at('trust.json'),
  );
  return { bundle: at('run.attest.json'), trust: at('trust.json'), remove: () => host.remove() };
}
