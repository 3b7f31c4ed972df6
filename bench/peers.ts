/**
 * Individually signed requests: a P-256 key in the TPM signs for one caller, one request after the other. attestd in both
 * of its session modes, others who do such a thing, and ESAPI itself as the floor, in turn on one software TPM. Only
 * attestd and Parsec are daemons that say who the caller is; the others sign for whoever holds the TPM.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Host, makeHost, ROOT } from './host.ts';
import { type NetTpm, startNetTpm } from './nettpm.ts';
import { type Figure, median } from './report.ts';

const run = promisify(execFile);
const BUILT = join(ROOT, 'build/peers');
/** Where the key of tpm2-tools stays: without a resource manager each process would leave one loaded. */
const HELD = '0x81000010';
/** The first of each are the compiler's and the caches'. */
const WARM = 200;

export interface Peer {
  readonly name: string;
  readonly what: string;
  readonly version: string;
  /** Medians over the rounds; absent where it was not run. */
  readonly p50?: number;
  readonly rate?: number;
  readonly signatures?: number;
  /** Why it was not run. */
  readonly missing?: string;
}

interface Way {
  readonly name: string;
  /** Whose `.version` or `.missing` in build/peers speaks for it. */
  readonly built?: string;
  readonly what: string;
  readonly version?: string;
  /** Milliseconds of so many signatures. */
  times(count: number): Promise<number[]>;
  /** A process for each signature: fewer of them are enough. */
  readonly slow?: boolean;
}

const built = (name: string, what: 'version' | 'missing'): string | undefined => {
  const file = join(BUILT, `${name}.${what}`);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
};

