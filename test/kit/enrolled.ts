/** A host that is initialised and enrolled as an operator does it, by attestctl, with a trust file of its auditor. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Circumstances, ctl, type Outcome } from './ctl.ts';
import { type DaemonProcess, makeProcessHost, type ProcessHost, type Sections } from './host.ts';

export interface EnrolledHost extends Omit<ProcessHost, 'ctl'> {
  /** Path of a file in the folder of this host. */
  at(name: string): string;
  /** Runs attestctl against the socket of this host. */
  ctl(args: readonly string[], given?: Circumstances): Promise<Outcome>;
  /** The same, and throws unless it ends with 0. @returns stdout */
  must(args: readonly string[], given?: Circumstances): Promise<string>;
  /** Starts the daemon and waits until it takes records. */
  up(): Promise<DaemonProcess>;
  /** Runs a command under `attestctl run`; the id of its completed record. */
  recorded(...command: string[]): Promise<string>;
  /** The evidence of a record, in a file. */
  bundle(id: string, name?: string): Promise<string>;
  /** A trust file for this host's authority, its accepted state that of a bundle. */
  trust(reference: string, level?: number): Promise<string>;
  /** JSON of a record as its owner sees it. */
  shown(id: string): Promise<Shown>;
}

/** What `attestctl show ID` prints. */
export interface Shown {
  readonly digest: string;
  readonly statement: { readonly predicate: Readonly<Record<string, unknown>> };
  /** Disclosed values by name. */
  readonly values: Readonly<Record<string, unknown>>;
}

export async function makeEnrolledHost(sections: Sections = {}, name?: string): Promise<EnrolledHost> {
  const host = await makeProcessHost(sections, name);
  const at = (name: string) => join(host.dir, name);
  const config = ['--config', at('attestd.toml')];
  const run = (args: readonly string[], given: Circumstances = {}) =>
    ctl(args, { ...given, env: { ATTESTD_SOCKET: host.socket, ...given.env } });
  const must = async (args: readonly string[], given?: Circumstances) => {
    const { status, stdout, stderr } = await run(args, given);
    if (status !== 0) throw new Error(`attestctl ${args.join(' ')} ended with ${status}:\n${stderr}`);
    return stdout;
  };
  writeFileSync(at('vendor.pem'), host.tpm.issuerPem + host.tpm.rootPem);
  const ca = ['--dir', at('ca')];
  const out = (name: string) => ['-o', at(name)];
  await must(['ca', 'init', ...ca, '--name', 'Test CA', '--software', '--no-passphrase']);
  await must(['enroll', 'request', ...config, ...out('request.json')]);
  const vendor = ['--ek-roots', at('vendor.pem')];
  await must(['ca', 'challenge', at('request.json'), ...ca, ...vendor, ...out('challenge.json')]);
  await must(['enroll', 'respond', at('challenge.json'), ...config, ...out('response.json')]);
  await must(['ca', 'issue', at('response.json'), ...ca, '--approve', ...out('certificate.pem')]);
  await must(['enroll', 'install', at('certificate.pem'), ...config]);
  return {
    ...host,
    get logDir() {
      return host.logDir;
    },
    at,
    ctl: run,
    must,
    async up() {
      const daemon = host.start();
      await daemon.ready();
      return daemon;
    },
    async recorded(...command) {
      await must(['run', '--id-file', at('id'), '--', ...command]);
      return readFileSync(at('id'), 'utf8').trim();
    },
    async bundle(id, name = `${id}.attest.json`) {
      await must(['bundle', id, '-o', at(name)]);
      return at(name);
    },
    async trust(reference, level = 3) {
      const file = at(`trust-${level}.json`);
      const wishes = ['--software', '--accept-host-time', '--level', String(level)];
      await must([
        'trust',
        'init',
        '--root',
        at('ca/root.pem'),
        ...wishes,
        '--reference',
        reference,
        '-o',
        file,
      ]);
      return file;
    },
    async shown(id) {
      const record = JSON.parse(await must(['show', id, '--json']));
      const values = Object.fromEntries(
        (record.disclosures as string[])
          .map((d) => JSON.parse(Buffer.from(d, 'base64url').toString()) as [string, string, unknown])
          .map(([, name, value]) => [name, value]),
      );
      return { digest: record.digest, statement: record.statement, values };
    },
  };
}
