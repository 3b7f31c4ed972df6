#!/usr/bin/env node
/**
 * attestd: reads its configuration, serves until SIGTERM, and tells systemd how it is. It has no subcommands: what a
 * person types is attestctl.
 *
 *   attestd --config FILE [--check-config]
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { useBase64Url } from '../core/bytes.ts';
import { isAttestdError } from '../core/errors.ts';
import { useSha256 } from '../core/hash.ts';
import { loadAddon } from '../native/addon.ts';
import { useCrc32c } from '../store/crc32c.ts';
import { sha256Of, useNativeHash } from '../store/hash.ts';
import { type Config, loadConfig } from './config.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { createJournal, type Journal } from './journal.ts';
import { openSystemd, type Systemd } from './systemd.ts';

const DEFAULT_CONFIG = '/etc/attestd/attestd.toml';
/** Exit statuses: 2 usage or configuration, 5 log, TPM or sockets. */
const USAGE = 2;
const UNAVAILABLE = 5;
/** A stop that takes longer is cut; the log is whole at every moment anyway. */
const STOP_MS = 25_000;
/** The event loop may be late by so much and still count as alive. */
const MAX_LAG_MS = 5000;

function fail(status: number, e: unknown): never {
  const code = isAttestdError(e) ? ` [ATTESTD_E_${e.code}]` : '';
  process.stderr.write(`attestd: error: ${e instanceof Error ? e.message : String(e)}${code}\n`);
  process.exit(status);
}

function configOf(argv: readonly string[]): { config: Config; check: boolean } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { config: { type: 'string', default: DEFAULT_CONFIG }, 'check-config': { type: 'boolean' } },
    });
    return { config: loadConfig(values.config), check: values['check-config'] === true };
  } catch (e) {
    return fail(USAGE, e);
  }
}

/** Feeds the watchdog while the event loop turns, the TPM answers and the log can be written. */
function keepTelling(daemon: Daemon, systemd: Systemd): void {
  const every = Math.min(5000, (systemd.watchdogUs ?? 10_000_000) / 2000 / 2);
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    const lag = now - last - every;
    last = now;
    const sound = daemon.service.tpm?.hung !== true && daemon.service.store?.failed === undefined;
    const fed = systemd.watchdogUs !== undefined && sound && lag < MAX_LAG_MS;
    systemd.notify(`STATUS=${daemon.sentence()}${fed ? '\nWATCHDOG=1' : ''}`);
  }, every).unref();
}

function stopOnSignals(daemon: Daemon, systemd: Systemd, journal: Journal): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    journal.info('stopping');
    systemd.notify('STOPPING=1');
    setTimeout(() => process.exit(UNAVAILABLE), STOP_MS).unref();
    daemon.stop().then(
      () => {
        // The last anchor or seal may be what could not be written.
        const failed = daemon.service.store?.failed;
        if (failed === undefined) journal.info('stopped');
        else journal.error('the stop was not clean', { error: failed });
        process.exit(failed === undefined ? 0 : UNAVAILABLE);
      },
      (error: unknown) => {
        journal.error('the stop was not clean', { error });
        process.exit(UNAVAILABLE);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Policies are read again; where they are broken those in force stay.
  process.on('SIGHUP', () => void daemon.gate.engine?.governor.reload());
}

async function main(): Promise<void> {
  const { config, check } = configOf(process.argv.slice(2));
  if (check) {
    process.stdout.write('the configuration is valid\n');
    return;
  }
  const journal = createJournal(config.log.level, (line) => process.stdout.write(line));
  const native = loadAddon();
  native.forbidCores();
  native.setDumpable(false);
  process.umask(0o077);
  useSha256(sha256Of);
  useBase64Url((b) => Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('base64url'));
  useNativeHash(native);
  if (native.hasCrc32c()) useCrc32c(native.crc32c);
  const systemd = openSystemd(process.env, native, process.pid);
  const daemon = await startDaemon({
    config,
    native,
    journal,
    sockets: systemd.sockets,
    wall: Date.now,
    random: (n) => new Uint8Array(randomBytes(n)),
    onFatal() {
      // What the disk holds is known only after a restart.
      process.exit(UNAVAILABLE);
    },
  });
  systemd.notify(`READY=1\nSTATUS=${daemon.sentence()}`);
  keepTelling(daemon, systemd);
  stopOnSignals(daemon, systemd, journal);
  void daemon.started.then(() => systemd.notify(`STATUS=${daemon.sentence()}`));
}

main().catch((e: unknown) => fail(UNAVAILABLE, e));
