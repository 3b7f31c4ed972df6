/**
 * `attestctl init --demo`: a host for looking around, from nothing to a running daemon. A software TPM as a service, an
 * authority that is marked as one for software TPMs, the enrolment in its four files, a trust file. Every verdict about
 * what it records says `simulated`, and nobody's trust file accepts its authority by accident.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { connect } from '../../client/client.ts';
import { AttestdError } from '../../core/errors.ts';
import { DEFAULTS } from '../../daemon/config.ts';
import { layoutOf } from '../../daemon/layout.ts';
import type { Action, Input, OptionValue } from '../command.ts';
import { VERSION } from '../version.ts';
import { DEMO } from './place.ts';
import { makeSoftwareTpm } from './softwaretpm.ts';

const run = promisify(execFile);
const READY_MS = 60_000;

async function systemctl(...words: string[]): Promise<void> {
  await run('systemctl', words).catch((cause: { stderr?: string }) => {
    throw new AttestdError('USAGE', `systemctl ${words.join(' ')}: ${cause.stderr?.trim() ?? 'failed'}`, {
      cause,
    });
  });
}

/** A name as fleets and hosts have them. */
function nameOf(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-')
    .slice(0, 63);
  return name === '' ? 'host-1' : name;
}

function check(): void {
  if (process.geteuid?.() !== 0)
    throw new AttestdError('FORBIDDEN', 'a demonstration is made by root: sudo attestctl init --demo');
  if (!existsSync('/run/systemd/system'))
    throw new AttestdError('USAGE', 'a demonstration needs systemd; in a checkout there is scripts/demo');
  if (!existsSync(DEMO.firmwareLog))
    throw new AttestdError('USAGE', `there is no ${DEMO.firmwareLog}: install the package`);
  const { current } = layoutOf(DEFAULTS.state_dir);
  if (existsSync(current))
    throw new AttestdError(
      'EXISTS',
      `${current} is there already: this host has a log, which a demonstration would not touch`,
    );
}

/** Makes it all; notes each step. */
export async function makeDemo(input: Input): Promise<void> {
  const { io } = input;
  check();
  const step = (text: string): void => io.note(text);
  const typed = async (
    action: Promise<Action>,
    args: readonly string[],
    options: Record<string, OptionValue>,
  ) => {
    const quiet = { ...io, json: false, out: () => undefined, note: () => undefined };
    const status = await (await action).run({
      args,
      options: { config: DEMO.config, ...options },
      io: quiet,
    });
    if (status !== 0) throw new AttestdError('INTERNAL', `a step of the demonstration ended with ${status}`);
  };
  const owner = statSync(DEFAULTS.state_dir);

  step('software TPM, and a CA that stands in for its vendor');
  const vendor = await makeSoftwareTpm({ uid: owner.uid, gid: owner.gid });
  if (existsSync(DEMO.config)) renameSync(DEMO.config, `${DEMO.config}.before-demo`);
  writeFileSync(
    DEMO.config,
    `# Made by attestctl init --demo; what was here before is ${DEMO.config}.before-demo
fleet = "demo"
host = "${nameOf(hostname())}"

[tpm]
tcti = "swtpm:path=${DEMO.socket}"
assurance = "software"
firmware_log = "${DEMO.firmwareLog}"
`,
  );
  await systemctl('stop', 'attestd.service');
  await systemctl('enable', '--now', DEMO.unit);

  step('keys, counter and log of this host');
  await typed(import('../commands/init.ts'), [], {});

  step('an authority for software TPMs, marked so, and the enrolment by credential activation');
  mkdirSync(DEMO.files, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(DEMO.files, name);
  writeFileSync(file('vendor.pem'), vendor);
  const dir = DEMO.authority;
  await typed(import('../commands/ca-init.ts'), [], {
    dir,
    name: 'Demo CA',
    software: true,
    passphrase: false,
  });
  await typed(import('../commands/enroll-request.ts'), [], { out: file('request.json') });
  await typed(import('../commands/ca-challenge.ts'), [file('request.json')], {
    dir,
    ekRoots: [file('vendor.pem')],
    out: file('challenge.json'),
  });
  await typed(import('../commands/enroll-respond.ts'), [file('challenge.json')], {
    out: file('response.json'),
  });
  await typed(import('../commands/ca-issue.ts'), [file('response.json')], {
    dir,
    approve: true,
    out: file('certificate.pem'),
  });
  await typed(import('../commands/enroll-install.ts'), [file('certificate.pem')], {});
  await typed(import('../commands/trust-init.ts'), [], {
    root: [join(dir, 'root.pem')],
    software: true,
    firmwareLog: DEMO.firmwareLog,
    acceptHostTime: true,
    level: '3',
    out: DEMO.trust,
  });

  step('the daemon');
  await systemctl('start', 'attestd.socket', 'attestd-admin.socket', 'attestd.service');
  await ready();
}

/** Waits until records are taken. */
async function ready(): Promise<void> {
  const client = connect({ client: `attestctl/${VERSION}`, socket: DEFAULTS.socket.path });
  try {
    for (const end = performance.now() + READY_MS; performance.now() < end; await sleep(100)) {
      const health = await client.health().catch(() => undefined);
      if (health?.canRecord === true) return;
    }
  } finally {
    client.close();
  }
  throw new AttestdError(
    'DAEMON_UNAVAILABLE',
    'the daemon does not take records yet: systemctl status attestd',
  );
}

/** What can be done next, as typed. */
export const NEXT: readonly string[] = [
  'attestctl run --bundle run.attest.json -- uname -a',
  `attestctl verify run.attest.json --trust ${DEMO.trust}`,
];
