/**
 * Broken hosts, each diagnosed by the id of what is broken and by no other id turning wrong. One host is made and
 * enrolled by attestctl, its daemon runs and is stopped; then what that daemon said is said again by a stand-in, so that
 * the software TPM, which serves one user, is free to be examined. Every case breaks one thing and mends it again.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  type Stats,
  type StatsFs,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createPlain } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountOf } from '../../src/cli/doctor/account.ts';
import { CHECKS, examine, exitOf, type Judged, verdictOf } from '../../src/cli/doctor/examine.ts';
import { type Surroundings, thisMachine, UNITS } from '../../src/cli/doctor/surroundings.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { readLog } from '../../src/store/reader.ts';
import { ROOT as CHECKOUT } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { type Swtpm, startSwtpm } from '../kit/swtpm.ts';
import { makeWitness } from '../kit/witness.ts';

const ROOT = process.geteuid?.() === 0;
const NOBODY = 65_534;

let host: EnrolledHost;
let toml: string;
let status: Record<string, unknown>;
/** The same, as attestctl prints it for a person. */
let table: string;
let sealedAt: number;
let base: Surroundings;
/** What the stand-in of the daemon says. */
let answer: Record<string, unknown>;
const servers: Server[] = [];
const others: Swtpm[] = [];
/** The TPM as it was before the daemon ran. */
let before: string;
let made = 0;

const units = (file: string, active = 'active', result = 'success', more = '') =>
  UNITS.map(
    (u) =>
      `Id=${u}\nLoadState=loaded\nUnitFileState=${file}\nActiveState=${active}\nResult=${result}\n${more}`,
  );
/** What systemctl says of a unit that keeps its process from all devices but these. */
const closedBut =
  (...devices: string[]) =>
  async () =>
    units(
      'enabled',
      'active',
      'success',
      `DevicePolicy=closed\n${devices.map((d) => `DeviceAllow=${d} rw\n`).join('')}`,
    ).join('\n');
/** The addon, which opens the TPM of the host whatever it is told to open. */
const anyDevice = () => {
  const real = loadAddon();
  const openTpm: typeof real.openTpm = (input) => real.openTpm({ ...input, tcti: host.tpm.tcti });
  return () => Object.assign(Object.create(real), { openTpm }) as typeof real;
};

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

/** Not `execFileSync`: the fault proxy in front of the TPM is in this process. @returns stdout */
const tool = async (to: string, name: string, ...args: string[]): Promise<string> =>
  (await promisify(execFile)(name, args, { env: { ...process.env, TPM2TOOLS_TCTI: to }, cwd: host.dir }))
    .stdout;
const failing = (to: string, name: string, ...args: string[]) =>
  expect(tool(to, name, ...args)).rejects.toThrow();

/** Another software TPM in the state of the host's own, or in that of a copy. */
async function twin(pcrs: boolean, copy = host.tpm.copyState()): Promise<Swtpm> {
  const tpm = await startSwtpm({ pcrs });
  others.push(tpm);
  await tpm.restoreState(copy);
  return tpm;
}

beforeAll(async () => {
  host = await makeEnrolledHost();
  before = host.tpm.copyState();
  const observe = host.at('observe.sock');
  toml = `${readFileSync(host.at('attestd.toml'), 'utf8')}\n[observer]\nsocket = "${observe}"\n[policy]\ndirectory = ""\n`;
  writeFileSync(host.at('attestd.toml'), toml);
  await listen(observe);
  const daemon = await host.up();
  await host.recorded('true');
  status = JSON.parse(await host.must(['status', '--json']));
  table = await host.must(['status']);
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
  sealedAt = readLog(host.logDir).checkpoint()?.timeMs ?? 0;
  answer = { ...status, tpm: null };
  await listen(host.socket);
  await listen(host.at('admin.sock'));
  chmodSync(host.socket, 0o660);
  chmodSync(host.at('admin.sock'), 0o600);
  chmodSync(observe, 0o666);
}, 400_000);

afterAll(async () => {
  for (const s of servers) s.close();
  await Promise.all(others.map((t) => t.stop()));
  await host?.remove();
});

const wrongs = (judged: readonly Judged[]) => judged.filter((j) => j.status === 'wrong').map((j) => j.id);

type Mend = () => unknown;
type Broken = (after: (mend: Mend) => void) => Partial<Surroundings> | Promise<Partial<Surroundings>>;

