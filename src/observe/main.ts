#!/usr/bin/env node
/**
 * attestd-observe: reads for attestd what /proc, securityfs and configfs show to root only. It is told whom to answer,
 * takes its socket from systemd or a path, and serves until SIGTERM. No network, no TPM, no state.
 *
 *   attestd-observe --user NAME [--socket PATH] [--firmware FILE] [--ima FILE] [--systemd FILE] [--tsm DIRECTORY]
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createExecutableReader } from '../measure/executable.ts';
import { FIRMWARE_LOG } from '../measure/firmware.ts';
import { TSM_REPORTS } from '../measure/tee/configfs.ts';
import { type Addon, loadAddon } from '../native/addon.ts';
import { createObserveServer } from './server.ts';

const USAGE = 2;
const UNAVAILABLE = 5;
/** First descriptor that systemd hands over. */
const FIRST_FD = 3;
/** Executables longer than this have no digest. */
const MAX_EXECUTABLE = 1 << 30;

class Refused extends Error {}

function options(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        user: { type: 'string' },
        socket: { type: 'string' },
        firmware: { type: 'string', default: FIRMWARE_LOG },
        ima: { type: 'string', default: '/sys/kernel/security/ima/binary_runtime_measurements' },
        systemd: { type: 'string', default: '/run/log/systemd/tpm2-measure.log' },
        tsm: { type: 'string', default: TSM_REPORTS },
      },
    });
    if (values.user === undefined) throw new Refused('--user names whom to answer: --user attestd');
    return { ...values, uid: uidOf(values.user) };
  } catch (e) {
    throw new Refused((e as Error).message);
  }
}

/** Uid of a user by /etc/passwd, or the number itself. @throws Refused */
function uidOf(user: string): number {
  if (/^(?:0|[1-9][0-9]{0,9})$/.test(user)) return Number(user);
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((l) => l.startsWith(`${user}:`));
  if (line === undefined) throw new Refused(`there is no user ${user}`);
  return Number(line.split(':')[2]);
}

/** The socket from systemd, checked; undefined where there is none. @throws Refused */
function inherited(native: Addon): number | undefined {
  const { LISTEN_FDS, LISTEN_PID } = process.env;
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(process.pid)) return undefined;
  if (LISTEN_FDS !== '1') throw new Refused('systemd hands over one socket');
  const { family, type, listening } = native.inheritSocket(FIRST_FD);
  if (family !== 'unix' || type !== 'stream' || !listening)
    throw new Refused('the descriptor from systemd is no listening Unix socket');
  return FIRST_FD;
}

function main(): void {
  const { uid, socket, firmware, ima, systemd, tsm } = options(process.argv.slice(2));
  const native = loadAddon();
  native.forbidCores();
  native.setDumpable(false);
  process.umask(0o077);
  let cuts = 0;
  const server = createObserveServer({
    native,
    uid,
    sources: {
      executables: createExecutableReader(512, MAX_EXECUTABLE),
      logs: { firmware, ima, systemd },
      tsm,
      random: (n) => new Uint8Array(randomBytes(n)),
    },
    onCut(why) {
      // The first hundred say enough.
      if (cuts++ < 100) process.stdout.write(`<4>${why}\n`);
    },
  });
  server.on('error', fail);
  const fd = inherited(native);
  if (fd !== undefined) server.listen({ fd });
  else {
    if (socket === undefined) throw new Refused('no socket from systemd and no --socket PATH');
    rmSync(socket, { force: true });
    // Whoever connects: the kernel says who it is, and one uid is answered.
    server.listen(socket, () => chmodSync(socket, 0o666));
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
}

function fail(e: unknown): never {
  const priority = process.env.JOURNAL_STREAM === undefined ? '' : '<3>';
  process.stderr.write(`${priority}attestd-observe: error: ${e instanceof Error ? e.message : String(e)}\n`);
  process.exit(e instanceof Refused ? USAGE : UNAVAILABLE);
}

try {
  main();
} catch (e) {
  fail(e);
}
