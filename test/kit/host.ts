/**
 * A host whose daemon is a process of its own, the built one, so that it can be killed, traced and starved of its disk:
 * software TPM behind the fault proxy (which outlives every daemon), state directory, sockets. Set ATTESTD_DIST to
 * run another build than dist/.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { auditDirectory } from '../../src/cli/audit/directory.ts';
import { type Client, connect } from '../../src/client/client.ts';
import { type Config, loadConfig } from '../../src/daemon/config.ts';
import { initHost } from '../../src/daemon/init.ts';
import { epochOf, layoutOf, readCurrent } from '../../src/daemon/layout.ts';
import type { AuditReport } from '../../src/verify/audit/finding.ts';
import { type Swtpm, startSwtpm } from './swtpm.ts';

const DIST = process.env.ATTESTD_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url));

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface DaemonProcess {
  readonly pid: number;
  readonly running: boolean;
  readonly ended: Promise<Ending>;
  /** What it wrote to stdout and stderr. */
  output(): string;
  /** Resolves when it takes records. @throws when it ends before, or after `ms` */
  ready(ms?: number): Promise<void>;
  /** Resolves with the code for which it refuses to begin. @throws when it ends, or begins */
  refusal(): Promise<string>;
  /** SIGKILL, and waits. */
  kill(): Promise<Ending>;
  /** SIGTERM, and waits. */
  stop(): Promise<Ending>;
}

export interface ProcessHost {
  /** A folder of this host's own. */
  readonly dir: string;
  readonly tpm: Swtpm;
  readonly config: Config;
  readonly socket: string;
  /** Directory of the log in use. */
  readonly logDir: string;
  /**
   * Starts the daemon. @param tracer command and options to run it under, ending where the program's name stands
   * @param program Node and the daemon's file, where they are others than this Node and the built one
   */
  start(tracer?: readonly string[], program?: readonly string[]): DaemonProcess;
  /** Starts another daemon on the same state and TPM, on sockets of its own. */
  startTwin(): DaemonProcess;
  /** Runs attestctl on this host. */
  ctl(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }>;
  /** Copies the state directory. */
  copyState(): string;
  /** Puts a copy in place of the state directory. */
  restoreState(copy: string): void;
  /** What `attestctl audit` of the state directory finds, the oldest epoch first. */
  audit(): Promise<AuditReport[]>;
  /** Kills the daemon if it runs, ends the TPM, removes the folder. */
  remove(): Promise<void>;
}

export const random = (n: number): Uint8Array => new Uint8Array(randomBytes(n));

/** Waits until `check` gives something. @throws after `ms`, naming what it waited for */
export async function until<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  ms = 60_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await sleep(5);
  }
}

