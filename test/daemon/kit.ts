/**
 * A daemon of a test's own: software TPM, state, sockets and all, in this process, and callers of it on real sockets.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, completeConfig } from '../../src/daemon/config.ts';
import { type Daemon, startDaemon } from '../../src/daemon/daemon.ts';
import { type Initialised, initHost } from '../../src/daemon/init.ts';
import { createJournal } from '../../src/daemon/journal.ts';
import type { Software } from '../../src/daemon/measured/software.ts';
import { type Addon, loadAddon } from '../../src/native/addon.ts';
import { type Swtpm, type SwtpmOptions, startSwtpm } from '../kit/swtpm.ts';

export const random = (n: number): Uint8Array => new Uint8Array(randomBytes(n));

type Overrides = { readonly [section: string]: Readonly<Record<string, unknown>> };

export interface Host {
  readonly tpm: Swtpm;
  readonly dir: string;
  readonly config: Config;
  /** Lines of the journal, as objects. */
  readonly lines: Record<string, unknown>[];
  /** Faults after which a real process would have ended. */
  readonly fatal: Error[];
  init(): Promise<Initialised>;
  /**
   * @param native another addon than the one that was built
   * @param software what the daemon measures of itself; nothing when absent
   */
  start(native?: Addon, software?: Software): Promise<Daemon>;
  /** Stops the daemon that was started last. */
  stop(): Promise<void>;
  remove(): Promise<void>;
}

/** A host with a software TPM; nothing is initialised or started yet. */
export async function makeHost(overrides: Overrides = {}, options: SwtpmOptions = {}): Promise<Host> {
  const tpm = await startSwtpm(options);
  const dir = mkdtempSync(join(tmpdir(), 'attestd-daemon-'));
  const section = (name: string, base: Record<string, unknown>) => ({ ...base, ...overrides[name] });
  const config = completeConfig({
    fleet: 'test',
    host: 'host-1',
    state_dir: join(dir, 'state'),
    socket: section('socket', { path: join(dir, 'client.sock') }),
    admin_socket: section('admin_socket', { path: join(dir, 'admin.sock') }),
    ima: section('ima', {}),
    tpm: section('tpm', { tcti: tpm.tcti, assurance: 'software', deadline_ms: 5000, sessions: 'password' }),
    seal: section('seal', {}),
    anchor: section('anchor', {}),
    policy: section('policy', {}),
    limits: section('limits', {}),
    measure: section('measure', {}),
    metrics: section('metrics', {}),
  });
  const lines: Record<string, unknown>[] = [];
  const fatal: Error[] = [];
  let daemon: Daemon | undefined;
  return {
    tpm,
    dir,
    config,
    lines,
    fatal,
    init: () => initHost({ config, now: Date.now, random }),
    async start(native = loadAddon(), software) {
      daemon = await startDaemon({
        config,
        ...(software === undefined ? {} : { software }),
        native,
        journal: createJournal('debug', (l) => lines.push(JSON.parse(l.slice(3)))),
        sockets: {},
        wall: Date.now,
        random,
        onFatal: (e) => fatal.push(e),
      });
      return daemon;
    },
    async stop() {
      await daemon?.stop();
      daemon = undefined;
    },
    async remove() {
      await daemon?.stop();
      await tpm.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers are read in many shapes
  readonly json: any;
}

export interface Ask {
  readonly method?: string;
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
  /** Whose connection it uses. */
  readonly agent?: Agent;
}

/** One HTTP request on a Unix socket, on a connection of its own unless there is an agent. */
export function ask(
  socketPath: string,
  path: string,
  { method, body, headers, agent }: Ask = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const r = httpRequest(
      {
        socketPath,
        path,
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        agent: agent ?? false,
        headers: {
          'attestd-client': 'test/1',
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (c: Buffer) => chunks.push(c));
        res.on('error', reject);
        res.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          let json: unknown;
          try {
            json = JSON.parse(text);
          } catch {
            json = undefined;
          }
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json });
        });
      },
    );
    r.on('error', reject);
    r.end(body);
  });
}

/** A body that fits, with two disclosures. */
export const body = (more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    phase: 'completed',
    action: { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' },
    inputs: { amount: '12.00' },
    outputs: { decision: 'approved' },
    outcome: { status: 'succeeded', effect: 'confirmed' },
    ...more,
  });

/** Waits until `check` gives something. */
export async function until<T>(
  check: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (let i = 0; i < 3000; i++) {
    const value = await check();
    if (value !== undefined && value !== false) return value as T;
    await sleep(10);
  }
  throw new Error('it did not come to pass');
}
