#!/usr/bin/env node
/**
 * attestd-forward: has timestamp authorities stamp the checkpoints of the daemon on this host.
 *
 *   attestd-forward --config FILE [--check-config]
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ERRORS, isAttestdError } from '../core/errors.ts';
import { loadForwardConfig } from './config.ts';
import { createForward } from './forward.ts';

const DEFAULT_CONFIG = '/etc/attestd/attestd-forward.toml';

/** Journal lines as systemd reads them: `<6>` info, `<4>` warning. */
function say(level: 'info' | 'warn', what: string, facts: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`<${level === 'info' ? 6 : 4}>${JSON.stringify({ what, ...facts })}\n`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      config: { type: 'string', default: DEFAULT_CONFIG },
      'check-config': { type: 'boolean' },
    },
  });
  const config = loadForwardConfig(values.config, process.env.CREDENTIALS_DIRECTORY);
  if (values['check-config'] === true) {
    process.stdout.write('the configuration is valid\n');
    return;
  }
  const forward = createForward({ config, say, random: (n) => new Uint8Array(randomBytes(n)) });
  const stop = (): void => {
    void forward.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  say('info', 'started', {
    authorities: config.tsa.map((t) => t.name),
    witnesses: config.witnesses.map((w) => w.name),
    drop: config.dropDir,
  });
  forward.start();
}

main().catch((e: unknown) => {
  const code = isAttestdError(e) ? ` [ATTESTD_E_${e.code}]` : '';
  const priority = process.env.JOURNAL_STREAM === undefined ? '' : '<3>';
  process.stderr.write(
    `${priority}attestd-forward: error: ${e instanceof Error ? e.message : String(e)}${code}\n`,
  );
  process.exit(isAttestdError(e) ? ERRORS[e.code].exit : 2);
});
