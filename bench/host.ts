/** A whole host for a measurement: software TPM behind a proxy that delays it, state directory, daemon process. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Swtpm, startSwtpm } from '../test/kit/swtpm.ts';
import { CC } from '../test/kit/wire.ts';

const run = promisify(execFile);

/** The checkout: this file runs from `build/tools/bench`. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const CTL = join(ROOT, 'dist/cli/main.js');
const DAEMON = join(ROOT, 'dist/daemon/main.js');
/** What the unit tells V8: a daemon that is measured runs as an installed one. */
const FLAGS = /^ExecStart=\S+ ((?:--\S+ )*)\S*main\.js /m
  .exec(readFileSync(join(ROOT, 'systemd/attestd.service'), 'utf8'))?.[1]
  ?.split(' ')
  .filter((word) => word !== '');

export interface Host {
  readonly dir: string;
  readonly socket: string;
  readonly tpm: Swtpm;
  /** Runs attestctl with the configuration of this host. */
  ctl(...args: string[]): Promise<string>;
  /** Sets how long quote, sign and NV certify take, in milliseconds. */
  delay(ms: number): void;
  /** Starts the daemon; answers the milliseconds until it could record. */
  start(): Promise<number>;
  /** Ends the daemon cleanly. */
  stop(): Promise<void>;
  get(path: string): Promise<Record<string, unknown>>;
  /** Resident anonymous memory of the daemon, bytes. */
  anonymous(): number;
  remove(): Promise<void>;
}

/** One benchmark caller stands for many: it gets what a whole host may have. */
const WIDE = [
  'connections = 4096\nconnections_per_caller = 4096\nrecords_per_second = 10000000\nburst = 10000000',
  'in_flight_per_caller = 8192\nbytes_per_caller = 16777216',
].join('\n');

export interface HostOptions {
  /** Further sections of its configuration. */
  readonly sections?: readonly string[];
  /** The section of limits; wide ones by default. */
  readonly limits?: string;
  /** Callers of any user may connect. */
  readonly everybody?: boolean;
  /** A TPM that is there already, instead of one of its own. */
  readonly tcti?: string;
}

/** Makes a host that is initialised and not running. */
export async function makeHost(options: HostOptions = {}): Promise<Host> {
  const { sections = [], limits = WIDE, everybody = false } = options;
  const dir = mkdtempSync(join(tmpdir(), 'attestd-bench-'));
  const own = options.tcti === undefined ? await startSwtpm({ proxy: true }) : undefined;
  const tcti = options.tcti ?? own?.tcti;
  const socket = join(dir, 'attestd.sock');
  const config = join(dir, 'attestd.toml');
  mkdirSync(join(dir, 'state'), { mode: 0o700 });
  writeFileSync(
    config,
    [
      'fleet = "bench"',
      'host = "host-1"',
      `state_dir = "${join(dir, 'state')}"`,
      `[socket]\npath = "${socket}"\nmode = "${everybody ? '0666' : '0660'}"`,
      `[admin_socket]\npath = "${join(dir, 'admin.sock')}"`,
      `[tpm]\ntcti = "${tcti}"\nassurance = "software"\nsessions = "salted"`,
      `[limits]\n${limits}`,
      '[log]\nlevel = "warn"',
      ...sections,
    ].join('\n'),
  );
  if (everybody) chmodSync(dir, 0o755);
  let child: ChildProcess | undefined;
  let undo: (() => void)[] = [];
  const host: Host = {
    dir,
    socket,
    get tpm() {
      if (own === undefined) throw new Error('this host has no TPM of its own');
      return own;
    },
    async ctl(...args) {
      const needs =
        ['init', 'recover'].includes(args[0] as string) || (args[0] === 'enroll' && args.length > 1);
      const { stdout } = await run('node', [CTL, ...args, ...(needs ? ['--config', config] : [])], {
        env: { ...process.env, ATTESTD_SOCKET: socket },
        maxBuffer: 64 * 1024 * 1024,
      });
      return stdout;
    },
    delay(ms) {
      for (const f of undo) f();
      undo =
        ms === 0
          ? []
          : [CC.quote, CC.sign, CC.nvCertify].map(
              (cc) => own?.proxy?.inject({ cc, delayMs: ms }) ?? (() => undefined),
            );
    },
    async start() {
      const from = performance.now();
      child = spawn('node', [...(FLAGS ?? []), DAEMON, '--config', config], {
        stdio: ['ignore', 2, 'inherit'],
      });
      for (;;) {
        if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}`);
        const health = await host.get('/v1/health').catch(() => undefined);
        if (health !== undefined && JSON.stringify(health).includes('"canRecord":true')) break;
        await sleep(5);
      }
      return performance.now() - from;
    },
    async stop() {
      const ending = child;
      child = undefined;
      if (ending === undefined) return;
      const ended = new Promise((resolve) => ending.once('exit', resolve));
      ending.kill('SIGTERM');
      await ended;
    },
    get: (path) => get(socket, path),
    anonymous() {
      const status = readFileSync(`/proc/${child?.pid}/status`, 'utf8');
      return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    },
    async remove() {
      await host.stop();
      await own?.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await host.ctl('init');
  return host;
}

function get(socketPath: string, path: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const r = request({ socketPath, path, headers: { 'attestd-client': 'bench/1' } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (c: Buffer) => chunks.push(c));
      answer.on('end', () =>
        resolve(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>),
      );
    });
    r.on('error', reject);
    r.end();
  });
}