/** Waits for a promise, but no longer than `ms`. @throws naming what it waited for */
export async function within<T>(what: string, promise: Promise<T>, ms = 60_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const running = new Set<ChildProcess>();
const folders = new Set<string>();
process.on('exit', () => {
  for (const c of running) c.kill('SIGKILL');
  for (const f of folders) rmSync(f, { recursive: true, force: true });
});

function follow(child: ChildProcess, socket: string): DaemonProcess {
  let said = '';
  const hear = (b: Buffer) => {
    said = (said + b.toString()).slice(-64 * 1024);
  };
  child.stdout?.on('data', hear);
  child.stderr?.on('data', hear);
  running.add(child);
  const alive = () => child.exitCode === null && child.signalCode === null;
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  async function asked<T>(
    what: string,
    question: (client: Client) => Promise<T | undefined | false>,
    ms?: number,
  ): Promise<T> {
    const client = connect({ socket, client: 'test-kit/1' });
    try {
      const check = () => {
        if (!alive()) throw new Error(`the daemon ended:\n${said}`);
        return question(client).catch(() => undefined);
      };
      return await until(what, check, ms);
    } finally {
      client.close();
    }
  }
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return within(`the daemon to end after ${signal}:\n${said}`, ended);
  };
  return {
    pid: child.pid ?? 0,
    get running() {
      return alive();
    },
    ended,
    output: () => said,
    async ready(ms) {
      const able = async (client: Client) => (await client.health()).canRecord === true;
      await asked('the daemon to take records', able, ms);
    },
    refusal: () =>
      asked('the daemon to refuse to begin', async (client) => {
        const { phase, reason } = await client.status();
        return phase === 'failed' && (reason as { code: string }).code;
      }),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}

/** Sections of the configuration to add, by name: lines of TOML. */
export type Sections = { readonly [section: string]: readonly string[] };

/** Makes an initialised host whose daemon does not run. @param proxy 'managed': before the TPM stands a resource manager */
export async function makeProcessHost(
  sections: Sections = {},
  name = 'host-1',
  proxy: true | 'managed' = true,
): Promise<ProcessHost> {
  const tpm = await startSwtpm({ proxy });
  const dir = mkdtempSync(join(tmpdir(), 'attestd-host-'));
  folders.add(dir);
  const state = join(dir, 'state');
  const file = join(dir, 'attestd.toml');
  const all: Record<string, readonly string[]> = {
    admin_socket: [`path = "${join(dir, 'admin.sock')}"`],
    log: ['level = "info"'],
    ...sections,
    socket: [`path = "${join(dir, 'client.sock')}"`, ...(sections.socket ?? [])],
    tpm: [`tcti = "${tpm.tcti}"`, 'assurance = "software"', 'sessions = "password"', ...(sections.tpm ?? [])],
  };
  const lines = Object.entries(all).flatMap(([name, keys]) => [`[${name}]`, ...keys]);
  const toml = ['fleet = "test"', `host = "${name}"`, `state_dir = "${state}"`, ...lines, ''].join('\n');
  writeFileSync(file, toml);
  const config = loadConfig(file);
  const socket = config.socket.path;
  const daemons: DaemonProcess[] = [];
  let copies = 0;
  function launch(
    configFile: string,
    socketPath: string,
    tracer: readonly string[],
    program: readonly string[] = [process.execPath, join(DIST, 'daemon/main.js')],
  ): DaemonProcess {
    const command = [...tracer, ...program, '--config', configFile];
    const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    const daemon = follow(child, socketPath);
    daemons.splice(0, daemons.length, ...daemons.filter((d) => d.running), daemon);
    return daemon;
  }
  await initHost({ config, now: Date.now, random });
  return {
    dir,
    tpm,
    config,
    socket,
    get logDir() {
      const layout = layoutOf(state);
      return layout.log(epochOf(readCurrent(layout).origin));
    },
    start: (tracer = [], program) => launch(file, socket, tracer, program),
    startTwin() {
      const twin = join(dir, 'twin.toml');
      const other = (path: string) => path.replace(/\.sock$/, '-twin.sock');
      const both = [socket, config.admin_socket.path];
      writeFileSync(
        twin,
        both.reduce((t, path) => t.replace(path, other(path)), toml),
      );
      return launch(twin, other(socket), []);
    },
    ctl(...args) {
      const needs = ['init', 'recover', 'enroll'].includes(args[0] as string) ? ['--config', file] : [];
      const env = { ...process.env, ATTESTD_SOCKET: socket };
      return new Promise((resolve) => {
        execFile(
          process.execPath,
          [join(DIST, 'cli/main.js'), ...args, ...needs],
          { env, timeout: 60_000, maxBuffer: 64 << 20 },
          (e, stdout, stderr) => resolve({ status: e === null ? 0 : Number(e.code ?? -1), stdout, stderr }),
        );
      });
    },
    copyState() {
      const copy = join(dir, `state-${copies++}`);
      cpSync(state, copy, { recursive: true, preserveTimestamps: true });
      return copy;
    },
    restoreState(copy) {
      rmSync(state, { recursive: true, force: true });
      cpSync(copy, state, { recursive: true, preserveTimestamps: true });
    },
    audit: () =>
      auditDirectory(state, {
        progress: { update: () => undefined, end: () => undefined },
        interrupted: () => false,
      }),
    async remove() {
      await Promise.all(daemons.filter((d) => d.running).map((d) => d.kill()));
      await tpm.stop();
      rmSync(dir, { recursive: true, force: true });
      folders.delete(dir);
    },
  };
}

/** What a file holds; undefined where there is none. */
export function readIfThere(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
