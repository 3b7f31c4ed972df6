/** What is around the daemon on a real machine: clock, accounts, systemd, libraries. None of it is changed. */
import { execFile } from 'node:child_process';
import {
  existsSync,
  readFileSync,
  realpathSync,
  type Stats,
  type StatsFs,
  statfsSync,
  statSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { type Addon, loadAddon } from '../../native/addon.ts';
import { CannotTell } from './check.ts';

export interface Surroundings {
  readonly configFile: string;
  readonly forwardFile: string;
  /** PEM of the vendors' roots, where the operator names some. */
  readonly ekRoots?: string;
  /** Directory of passwd and group. */
  readonly etc: string;
  /** Milliseconds since 1970, by the system's clock. */
  readonly now: () => number;
  readonly addon: () => Addon;
  /** undefined where there is nothing. @throws for other reasons */
  readonly stat: (path: string) => Stats | undefined;
  readonly statfs: (path: string) => StatsFs;
  /** Who looks: this process. */
  readonly me: () => { readonly uid: number; readonly groups: readonly number[] };
  /** Output of systemctl; undefined where there is no systemd. */
  readonly systemctl: (...words: string[]) => Promise<string | undefined>;
  /** Whether the clock is kept by NTP; undefined where nobody says. */
  readonly isSynchronised: () => Promise<boolean | undefined>;
  /** Version of the tpm2-tss that is loaded, as its package has it. @throws where it cannot be told */
  readonly tssVersion: () => Promise<string>;
}

const run = promisify(execFile);
const output = async (file: string, ...args: string[]): Promise<string> =>
  (await run(file, args, { timeout: 10_000 })).stdout;
const hasSystemd = (): boolean => existsSync('/run/systemd/system');

/** The package of the library that this process has mapped. */
async function mappedTss(): Promise<string> {
  const maps = readFileSync('/proc/self/maps', 'utf8');
  const path = /(\/\S*\/libtss2-esys\.so\S*)/.exec(maps)?.[1];
  if (path === undefined) throw new CannotTell('The addon is not loaded.');
  // dpkg knows files by the path that they were installed under, which may lie behind a link (/lib).
  for (const name of [path, path.replace(/^\/usr/, ''), realpathSync(path)]) {
    const owner = await output('dpkg-query', '-S', name).catch(() => '');
    const found = owner.split(': ')[0]?.split(',')[0];
    if (found) return output('dpkg-query', '-W', '-f', '$' + '{Version}', found);
  }
  throw new CannotTell(`No package says which version ${path} is.`);
}

/** The machine that this runs on. */
export function thisMachine(
  files: Pick<Surroundings, 'configFile' | 'forwardFile' | 'ekRoots'>,
): Surroundings {
  return {
    ...files,
    etc: '/etc',
    now: Date.now,
    addon: () => loadAddon(),
    stat: (path) => statSync(path, { throwIfNoEntry: false }),
    statfs: (path) => statfsSync(path),
    me: () => ({
      uid: process.geteuid?.() ?? 0,
      groups: [process.getegid?.() ?? 0, ...(process.getgroups?.() ?? [])],
    }),
    systemctl: async (...words) => (hasSystemd() ? output('systemctl', ...words) : undefined),
    async isSynchronised() {
      if (!hasSystemd()) return undefined;
      const word = await output('timedatectl', 'show', '-p', 'NTPSynchronized', '--value').catch(() => '');
      return word.trim() === '' ? undefined : word.trim() === 'yes';
    },
    tssVersion: mappedTss,
  };
}

export interface Unit {
  /** `enabled`, `disabled`, `masked`, … */
  readonly file: string;
  /** `active`, `activating`, `failed`, `inactive`, … */
  readonly active: string;
  readonly result: string;
  /** Devices that it may use; undefined where its unit does not keep it from any. */
  readonly devices?: readonly string[];
}

export const UNITS = [
  'attestd.socket',
  'attestd-admin.socket',
  'attestd-observe.socket',
  'attestd.service',
  'attestd-forward.service',
] as const;

/** The units of attestd that are installed. @throws CannotTell */
export async function unitsOf({ systemctl }: Surroundings): Promise<ReadonlyMap<string, Unit>> {
  const properties = [
    ...['Id', 'LoadState', 'UnitFileState', 'ActiveState', 'Result'],
    ...['DevicePolicy', 'DeviceAllow'],
  ];
  const text = await systemctl('show', ...properties.map((p) => `--property=${p}`), ...UNITS);
  if (text === undefined) throw new CannotTell('There is no systemd here.');
  const units = text.split('\n\n').flatMap((block): [string, Unit][] => {
    const of = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(block)?.[1] ?? '';
    if (of('LoadState') === 'not-found' || of('Id') === '') return [];
    const devices = [...block.matchAll(/^DeviceAllow=(\S+) rw/gm)].map((m) => m[1] as string);
    const isOpen = !['closed', 'strict'].includes(of('DevicePolicy'));
    const unit = { file: of('UnitFileState'), active: of('ActiveState'), result: of('Result') };
    return [[of('Id'), isOpen ? unit : { ...unit, devices }]];
  });
  if (units.length === 0) throw new CannotTell('attestd is not installed as units of systemd here.');
  return new Map(units);
}