async function lines(
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<number[]> {
  const { stdout } = await run(file, [...args], { env: { ...process.env, ...env } });
  return stdout.trim().split('\n').map(Number);
}

/** The ways to sign on this TPM. @param host attestd, initialised on it */
async function ways(dir: string, tpm: NetTpm, host: Host): Promise<Way[]> {
  const env = { TCTI: tpm.tcti, TPM2TOOLS_TCTI: tpm.tcti, TPM2OPENSSL_TCTI: tpm.tcti };
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const attestd = (mode: 'password' | 'salted'): Way => ({
    name: `attestd-${mode}`,
    built: 'attestd',
    what: `attestd, ${mode} mode: POST /v1/keys/{name}/sign`,
    version: `attestd ${version}, Node ${process.versions.node}`,
    async times(count) {
      const config = join(host.dir, 'attestd.toml');
      const text = readFileSync(config, 'utf8');
      writeFileSync(config, text.replace(/^sessions = .*$/m, `sessions = "${mode}"`));
      await host.start();
      try {
        return await lines(join(BUILT, 'attestd'), [host.socket, String(count)]);
      } finally {
        await host.stop();
      }
    },
  });
  const raw = (mode: 'password' | 'salted'): Way => ({
    name: `esapi-${mode}`,
    built: 'esapi',
    what: `ESAPI itself in C, ${mode}: TPM2_Sign`,
    times: (count) => lines(join(BUILT, 'esapi'), [mode, String(count)], env),
  });
  const attestation = (what: 'sign' | 'quote'): Way => ({
    name: `attestation-${what}`,
    built: 'attestation',
    what:
      what === 'sign' ? 'go-attestation: an application key signs' : 'go-attestation: AK.Quote with all PCRs',
    times: (count) => lines(join(BUILT, 'attestation'), [what, String(count), `127.0.0.1:${tpm.port}`]),
  });
  /** Each a process of its own, with what it needs made once. */
  const tool = (name: 'tpm2_sign' | 'tpm2_quote', make: string, args: string): Way => ({
    name,
    built: 'tools',
    what: `${name}, a process each`,
    slow: true,
    async times(count) {
      const shell = (script: string) =>
        run('sh', ['-ec', script], { cwd: dir, env: { ...process.env, ...env } });
      await shell(make);
      const times: number[] = [];
      for (let i = 0; i < count; i++) {
        const from = performance.now();
        await run(name, args.split(' '), { cwd: dir, env: { ...process.env, ...env } });
        times.push(performance.now() - from);
      }
      await shell(`tpm2_evictcontrol -Q -C o -c ${HELD}`);
      return times;
    },
  });
  const parsec = (name: string, what: string, core: string): Way => ({
    name,
    built: 'parsec',
    what,
    times: (count) =>
      withParsec(dir, tpm, core, (endpoint) =>
        lines(join(BUILT, 'parsec'), [String(count)], { PARSEC_SERVICE_ENDPOINT: endpoint }),
      ),
  });
  const make = (kind: string, attributes: string) =>
    `tpm2_createprimary -Q -C e -G ecc -c p.ctx; tpm2_flushcontext -t; printf 01234567890123456789012345678901 >message
     tpm2_create -Q -C p.ctx -G ${kind} -a '${attributes}' -u k.pub -r k.priv; tpm2_flushcontext -t
     tpm2_load -Q -C p.ctx -u k.pub -r k.priv -c k.ctx; tpm2_evictcontrol -Q -C o -c k.ctx ${HELD}; tpm2_flushcontext -t`;
  const flags = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign';
  return [
    attestd('password'),
    attestd('salted'),
    parsec('parsec', "Parsec's service: psa_sign_hash", ''),
    parsec(
      'parsec-1ms',
      'the same, told to look for connections every millisecond',
      '\nidle_listener_sleep_duration = 1',
    ),
    attestation('sign'),
    attestation('quote'),
    {
      name: 'openssl',
      built: 'openssl',
      what: 'OpenSSL with the tpm2 provider, in one process',
      async times(count) {
        const key = join(dir, 'key.pem');
        const made = ['genpkey', '-provider', 'tpm2', '-provider', 'default', '-algorithm', 'EC'];
        await run('openssl', [...made, '-pkeyopt', 'group:P-256', '-out', key], {
          env: { ...process.env, ...env },
        });
        return lines(join(BUILT, 'openssl'), [key, String(count)], env);
      },
    },
    tool(
      'tpm2_sign',
      make('ecc256:ecdsa-sha256:null', flags),
      `-Q -c ${HELD} -g sha256 -o signature message`,
    ),
    tool(
      'tpm2_quote',
      make('ecc256:ecdsa-sha256:null', `${flags}|restricted`),
      `-Q -c ${HELD} -l sha256:0,1,2,3,4,5,6,7,8,9,11,12,13,14 -q 0123456789abcdef -m quote -s signature -g sha256`,
    ),
    raw('password'),
    raw('salted'),
  ];
}

/** Work with Parsec's service on this TPM. @param core more of its core settings */
async function withParsec<T>(
  dir: string,
  tpm: NetTpm,
  core: string,
  work: (endpoint: string) => Promise<T>,
): Promise<T> {
  const socket = join(dir, 'parsec.sock');
  const database = join(dir, 'parsec.sqlite3');
  rmSync(socket, { force: true });
  rmSync(database, { force: true });
  const config = join(dir, 'parsec.toml');
  writeFileSync(
    config,
    [
      `[core_settings]\nallow_root = true\nlog_level = "error"${core}`,
      `[listener]\nlistener_type = "DomainSocket"\ntimeout = 200\nsocket_path = "${socket}"`,
      '[authenticator]\nauth_type = "UnixPeerCredentials"',
      `[[key_manager]]\nname = "keys"\nmanager_type = "SQLite"\nsqlite_db_path = "${database}"`,
      '[[provider]]\nprovider_type = "Tpm"\nkey_info_manager = "keys"\nowner_hierarchy_auth = ""',
      `tcti = "${tpm.tcti}"\n`,
    ].join('\n'),
  );
  const child = spawn(join(BUILT, 'parsec-service'), ['-c', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  try {
    while (!existsSync(socket)) {
      if (child.exitCode !== null) throw new Error(`Parsec ended with ${child.exitCode}`);
      await sleep(20);
    }
    return await work(`unix:${socket}`);
  } finally {
    child.kill('SIGTERM');
    await gone;
  }
}

/** All of them in turn, so many times over. @param wanted whether one takes part */
export async function comparePeers(
  rounds: number,
  count: number,
  progress: (text: string) => void,
  wanted: (name: string) => boolean,
): Promise<{ readonly peers: Peer[]; readonly figures: Figure[] }> {
  const dir = mkdtempSync(join(tmpdir(), 'attestd-peers-'));
  const tpm = await startNetTpm(dir);
  const limits = 'signatures_per_minute = 60000';
  let host: Host | undefined;
  try {
    host = await makeHost({ limits, tcti: tpm.tcti });
    const all = (await ways(dir, tpm, host)).filter(({ name }) => wanted(name));
    const found = new Map<string, { p50: number[]; rate: number[]; count: number }>();
    const missing = new Map<string, string>();
    for (let round = 0; round < rounds; round++) {
      for (const way of all) {
        const why = way.built === undefined ? undefined : built(way.built, 'missing');
        if (why !== undefined) missing.set(way.name, why);
        if (missing.has(way.name)) continue;
        await tpm.clear();
        const warm = way.slow ? 2 : WARM;
        const times = (await way.times(warm + (way.slow ? Math.ceil(count / 10) : count))).slice(warm);
        const kept = found.get(way.name) ?? { p50: [], rate: [], count: 0 };
        kept.p50.push(median(times));
        kept.rate.push((times.length / times.reduce((a, b) => a + b, 0)) * 1000);
        kept.count += times.length;
        found.set(way.name, kept);
        progress(`round ${round + 1}: ${way.what}: p50 ${median(times).toFixed(2)} ms`);
      }
    }
    const peers = all.map(({ name, what, version, built: by }): Peer => {
      const kept = found.get(name);
      return {
        name,
        what,
        version: version ?? built(by ?? '', 'version') ?? '',
        ...(kept === undefined
          ? { missing: missing.get(name) ?? '' }
          : { p50: median(kept.p50), rate: median(kept.rate), signatures: kept.count }),
      };
    });
    const ratio = (
      what: string,
      [a, b]: readonly [string, string],
      of: 'p50' | 'rate',
      bound: Figure['bound'],
    ): Figure[] => {
      const [x, y] = [found.get(a)?.[of], found.get(b)?.[of]];
      if (x === undefined || y === undefined || bound === undefined) return [];
      const runs = x.map((v, i) => v / (y[i] as number));
      const name = `${a}-${b}`;
      return [{ name, what, value: median(runs), runs, bound, facts: { [a]: median(x), [b]: median(y) } }];
    };
    const least = (value: number) => ({ kind: 'at least', value }) as const;
    const most = (value: number) => ({ kind: 'at most', value }) as const;
    return {
      peers,
      figures: [
        ...ratio('signatures/s, password mode ÷ Parsec', ['attestd-password', 'parsec'], 'rate', least(10)),
        ...ratio(
          'p50, password mode ÷ ESAPI with a password',
          ['attestd-password', 'esapi-password'],
          'p50',
          most(3),
        ),
        ...ratio('signatures/s, salted mode ÷ Parsec', ['attestd-salted', 'parsec'], 'rate', least(2)),
        ...ratio(
          'p50, salted mode ÷ ESAPI in a salted session',
          ['attestd-salted', 'esapi-salted'],
          'p50',
          most(1.5),
        ),
      ],
    };
  } finally {
    await host?.remove();
    await tpm.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The table of peers, for the README. */
export function peerTable(peers: readonly Peer[]): string {
  const rows = peers.map(({ what, version, p50, rate, missing }) =>
    p50 === undefined || rate === undefined
      ? `| ${what} | ${version} | not run: ${missing} | |`
      : `| ${what} | ${version} | ${p50.toPrecision(3)} | ${Math.round(rate).toLocaleString('en')} |`,
  );
  return ['| who signs | version | p50, ms | signatures/s |', '|---|---|---|---|', ...rows, ''].join('\n');
}
