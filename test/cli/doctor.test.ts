/**
 * Broken hosts, each diagnosed by the id of what is broken and by no other id turning wrong. One host is made and
 * enrolled by attestctl, its daemon runs and is stopped; then what that daemon said is said again by a stand-in, so that
 * the software TPM, which serves one user, is free to be examined. Every case breaks one thing and mends it again.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKS, examine, exitOf, type Judged, verdictOf } from '../../src/cli/doctor/examine.ts';
import { type Surroundings, thisMachine, UNITS } from '../../src/cli/doctor/surroundings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { ROOT as CHECKOUT } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';

const ROOT = process.geteuid?.() === 0;
const NOBODY = 65_534;

let host: EnrolledHost;
let toml: string;
let status: Record<string, unknown>;
let base: Surroundings;
/** What the stand-in of the daemon says. */
let answer: Record<string, unknown>;
const servers: Server[] = [];
let made = 0;

const units = (file: string, active = 'active') =>
  UNITS.map(
    (u) => `Id=${u}\nLoadState=loaded\nUnitFileState=${file}\nActiveState=${active}\nResult=success\n`,
  );

/** Another configuration: the file with one thing put in place of another. */
function variant(...changes: readonly (readonly [string | RegExp, string])[]): Partial<Surroundings> {
  const configFile = host.at(`variant-${made++}.toml`);
  for (const [from] of changes) expect(toml).toMatch(from);
  writeFileSync(
    configFile,
    changes.reduce((t, [from, to]) => t.replace(from, to), toml),
  );
  return { configFile };
}
const tcti = (to: string) => [/tcti = "[^"]*"/, `tcti = "${to}"`] as const;

