#!/usr/bin/env node
/**
 * attestd: reads its configuration, serves until SIGTERM, and tells systemd how it is. It has no subcommands: what a
 * person types is attestctl.
 *
 *   attestd --config FILE [--check-config]
 *   attestd --version
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { useBase64Url } from '../core/bytes.ts';
import { isAttestdError } from '../core/errors.ts';
import { useSha256 } from '../core/hash.ts';
import { useDisclosure } from '../evidence/disclosure.ts';
import { loadAddon } from '../native/addon.ts';
import { useCrc32c } from '../store/crc32c.ts';
import { sha256Of, useNativeHash } from '../store/hash.ts';
import { type Config, readConfig } from './config.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { preloadCedar } from './govern/cedar.ts';
import { createJournal, type Journal } from './journal.ts';
import { createSoftware } from './measured/software.ts';
import { createPulse } from './pulse.ts';
import { reloadConfig } from './reload.ts';
import { openSystemd, type Systemd } from './systemd.ts';
import { VERSION } from './version.ts';

const DEFAULT_CONFIG = '/etc/attestd/attestd.toml';
/** Exit statuses: 2 usage or configuration, 5 log, TPM or sockets. */
const USAGE = 2;
const UNAVAILABLE = 5;
/** A stop that takes longer is cut; the log is whole at every moment anyway. */
const STOP_MS = 25_000;

function fail(status: number, e: unknown): never {
  const code = isAttestdError(e) ? ` [ATTESTD_E_${e.code}]` : '';
  // To the journal with the priority of an error, which it takes from the line; a person reads it without.
  const priority = process.env.JOURNAL_STREAM === undefined ? '' : '<3>';
  process.stderr.write(`${priority}attestd: error: ${e instanceof Error ? e.message : String(e)}${code}\n`);
  process.exit(status);
}

interface Configured {
  readonly config: Config;
  readonly file: { readonly path: string; readonly sha256: string };
  readonly check: boolean;
}

function configOf(argv: readonly string[]): Configured {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        config: { type: 'string', default: DEFAULT_CONFIG },
        'check-config': { type: 'boolean' },
        version: { type: 'boolean' },
      },
    });
    if (values.version === true) {
      process.stdout.write(`attestd ${VERSION}\n`);
      process.exit(0);
    }
    const { config, sha256 } = readConfig(values.config);
    const file = { path: resolve(values.config), sha256 };
    return { config, file, check: values['check-config'] === true };
  } catch (e) {
    return fail(USAGE, e);
  }
}

/** Says how it is, and feeds the watchdog where the self-check finds nothing. */
function keepTelling(daemon: Daemon, config: Config, systemd: Systemd, journal: Journal): void {
  const every = Math.min(5000, (systemd.watchdogUs ?? 10_000_000) / 2000 / 2);
  const pulse = createPulse(daemon.service, every, config.tpm.deadline_ms, () => performance.now());
  let told: string | undefined;
  setInterval(() => {
    const wrong = pulse.look();
    if (wrong !== undefined && told === undefined) journal.error('the self-check fails', { why: wrong });
    told = wrong;
    const fed = systemd.watchdogUs !== undefined && wrong === undefined;
    systemd.notify(`STATUS=${wrong ?? daemon.sentence()}${fed ? '\nWATCHDOG=1' : ''}`);
  }, every).unref();
}

/** SIGHUP, told to systemd as it wants it (sd_notify(3), RELOADING=1): what is broken leaves what is in force. */
function reloadOnSignal(
  daemon: Daemon,
  config: Config,
  file: string,
  systemd: Systemd,
  journal: Journal,
): void {
  let turn = Promise.resolve();
  async function reload(): Promise<void> {
    systemd.notify(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    let sentence = daemon.sentence();
    try {
      const { changed, waiting } = reloadConfig(config, file);
      journal.info('the configuration was read again', { changed });
      if (waiting.length > 0) journal.warn('changed keys wait for a restart', { keys: waiting });
      const { engine } = daemon.gate;
      await engine?.governor.reload();
      await engine?.measuring?.settings();
    } catch (error) {
      journal.error('the configuration is not taken; the one in force stays', { error });
      sentence = `the configuration is not taken: ${(error as Error).message}`.slice(0, 200);
    }
    systemd.notify(`READY=1\nSTATUS=${sentence}`);
  }
  process.on('SIGHUP', () => {
    turn = turn.then(reload);
  });
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
}

async function main(): Promise<void> {
  const { file, config, check } = configOf(process.argv.slice(2));
  if (check) {
    // What would not come into force is no valid configuration either.
    if (config.policy.directory !== '')
      await import('./govern/policies.ts')
        .then(({ loadPolicies }) => loadPolicies(config.policy.directory, config.policy.keys))
        .catch((e: unknown) => fail(USAGE, e));
    process.stdout.write('the configuration is valid\n');
    return;
  }
  const journal = createJournal(
    () => config.log.level,
    (line) => process.stdout.write(line),
  );
  const native = loadAddon();
  native.forbidCores();
  native.setDumpable(false);
  process.umask(0o077);
  useSha256(sha256Of);
  useBase64Url((b) => Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('base64url'));
  useNativeHash(native);
  useDisclosure(native.disclosure);
  if (native.hasCrc32c()) useCrc32c(native.crc32c);
  const { policy } = config;
  const software = createSoftware({
    config: file,
    policy,
    preload: async () => {
      if (policy.directory !== '') await preloadCedar();
    },
  });
  const systemd = openSystemd(process.env, native, process.pid);
  const daemon = await startDaemon({
    config,
    software,
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
  keepTelling(daemon, config, systemd, journal);
  reloadOnSignal(daemon, config, file.path, systemd, journal);
  stopOnSignals(daemon, systemd, journal);
  void daemon.started.then(() => systemd.notify(`STATUS=${daemon.sentence()}`));
}

main().catch((e: unknown) => fail(UNAVAILABLE, e));
