/** Configuration and installation: the file, the units, the versions that must fit each other. */
import { existsSync } from 'node:fs';
import { isAttestdError } from '../../core/errors.ts';
import { loadConfig } from '../../daemon/config.ts';
import { VERSION } from '../version.ts';
import { type Check, ok, said, unknown, wrong } from './check.ts';

const config: Check = {
  id: 'config',
  title: 'configuration of the daemon',
  run({ around }) {
    try {
      const { fleet, host } = loadConfig(around.configFile);
      return ok(`${around.configFile} is valid, for ${fleet}/${host}.`);
    } catch (e) {
      const closed =
        isAttestdError(e) && (e.facts.cause as NodeJS.ErrnoException | undefined)?.code === 'EACCES';
      if (closed) return unknown(`${around.configFile} is closed to you.`, 'sudo attestctl doctor');
      const fix = `mend ${around.configFile} as attestd.toml(5) says, then attestd --check-config`;
      return wrong(`It cannot be used: ${said(e)}.`, fix);
    }
  },
};

/** What must be enabled; attestd-forward.service where it is configured. */
const ENABLED = ['attestd.socket', 'attestd-admin.socket', 'attestd-observe.socket', 'attestd.service'];

/** Units and the services behind those that are sockets: systemd starts no socket whose service is up. */
const restarted = (units: readonly string[]): string[] => [
  ...new Set(units.flatMap((u) => [u, u.replace(/(?:-admin)?\.socket$/, '.service')])),
];

const units: Check = {
  id: 'units',
  title: 'units of systemd',
  async run(p) {
    const found = await p.units();
    const wanted = [...ENABLED, ...(existsSync(p.around.forwardFile) ? ['attestd-forward.service'] : [])];
    const off = wanted.filter(
      (u) => !/^(?:enabled|static|generated|alias|linked)/.test(found.get(u)?.file ?? ''),
    );
    const masked = off.filter((u) => found.get(u)?.file.startsWith('masked'));
    if (masked.length > 0)
      return wrong(
        `Masked, so that they cannot start: ${masked.join(', ')}.`,
        // A socket that was masked while it listened is not taken up again by a start.
        `systemctl unmask ${masked.join(' ')}, then systemctl restart ${restarted(masked).join(' ')}`,
      );
    if (off.length > 0)
      return wrong(
        `Not enabled, so not there after the next boot: ${off.join(', ')}.`,
        `systemctl enable --now ${off.join(' ')}`,
      );
    return ok(`Enabled: ${wanted.join(', ')}.`);
  },
};

const addon: Check = {
  id: 'addon',
  title: 'native addon',
  vital: true,
  run({ around }) {
    try {
      return ok(`It loads, built against tpm2-tss ${around.addon().tssVersion}.`);
    } catch (e) {
      return wrong(
        `It does not load: ${said(e)}.`,
        'apt install --reinstall attestd; in a checkout, scripts/build-native',
      );
    }
  },
};

const parts = (version: string): [number, number] => {
  const m = /^(?:\d+:)?(\d+)\.(\d+)/.exec(version);
  return [Number(m?.[1] ?? Number.NaN), Number(m?.[2] ?? Number.NaN)];
};

const tssVersion: Check = {
  id: 'tss-version',
  title: 'tpm2-tss that is loaded',
  async run({ around }) {
    let built: string;
    try {
      built = around.addon().tssVersion;
    } catch {
      return unknown('The addon does not load: see addon.');
    }
    const loaded = await around.tssVersion();
    const [b, l] = [parts(built), parts(loaded)];
    if ([...b, ...l].some(Number.isNaN))
      return unknown(`Versions ${built} and ${loaded} cannot be compared.`);
    const both = `The addon was built against ${built}, and ${loaded} is loaded`;
    if (l[0] < b[0] || (l[0] === b[0] && l[1] < b[1]))
      return wrong(`${both}, which is older.`, 'install the attestd package of this release of the system');
    if (l[0] === b[0] && l[1] === b[1]) return ok(`${loaded}, as the addon was built against ${built}.`);
    // One with another interface has another name, and the addon would not have loaded with it.
    return ok(`${both}, which is newer and of the same interface.`);
  },
};

const version: Check = {
  id: 'version',
  title: 'attestctl and daemon',
  async run(p) {
    const answer = await p.daemon();
    if (answer.kind !== 'answers') return unknown('The daemon does not say its version: see daemon.');
    const theirs = String(answer.status.version);
    if (theirs === VERSION) return ok(`Both are ${VERSION}.`);
    return wrong(`attestctl is ${VERSION}, the daemon that runs is ${theirs}.`, 'systemctl restart attestd');
  },
};

export const CONFIG_CHECKS: readonly Check[] = [config, units, addon, tssVersion, version];