async function listen(path: string): Promise<void> {
  const server = createServer((request, reply) => {
    reply.setHeader('content-type', 'application/json');
    reply.end(request.url === '/v1/status' ? JSON.stringify(answer) : '{}');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

beforeAll(async () => {
  host = await makeEnrolledHost();
  const observe = host.at('observe.sock');
  toml = `${readFileSync(host.at('attestd.toml'), 'utf8')}\n[observer]\nsocket = "${observe}"\n[policy]\ndirectory = ""\n`;
  writeFileSync(host.at('attestd.toml'), toml);
  await listen(observe);
  const daemon = await host.up();
  await host.recorded('true');
  status = JSON.parse(await host.must(['status', '--json']));
  mkdirSync(host.at('etc'));
  writeFileSync(
    host.at('etc/passwd'),
    `root:x:0:0::/root:/bin/sh\nnobody:x:${NOBODY}:${NOBODY}::/:/bin/false\n`,
  );
  writeFileSync(host.at('etc/group'), `root:x:0:\ntss:x:106:\nnogroup:x:${NOBODY}:\n`);
  answer = status;
  base = {
    ...thisMachine({
      configFile: host.at('attestd.toml'),
      forwardFile: host.at('forward.toml'),
      ekRoots: host.at('vendor.pem'),
    }),
    etc: host.at('etc'),
    systemctl: async () => units('enabled').join('\n'),
    isSynchronised: async () => true,
    tssVersion: async () => `${loadAddon().tssVersion}-1`,
  };
  const running = await examine(base);
  expect(running.filter((j) => j.status === 'wrong')).toEqual([]);
  // The TPM is the daemon's while it runs: what could not be asked is not called well.
  expect(running.find((j) => j.id === 'lockout')?.status).toBe('unknown');
  expect(running.find((j) => j.id === 'tpm')?.status).toBe('ok');
  expect([verdictOf(running), exitOf(running)]).toEqual(['unknown', 4]);
  await daemon.stop();
  answer = { ...status, tpm: null };
  await listen(host.socket);
  await listen(host.at('admin.sock'));
  chmodSync(host.socket, 0o660);
  chmodSync(host.at('admin.sock'), 0o600);
  chmodSync(observe, 0o666);
}, 400_000);

afterAll(async () => {
  for (const s of servers) s.close();
  await host?.remove();
});

const wrongs = (judged: readonly Judged[]) => judged.filter((j) => j.status === 'wrong').map((j) => j.id);

type Broken = (after: (mend: () => void) => void) => Partial<Surroundings> | Promise<Partial<Surroundings>>;

function said(more: Record<string, unknown>, after: (mend: () => void) => void): Partial<Surroundings> {
  const was = answer;
  answer = { ...answer, ...more };
  after(() => {
    answer = was;
  });
  return {};
}
/** A character device of this owner and mode where there is none. */
const device = (path: string, more: Partial<Stats>) => (p: string) =>
  p === path
    ? (Object.assign(Object.create(statSync('/dev/null')), more) as Stats)
    : statSync(p, { throwIfNoEntry: false });
const BROKEN: readonly (readonly [string, string | readonly string[], Broken])[] = [
  ['an unknown key', 'config', () => variant([/^fleet/m, 'flet = "x"\nfleet'])],
  ['no configuration', 'config', () => ({ configFile: host.at('none.toml') })],
  ['units that are not enabled', 'units', () => ({ systemctl: async () => units('disabled').join('\n') })],
  ['units that are masked', 'units', () => ({ systemctl: async () => units('masked').join('\n') })],
  [
    'an addon that does not load',
    'addon',
    () => ({
      addon: () => loadAddon('/nowhere/attestd.node'),
    }),
  ],
  [
    'another tpm2-tss than the addon was built for',
    'tss-version',
    () => ({ tssVersion: async () => '9.1.0-1' }),
  ],
  ['a daemon of another version', 'version', (after) => said({ version: '0.0.1' }, after)],
  ['no TPM device', 'device', () => variant(tcti(`device:${host.at('tpmrm0')}`))],
  [
    'a file where the device should be',
    'device',
    () => {
      writeFileSync(host.at('tpmrm1'), '');
      return variant(tcti(`device:${host.at('tpmrm1')}`));
    },
  ],
  ['no software TPM', 'device', () => variant(tcti(`swtpm:path=${host.at('gone')}`))],
  [
    'a device of a group that the daemon is not in',
    'device-access',
    (after) => {
      if (ROOT) {
        execFileSync('chown', ['-R', String(NOBODY), host.config.state_dir]);
        after(() => execFileSync('chown', ['-R', '0', host.config.state_dir]));
      }
      const stat = device('/dev/tpmrm9', { uid: 0, gid: 106, mode: 0o020_660 });
      return { ...variant(tcti('device:/dev/tpmrm9')), stat };
    },
  ],
  [
    'the device past the resource manager',
    'resource-manager',
    () => {
      const real = loadAddon();
      const openTpm: typeof real.openTpm = (input) => real.openTpm({ ...input, tcti: host.tpm.tcti });
      const addon = () => Object.assign(Object.create(real), { openTpm }) as typeof real;
      return { ...variant(tcti('device:/dev/tpm9')), stat: device('/dev/tpm9', { mode: 0o020_666 }), addon };
    },
  ],
  [
    'a TPM in failure mode',
    'tpm',
    (after) => {
      after(host.tpm.proxy?.inject({ rc: 0x101 }) as () => void);
      return variant(['[tpm]', '[tpm]\ndeadline_ms = 500']);
    },
  ],
];

describe('a healthy host', () => {
  it('is well, every check having run', { timeout: 120_000 }, async () => {
    const judged = await examine(base);
    expect(judged.filter((j) => j.status === 'wrong' || j.status === 'unknown')).toEqual([]);
    expect([verdictOf(judged), exitOf(judged)]).toEqual(['well', 0]);
    expect(judged.map((j) => j.id)).toEqual(CHECKS.map((c) => c.id));
    expect(new Set(CHECKS.map((c) => c.id)).size).toBe(CHECKS.length);
    // The operators' page names each of them, and no other.
    const page = readFileSync(join(CHECKOUT, 'docs/operators.md'), 'utf8');
    const named = /What it looks at:([^#]*?)\.\n/.exec(page)?.[1]?.match(/[a-z][a-z-]*/g) ?? [];
    expect(named.sort()).toEqual(CHECKS.map((c) => c.id).sort());
  });

  it('is not well where nothing was looked at, or a check broke', async () => {
    expect(verdictOf([])).toBe('unknown');
    const check = { id: 'x', title: 'x', run: () => Promise.reject(new Error('no')) };
    const judged = await examine(base, [check]);
    expect([judged[0]?.status, exitOf(judged)]).toEqual(['unknown', 4]);
  });
});

describe('a broken host', () => {
  it('each is of a check', () => {
    const ids = new Set(BROKEN.flatMap(([, id]) => id));
    for (const id of ids) expect(CHECKS.map((c) => c.id)).toContain(id);
  });

  it.each(BROKEN)('%s: %s', { timeout: 120_000 }, async (_, id, broken) => {
    const mends: (() => void)[] = [];
    let judged: Judged[];
    try {
      const change = await broken((mend) => mends.unshift(mend));
      judged = await examine({ ...base, ...change });
    } finally {
      for (const mend of mends) mend();
    }
    expect(wrongs(judged).sort(), JSON.stringify(judged.filter((j) => j.status === 'wrong'))).toEqual(
      [id].flat().sort(),
    );
    for (const j of judged.filter((x) => x.status === 'wrong')) expect(j.fix).toMatch(/\w/);
    expect([1, 5]).toContain(exitOf(judged));
  });

  it('is well again when all is mended', async () => {
    expect(wrongs(await examine(base))).toEqual([]);
  });
});