/** Replaces a file for the time of a case. */
function replace(path: string, content: string | Uint8Array | undefined, after: (mend: Mend) => void): void {
  renameSync(path, `${path}.kept`);
  if (content !== undefined) writeFileSync(path, content, { mode: 0o600 });
  after(() => renameSync(`${path}.kept`, path));
}
function mode(path: string, to: number, after: (mend: Mend) => void): Partial<Surroundings> {
  const was = statSync(path).mode & 0o777;
  chmodSync(path, to);
  after(() => chmodSync(path, was));
  return {};
}
function said(more: Record<string, unknown>, after: (mend: Mend) => void): Partial<Surroundings> {
  const was = answer;
  answer = { ...answer, ...more };
  after(() => {
    answer = was;
  });
  return {};
}
const statfs = (more: Partial<StatsFs>) => ({
  statfs: (p: string) => ({ ...statfsSync(p), ...more }) as StatsFs,
});
/** A character device of this owner and mode where there is none. */
const device = (path: string, more: Partial<Stats>) => (p: string) =>
  p === path
    ? (Object.assign(Object.create(statSync('/dev/null')), more) as Stats)
    : statSync(p, { throwIfNoEntry: false });
const state = (...names: string[]) => join(host.config.state_dir, ...names);
const forward = (text: string, after: (mend: Mend) => void): Partial<Surroundings> => {
  const forwardFile = host.at(`forward-${made++}.toml`);
  writeFileSync(forwardFile, text);
  after(() => renameSync(forwardFile, `${forwardFile}.old`));
  return { forwardFile };
};
/** Nothing listens there: port 1 of this machine. */
const NOWHERE = 'http://127.0.0.1:1';

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
    'an older tpm2-tss than the addon was built for',
    'tss-version',
    () => ({ tssVersion: async () => '2.4.6-1' }),
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
      const stat = device('/dev/tpm9', { mode: 0o020_666 });
      return { ...variant(tcti('device:/dev/tpm9')), stat, addon: anyDevice() };
    },
  ],
  [
    'a device that the unit keeps from the daemon',
    'device-access',
    () => {
      const stat = device('/dev/tpmrm1', { mode: 0o020_666 });
      const systemctl = closedBut('/dev/tpmrm0', '/dev/nsm');
      return { ...variant(tcti('device:/dev/tpmrm1')), stat, systemctl, addon: anyDevice() };
    },
  ],
  [
    'a TPM that the daemon tries in vain to open',
    ['daemon', 'tpm'],
    async (after) => {
      const lock = spawn('flock', [join(host.logDir, 'lock'), '-c', 'echo held; exec cat'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      after(async () => {
        lock.stdin.end();
        await once(lock, 'exit');
      });
      await once(lock.stdout, 'data');
      return said({ phase: 'absent', reason: { code: 'TPM_TIMEOUT', detail: 'no answer' } }, after);
    },
  ],
  [
    'a TPM that answers anybody but the daemon',
    'daemon',
    (after) => said({ phase: 'absent', reason: { code: 'TPM_UNAVAILABLE', detail: 'EPERM' } }, after),
  ],
  [
    'a TPM in failure mode',
    'tpm',
    (after) => {
      after(host.tpm.proxy?.inject({ rc: 0x101 }) as () => void);
      return variant(['[tpm]', '[tpm]\ndeadline_ms = 500']);
    },
  ],
  [
    'a TPM in lockout',
    'lockout',
    async (after) => {
      const t = (name: string, ...args: string[]) => tool(host.tpm.tcti, name, ...args);
      await t('tpm2_dictionarylockout', '-s', '-n', '2', '-t', '1000', '-l', '1000');
      await t(
        'tpm2_nvdefine',
        '0x1500016',
        '-C',
        'o',
        '-s',
        '8',
        '-a',
        'authread|authwrite|ownerwrite',
        '-p',
        'good',
      );
      for (let i = 0; i < 2; i++)
        await failing(host.tpm.tcti, 'tpm2_nvread', '0x1500016', '-C', '0x1500016', '-P', 'bad');
      after(async () => {
        await t('tpm2_dictionarylockout', '-c');
        await t('tpm2_nvundefine', '0x1500016', '-C', 'o');
      });
      return {};
    },
  ],
  [
    'a TPM full of what others left',
    'handles',
    async (after) => {
      for (let i = 0; i < 3; i++)
        await tool(host.tpm.tcti, 'tpm2_createprimary', '-Q', '-C', 'n', '-G', 'ecc', '-c', `left-${i}.ctx`);
      after(() => tool(host.tpm.tcti, 'tpm2_flushcontext', '-t'));
      return {};
    },
  ],
  [
    'a TPM without the curve',
    'algorithms',
    (after) => {
      after(host.tpm.proxy?.inject({ cc: 0x18a, rc: 0x1e6 }) as () => void);
      return {};
    },
  ],
  [
    'a software TPM that is called none',
    'assurance',
    () => variant(['assurance = "software"', 'assurance = "tpm"']),
  ],
  [
    'a hierarchy that wants an authorisation',
    'keys',
    async (after) => {
      await tool(host.tpm.tcti, 'tpm2_changeauth', '-c', 'e', 'secret');
      after(() => tool(host.tpm.tcti, 'tpm2_changeauth', '-c', 'e', '-p', 'secret'));
      return {};
    },
  ],
  ['a boot that nothing measured', 'pcr-zero', async () => variant(tcti((await twin(false)).tcti))],
  [
    'a TPM without a SHA-256 bank',
    'pcr-bank',
    async () => {
      const tpm = await twin(false);
      await tool(tpm.tcti, 'tpm2_pcrallocate', '-Q', 'sha1:all+sha256:none');
      await tpm.reset({ orderly: true });
      return variant(tcti(tpm.tcti));
    },
  ],
  [
    'no EK certificate',
    'ek-certificate',
    async () => {
      const tpm = await twin(true);
      const indices =
        (await tool(tpm.tcti, 'tpm2_getcap', 'handles-nv-index')).match(/0x1c0[0-9a-f]+/gi) ?? [];
      for (const index of indices) await tool(tpm.tcti, 'tpm2_nvundefine', index, '-C', 'p');
      return variant(tcti(tpm.tcti));
    },
  ],
  ['an EK certificate of a vendor that is not known', 'ek-root', () => ({ ekRoots: host.at('ca/root.pem') })],
  [
    'a host that nobody made',
    'initialised',
    () => {
      mkdirSync(host.at('empty'), { mode: 0o700, recursive: true });
      return variant(
        [/state_dir = "[^"]*"/, `state_dir = "${host.at('empty')}"`],
        ['[tpm]', '[tpm]\ncounter_index = 0x01800300'],
      );
    },
  ],
  [
    'the same, with the place of its counter taken',
    ['initialised', 'nv-space'],
    () => variant([/state_dir = "[^"]*"/, `state_dir = "${host.at('empty')}"`]),
  ],
  [
    'keys of another TPM',
    'keys',
    (after) => {
      const file = state('identity/identity.json');
      const identity = JSON.parse(readFileSync(file, 'utf8'));
      const blob = Buffer.from(identity.ak.private, 'base64');
      blob[blob.length - 1] = (blob.at(-1) as number) ^ 1;
      identity.ak.private = blob.toString('base64');
      replace(file, JSON.stringify(identity), after);
      return {};
    },
  ],
  [
    'keys without their authorisation',
    'keys',
    (after) => {
      replace(state('identity/identity.auth'), undefined, after);
      return {};
    },
  ],
  [
    'a host without a certificate',
    'certificate',
    (after) => {
      replace(state('identity/certificate.pem'), undefined, after);
      return {};
    },
  ],
  [
    'an expired certificate',
    'certificate-expiry',
    (after) => {
      const { ekRoots: _, ...rest } = base;
      base = rest;
      after(() => {
        base = { ...rest, ekRoots: host.at('vendor.pem') };
      });
      said({ phase: 'starting' }, after);
      return { now: () => Date.UTC(2070, 0, 1) };
    },
  ],
  ['a TPM that was put back', 'counter', async () => variant(tcti((await twin(true, before)).tcti))],
  [
    'a state directory that others may enter',
    'state-directory',
    (after) => mode(host.config.state_dir, 0o755, after),
  ],
  [
    'no state directory',
    ['initialised', 'state-directory'],
    () =>
      variant(
        [/state_dir = "[^"]*"/, `state_dir = "${host.at('nothing')}"`],
        ['[tpm]', '[tpm]\ncounter_index = 0x01800300'],
      ),
  ],
  [
    'key blobs that others may read',
    'secrets',
    (after) => mode(state('identity/identity.auth'), 0o644, after),
  ],
  ['a full disk', 'disk', () => statfs({ bavail: 10 })],
  ['a disk without inodes', 'inodes', () => statfs({ files: 10_000, ffree: 3 })],
  [
    'no spare segment',
    'spare',
    (after) => {
      replace(join(host.logDir, 'wal/spare'), undefined, after);
      return {};
    },
  ],
  [
    'a clock that went back',
    'clock',
    // The certificates of the TPM are a few seconds old, and not looked at here.
    () => ({ ekRoots: host.at('none.pem'), now: () => sealedAt - 30_000 }),
  ],
  ['an admin socket for everybody', 'admin-socket', (after) => mode(host.at('admin.sock'), 0o666, after)],
  ['a socket for nobody', 'socket-access', (after) => mode(host.socket, 0o600, after)],
  ['no root helper', 'observer', () => variant([host.at('observe.sock'), host.at('no.sock')])],
  ['no daemon', 'daemon', () => variant([host.socket, host.at('nobody.sock')])],
  ['something else on the socket', 'daemon', (after) => said({ schema: 'other' }, after)],
  [
    'a daemon that systemd gave up',
    'daemon',
    () => ({ systemctl: async () => units('enabled', 'failed').join('\n') }),
  ],
  [
    'a daemon that systemd starts again and again',
    'daemon',
    () => ({ systemctl: async () => units('enabled', 'activating', 'exit-code').join('\n') }),
  ],
  [
    'the same, before its next start',
    'daemon',
    () => ({ systemctl: async () => units('enabled', 'deactivating', 'watchdog').join('\n') }),
  ],
  [
    'a daemon that refuses to go on',
    'daemon',
    (after) => said({ phase: 'failed', reason: { code: 'STORE_CORRUPT', detail: 'segment 3' } }, after),
  ],
  [
    'a daemon that cannot write',
    'daemon',
    (after) => said({ health: { canRecord: false, canSeal: true, reasons: ['log: no space'] } }, after),
  ],
  [
    'a daemon that cannot seal',
    'last-seal',
    (after) =>
      said({ health: { canRecord: true, canSeal: false, reasons: ['seal: TPM_RC_FAILURE'] } }, after),
  ],
  ['a seal of yesterday', 'last-seal', () => ({ now: () => sealedAt + 86_400_000 })],
  [
    'policies that nobody signed',
    'policy',
    () => {
      mkdirSync(host.at('policies'));
      writeFileSync(host.at('policies/a.cedar'), 'permit (principal, action, resource);\n');
      return variant([
        'directory = ""',
        `directory = "${host.at('policies')}"\nkeys = ["${host.at('ca/root.pem')}"]`,
      ]);
    },
  ],
  ['attestd-forward with a wrong key', 'forward-config', (after) => forward('sockt = "/x"\n', after)],
  [
    'a timestamp authority that is not there',
    'timestamps',
    (after) =>
      forward(`[[tsa]]\nname = "t"\nurl = "${NOWHERE}/"\nroot = "${host.at('ca/root.pem')}"\n`, after),
  ],
  [
    'a witness that is not there',
    'witnesses',
    (after) =>
      forward(
        `[[witness]]\nname = "w"\nurl = "${NOWHERE}/w"\nvkey = "${makeWitness('w.example').vkey}"\n`,
        after,
      ),
  ],
];
if (ROOT) {
  (BROKEN as unknown as unknown[]).push([
    'a file of root in the state',
    'state-owner',
    ((after) => {
      const file = state('current.json');
      chownSync(file, NOBODY, NOBODY);
      after(() => chownSync(file, 0, 0));
      return {};
    }) satisfies Broken,
  ]);
}

describe('a healthy host', () => {
  it('has a status in which instants are dates', () => {
    const { expires } = status.health as { expires: number };
    expect(table).toMatch(new RegExp(`^health\\.expires +${new Date(expires).toISOString()}$`, 'm'));
  });

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
  it('there are enough of them, for nearly every check', () => {
    expect(BROKEN.length).toBeGreaterThanOrEqual(25);
    const ids = new Set(BROKEN.flatMap(([, id]) => id));
    for (const id of ids) expect(CHECKS.map((c) => c.id)).toContain(id);
    expect(ids.size).toBeGreaterThanOrEqual(25);
  });

  it.each(BROKEN)('%s: %s', { timeout: 120_000 }, async (_, id, broken) => {
    const mends: Mend[] = [];
    let judged: Judged[];
    try {
      const change = await broken((mend) => mends.unshift(mend));
      judged = await examine({ ...base, ...change });
    } finally {
      for (const mend of mends) await mend();
    }
    expect(wrongs(judged).sort(), JSON.stringify(judged.filter((j) => j.status === 'wrong'))).toEqual(
      [id].flat().sort(),
    );
    for (const j of judged.filter((x) => x.status === 'wrong')) expect(j.fix).toMatch(/\w/);
    expect([1, 5]).toContain(exitOf(judged));
  });

  it.skipIf(!ROOT)('is not called so because of who looks', async () => {
    // Root may do anything, so the file says that it is not for others.
    const mends: Mend[] = [];
    const path = host.tpm.tcti.replace('swtpm:path=', '');
    mode(path, 0o600, (mend) => mends.push(mend));
    const judged = await examine({ ...base, me: () => ({ uid: 4711, groups: [4711] }) });
    for (const mend of mends) await mend();
    expect(wrongs(judged)).toEqual([]);
    expect(judged.find((j) => j.id === 'socket-access')).toMatchObject({
      status: 'warn',
      fix: expect.stringMatching(/^adduser 4711 \w+, and log in anew$/),
    });
    for (const id of ['tpm', 'lockout', 'keys'])
      expect(judged.find((j) => j.id === id)).toMatchObject({
        status: 'unknown',
        sentence: 'You may not use it.',
        fix: 'sudo attestctl doctor',
      });
  });

  it.skipIf(!ROOT)('is told by whoever may not look that they may not', async () => {
    const mends: Mend[] = [];
    mode(host.dir, 0o711, (mend) => mends.push(mend));
    mode(host.config.state_dir, 0o700, (mend) => mends.push(mend));
    const changed = variant(['state_dir', 'state_dir']);
    chmodSync(changed.configFile as string, 0o644);
    const ids = ['initialised', 'certificate', 'state-owner', 'secrets', 'spare', 'clock', 'last-seal'];
    process.seteuid?.(NOBODY);
    let judged: Judged[];
    try {
      judged = await examine(
        { ...base, ...changed },
        CHECKS.filter((c) => ids.includes(c.id)),
      );
    } finally {
      process.seteuid?.(0);
      for (const mend of mends) await mend();
    }
    expect(judged.map(({ id, status, fix }) => [id, status, fix])).toEqual(
      judged.map(({ id }) => [id, 'unknown', 'sudo attestctl doctor']),
    );
  });

  it.each([
    ['goes by what its unit says of devices', ['/dev/tpmrm1'], 'ok'],
    ['and of a whole class of them', ['char-tpm'], 'ok'],
  ])('%s', async (_, allowed, status) => {
    const stat = device('/dev/tpmrm1', { mode: 0o020_666 });
    const around = {
      ...base,
      ...variant(tcti('device:/dev/tpmrm1')),
      stat,
      systemctl: closedBut(...allowed),
    };
    const judged = await examine(
      around,
      CHECKS.filter((c) => c.id === 'device-access'),
    );
    expect(judged[0]).toMatchObject({ status });
  });

  it('is told what brings back a daemon whose socket is gone, and one that says nothing', async () => {
    const daemon = CHECKS.filter((c) => c.id === 'daemon');
    const gone = await examine({ ...base, ...variant([host.socket, host.at('nobody.sock')]) }, daemon);
    expect(gone[0]?.fix).toMatch(/^systemctl restart attestd\.socket attestd\.service;/);
    // One byte now and then is no answer either.
    const path = host.at('trickle.sock');
    const trickle = createPlain((s) => {
      s.on('error', () => undefined);
      s.write('HTTP/1.1 200 OK\r\n\r\n');
      const timer = setInterval(() => s.write(' '), 500);
      s.on('close', () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => trickle.listen(path, resolve));
    const silent = await examine({ ...base, ...variant([host.socket, path]) }, daemon);
    trickle.close();
    expect(silent[0]).toMatchObject({
      status: 'wrong',
      sentence: expect.stringMatching(/^It runs, and does not answer: no answer within/),
      fix: expect.stringMatching(/^systemctl restart attestd;/),
    });
  });

  it('is told to restart what was masked, with the service behind it', async () => {
    const systemctl = async () => units('masked').join('\n');
    const [found] = await examine(
      { ...base, systemctl },
      CHECKS.filter((c) => c.id === 'units'),
    );
    expect(found?.fix?.split(', then ')[1]).toBe(
      'systemctl restart attestd.socket attestd.service attestd-admin.socket attestd-observe.socket attestd-observe.service',
    );
  });

  it.each([
    ['from the first command', 0, 'tpm'],
    ['in the midst of the examination', 12, 'tpm-clock'],
  ])(
    'whose TPM hangs %s is examined to the end',
    async (_, commands, id) => {
      const release = host.tpm.proxy?.inject({ hang: true, after: commands }) as () => void;
      const judged = await examine({ ...base, ...variant(['[tpm]', '[tpm]\ndeadline_ms = 1000']) });
      release();
      host.tpm.proxy?.release();
      expect(judged.map((j) => j.id)).toEqual(CHECKS.map((c) => c.id));
      expect(judged.find((j) => j.id === 'counter')?.status).toBe('unknown');
      expect(wrongs(judged)).toEqual([id]);
      // Whatever comes after is not waited for again.
      const waited = judged.filter(
        (j) =>
          /no answer before the deadline|stalled/.test(j.sentence) && !/cannot be asked/.test(j.sentence),
      );
      expect(waited.length).toBeLessThanOrEqual(1);
    },
    120_000,
  );

  it('takes an account that passwd does not list for a member of no group', () => {
    const etc = host.at('etc-of-others');
    mkdirSync(etc);
    writeFileSync(join(etc, 'passwd'), 'root:x:0:0::/root:/bin/sh\n');
    writeFileSync(join(etc, 'group'), 'root:x:0:\ntss:x:106:\n');
    const stat = () => Object.assign(Object.create(statSync('/')), { uid: 4711 }) as Stats;
    expect(accountOf({ ...base, etc, stat }, '/')).toMatchObject({ uid: 4711, groups: [] });
  });

  it('is not one with a newer tpm2-tss of the same interface, as the next Debian has', async () => {
    const judged = await examine({ ...base, tssVersion: async () => '9.1.0-1' });
    expect(judged.find((j) => j.id === 'tss-version')).toMatchObject({ status: 'ok' });
  });

  it('is told of an index that is not written, and how that ends', async () => {
    const mends: Mend[] = [];
    const reasons = ['index: it is not written any more'];
    said({ health: { canRecord: true, canSeal: true, reasons } }, (mend) => mends.push(mend));
    const judged = await examine(base);
    for (const mend of mends) await mend();
    expect(judged.find((j) => j.id === 'daemon')).toMatchObject({
      status: 'warn',
      sentence: expect.stringContaining('Index: it is not written any more.'),
      fix: expect.stringContaining('systemctl restart attestd'),
    });
  });

  it('is told of a configuration for another host than its log is of', async () => {
    const judged = await examine({ ...base, ...variant([/^host = "[^"]*"/m, 'host = "another"']) });
    const found = judged.find((j) => j.id === 'initialised');
    expect([found?.status, found?.sentence]).toEqual(['warn', expect.stringMatching(/for [^/]+\/another\./)]);
    expect(wrongs(judged)).toEqual([]);
  });

  it('is well again when all is mended', async () => {
    expect(wrongs(await examine(base))).toEqual([]);
  });
});

describe('attestctl doctor', () => {
  it('prints one document, or a table with sign, word and fix; and changes nothing', async () => {
    const files = () =>
      execFileSync('find', [host.config.state_dir, '-printf', '%p %s %m %U %T@\n']).toString();
    const was = files();
    const config = ['--config', host.at('attestd.toml'), '--forward-config', host.at('forward.toml')];
    const json = await host.ctl(['doctor', ...config, '--json']);
    const document = JSON.parse(json.stdout);
    expect(document).toMatchObject({ schema: 'attestd.dev/doctor/v1', verdict: expect.any(String) });
    expect(document.checks.map((c: Judged) => c.id)).toEqual(CHECKS.map((c) => c.id));
    const text = await host.ctl(['doctor', '--config', host.at('none.toml')]);
    expect(text.status).toBe(1);
    expect(text.stdout).toMatch(/^✗ wrong {4}config +It cannot be used: [^\n]+\n +→ mend /);
    expect(files()).toBe(was);
  });
});
