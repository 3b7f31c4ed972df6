/** `attestctl run` around real commands, against a real daemon. */

import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CTL, runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost, type Shown } from '../kit/enrolled.ts';
import { type DaemonProcess, until } from '../kit/host.ts';

let host: EnrolledHost;
let daemon: DaemonProcess;
beforeAll(async () => {
  host = await makeEnrolledHost();
  daemon = await host.up();
});
afterAll(() => host?.remove());

const sha256 = (b: Uint8Array | string) => createHash('sha256').update(b).digest('hex');
const sh = (script: string) => ['sh', '-c', script];

/** Starts `attestctl run` and leaves it running. */
function begin(command: readonly string[], options: readonly string[] = []) {
  const child = spawn(process.execPath, [CTL, 'run', ...options, '--', ...command], {
    env: { ...process.env, ATTESTD_SOCKET: host.socket },
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (b: Buffer) => {
    said.stdout += b;
  });
  child.stderr.on('data', (b: Buffer) => {
    said.stderr += b;
  });
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  return { child, said, ended };
}

/** The completed record that a run spoke of on stderr. */
async function completed(stderr: string): Promise<Shown> {
  const id = /recorded (\S+),/.exec(stderr)?.[1];
  expect(id, stderr).toBeDefined();
  return host.shown(id as string);
}

const predicateOf = (shown: Shown) =>
  shown.statement.predicate as {
    phase: string;
    action: { name: string };
    outcome?: Record<string, unknown>;
    parents: { rel: string; digest: string }[];
    capture?: unknown;
  };

test('leaves the evidence of what it ran, where it is asked to', async () => {
  const file = `${host.dir}/run.attest.json`;
  const { status } = await host.ctl(['run', '--bundle', file, '--', ...sh('exit 3')]);
  expect(status).toBe(3);
  const shown = await host.ctl(['show', file, '--json']);
  expect(shown.stdout).toContain('"outcome":{"code":3,');
  const durable = await host.ctl(['run', '--wait', 'durable', '--bundle', file, '--', 'true']);
  expect([durable.status, durable.stderr]).toEqual([2, expect.stringContaining('--bundle')]);
});

describe('how it ends', () => {
  test.each([0, 1, 7, 130, 255])('a command that exits with %i', async (code) => {
    const { status, signal, stderr } = await host.ctl(['run', '--', ...sh(`exit ${code}`)]);
    expect([status, signal]).toEqual([code, null]);
    const record = await completed(stderr);
    expect(record.values.exitCode).toBe(code);
    expect(predicateOf(record).outcome).toMatchObject({ status: code === 0 ? 'succeeded' : 'failed', code });
  });

  test.each(['SIGTERM', 'SIGKILL', 'SIGINT', 'SIGHUP', 'SIGSEGV'] as const)(
    'a command that is killed by %s',
    async (name) => {
      const script = `ulimit -c 0; kill -s ${name.slice(3)} $$; sleep 60`;
      const { status, signal, stderr } = await host.ctl(['run', '--', ...sh(script)], {
        under: sh('ulimit -c 0; exec "$0" "$@"'),
      });
      expect([status, signal]).toEqual([null, name]);
      const record = await completed(stderr);
      expect(record.values.signal).toBe(name);
      expect(predicateOf(record).outcome).toEqual({
        status: 'failed',
        effect: 'unknown',
        observedBy: 'caller',
      });
    },
  );

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGQUIT'] as const)(
    '%s to attestctl is for the command, which decides',
    async (name) => {
      const script = `trap 'echo caught; exit 9' ${name.slice(3)}; echo ready; while :; do sleep 0.05; done`;
      const { child, said, ended } = begin(sh(script));
      await until('the command to be ready', () => said.stdout.includes('ready'));
      child.kill(name);
      expect(await ended).toEqual([9, null]);
      expect(said.stdout).toBe('ready\ncaught\n');
      expect((await completed(said.stderr)).values.exitCode).toBe(9);
    },
  );

  test('a signal that the command ignores ends nothing', async () => {
    const { child, said, ended } = begin(sh("trap '' TERM; echo ready; sleep 1; echo still here"));
    await until('the command to be ready', () => said.stdout.includes('ready'));
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(said.stdout).toBe('ready\nstill here\n');
  });

  test('who still holds the output when the command has ended is waited for, until a signal', async () => {
    const { child, said, ended } = begin(sh('sleep 60 & echo $!'));
    const pid = await until('the pid of the one left behind', () => Number(said.stdout) || undefined);
    await sleep(300);
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    process.kill(pid, 'SIGKILL');
  });
});

describe('streams', () => {
  const MIB = 1024 * 1024;

  test('a binary mebibyte goes in and comes out unchanged, and its digests are on record', async () => {
    const data = randomBytes(MIB);
    const { status, out, stderr } = await host.ctl(['run', '--', ...sh('tee /dev/stderr')], {
      stdin: data,
    });
    expect(status).toBe(0);
    expect(sha256(out)).toBe(sha256(data));
    const id = /attestctl: recorded (\S+),[^\n]*\n$/.exec(stderr)?.[1];
    const { values } = await host.shown(id as string);
    const whole = { sha256: sha256(data), size: MIB };
    expect(values).toMatchObject({ stdin: whole, stdout: whole, stderr: whole });
  });

  test('a reader that is slow gets everything', async () => {
    const script = `head -c 3000000 /dev/zero | tr '\\0' 'a'`;
    const { child, ended, said } = begin(sh(script));
    child.stdout.pause();
    await sleep(500);
    child.stdout.resume();
    expect(await ended).toEqual([0, null]);
    const out = 'a'.repeat(3_000_000);
    expect(said.stdout).toBe(out);
    expect((await completed(said.stderr)).values.stdout).toEqual({ sha256: sha256(out), size: 3_000_000 });
  });

  test('a reader that is stuck keeps no signal from the command', async () => {
    const { child, ended, said } = begin(sh('exec head -c 100000000 /dev/zero'));
    child.stdout.removeAllListeners('data').pause();
    await sleep(500);
    child.kill('SIGTERM');
    await sleep(300);
    child.stdout.resume();
    expect(await ended).toEqual([null, 'SIGTERM']);
    expect((await completed(said.stderr)).values.signal).toBe('SIGTERM');
  });

  test('a command that closes its input early is no fault, and neither is an input that never ends', async () => {
    const early = await host.ctl(['run', '--', ...sh('exec 0<&-; sleep 0.2; echo done')], {
      stdin: randomBytes(MIB),
    });
    expect([early.status, early.stdout]).toEqual([0, 'done\n']);
    const { child, ended } = begin(['true']);
    expect(await ended).toEqual([0, null]);
    child.stdin.destroy();
  });

  test('a reader that goes away is met by the command itself, and the end is on record', async () => {
    const line = `"$0" "$1" run --id-file ${host.at('yes')} -- yes | head -c 10 >/dev/null; echo \${PIPESTATUS[0]}`;
    const { stdout, stderr } = await runProgram(['bash', '-c', line, process.execPath, CTL], {
      env: { ATTESTD_SOCKET: host.socket },
    });
    expect([stdout, stderr]).toEqual(['141\n', '']);
    const { values } = await host.shown(readFileSync(host.at('yes'), 'utf8').trim());
    expect(values.signal).toBe('SIGPIPE');
  });

  test('--tty leaves a terminal to the command, and the record says what was not captured', async () => {
    const typed = `${process.execPath} ${CTL} run --tty -- test -t 0 -a -t 1 -a -t 2`;
    const { status, stdout } = await runProgram(['script', '-qec', typed, '/dev/null'], {
      env: { ATTESTD_SOCKET: host.socket },
    });
    expect(status).toBe(0);
    const record = await completed(stdout);
    expect(Object.keys(record.values).sort()).toEqual([
      'argv',
      'cwd',
      'environment',
      'executable',
      'exitCode',
      'milliseconds',
    ]);
    expect(predicateOf(record).capture).toEqual({
      complete: false,
      omitted: ['stdin', 'stdout', 'stderr'],
    });
  });

  test('with --json the receipt is the last line of stderr, and stdout stays the command', async () => {
    const { stdout, stderr } = await host.ctl(['run', '--json', '--', 'echo', '--json']);
    expect(stdout).toBe('--json\n');
    expect(JSON.parse(stderr)).toMatchObject({ schema: 'attestd.dev/receipt/v1', strength: 'sealed' });
  });
});

describe('what is on record', () => {
  test('argv, directory, names of the environment, executable, and the attempt that it completes', async () => {
    const secret = `s3cret-${randomBytes(8).toString('hex')}`;
    const id = await host.recorded('true');
    const { status, stderr } = await host.ctl(['run', '--', 'env', '-u', 'X', 'true', 'a b'], {
      cwd: host.dir,
      env: { MY_TOKEN: secret },
    });
    expect(status).toBe(0);
    const record = await completed(stderr);
    const { phase, action, parents } = predicateOf(record);
    expect([phase, action]).toEqual(['completed', { type: 'command.run', name: 'env' }]);
    expect(parents).toEqual([{ rel: 'completes', digest: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
    expect(record.values.milliseconds).toBeTypeOf('number');

    const own = /recorded (\S+),/.exec(stderr)?.[1] as string;
    const bundle = readFileSync(await host.bundle(own), 'utf8');
    const { related, disclosures } = JSON.parse(bundle) as {
      related: { entry: string }[];
      disclosures: string[];
    };
    const entries = related.map((r) => Buffer.from(r.entry, 'base64'));
    const attempt = entries.find((e) => sha256(e) === parents[0]?.digest);
    expect(attempt?.toString()).toContain('"phase":"attempted"');
    const executable = realpathSync('/usr/bin/env');
    const { values } = record;
    expect(values).toMatchObject({
      argv: ['env', '-u', 'X', 'true', 'a b'],
      cwd: realpathSync(host.dir),
      executable: { path: executable, sha256: sha256(readFileSync(executable)) },
    });
    expect(values.environment).toContain('MY_TOKEN');
    expect(values.environment).toEqual([...(values.environment as string[])].sort());
    const ofAttempt = await host.shown(
      JSON.parse(`${attempt}`.slice(`${attempt}`.indexOf('{'))).predicate.id,
    );
    expect(ofAttempt.values).toEqual(
      Object.fromEntries(['argv', 'cwd', 'environment', 'executable'].map((n) => [n, values[n]])),
    );
    // No value of the environment is anywhere, however it is written.
    const everything = [
      bundle,
      JSON.stringify(values),
      ...disclosures.map((d) => Buffer.from(d, 'base64url')),
      attempt,
    ];
    for (const text of everything) expect(String(text)).not.toContain(secret);
    expect(id).not.toBe(own);
  });

  test('a name with a path in it is called as it was typed', async () => {
    writeFileSync(host.at('tool'), '#!/bin/sh\necho "$0"\n', { mode: 0o755 });
    const { stdout, stderr } = await host.ctl(['run', '--', './tool'], { cwd: host.dir });
    expect(stdout).toBe('./tool\n');
    expect(predicateOf(await completed(stderr)).action.name).toBe(basename('./tool'));
  });

  test('the same idempotency key gives the same records', async () => {
    const twice = [0, 1].map(() => ['run', '--json', '--idempotency-key', 'nightly-1', '--', 'true']);
    const [first, second] = [await host.ctl(twice[0] as string[]), await host.ctl(twice[1] as string[])];
    expect(first?.status).toBe(0);
    // The second run took another time, so its end is another body: refused, and the command's status stays.
    expect(second?.status).toBe(0);
    expect(`${second?.stderr}`).toMatch(/IDEMPOTENCY_MISMATCH|receipt/);
  });
});

describe('nothing is started', () => {
  test.each([
    ['that is not there', 'no-such-command-here', /no such command: no-such-command-here/],
    ['that is a directory', '/usr', /no such command: \/usr/],
    ['that may not be executed', '/etc/passwd', /no such command: \/etc\/passwd/],
    ['without a name', '', /no such command: /],
  ])('for a command %s', async (_, command, said) => {
    const before = await host.must(['status', '--json']);
    const { status, stdout, stderr } = await host.ctl(['run', '--', command]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(said);
    expect(JSON.parse(await host.must(['status', '--json'])).entries).toBe(JSON.parse(before).entries);
  });

  test('for a --wait that is none', async () => {
    const { status } = await host.ctl(['run', '--wait', 'x', '--', 'touch', host.at('touched')]);
    expect([status, existsSync(host.at('touched'))]).toEqual([2, false]);
  });

  test('without the daemon', async () => {
    const { status, stderr } = await host.ctl(['run', '--', 'touch', host.at('touched')], {
      env: { ATTESTD_SOCKET: host.at('nobody.sock') },
    });
    expect([status, existsSync(host.at('touched'))]).toEqual([5, false]);
    expect(stderr).toMatch(/\[DAEMON_UNAVAILABLE\]\nattestctl: hint: /);
  });

  test('when the kernel refuses to: the attempt is completed with the error', async () => {
    writeFileSync(host.at('garbage'), '#!/nowhere/interpreter\n', { mode: 0o755 });
    const { status, stderr } = await host.ctl(['run', '--', host.at('garbage')]);
    expect(status).toBe(2);
    expect(stderr).toContain('does not start: ENOENT');
  });
});

test('a daemon that goes away meanwhile costs the record of the end, not the status of the command', async () => {
  const { child, said, ended } = begin(sh('echo ready; read go; exit 4'));
  await until('the command to be ready', () => said.stdout.includes('ready'));
  await daemon.stop();
  child.stdin.end('go\n');
  expect(await ended).toEqual([4, null]);
  expect(said.stderr).toMatch(/^attestctl: error: [^\n]*\[DAEMON_UNAVAILABLE\]\nattestctl: hint: /);
  daemon = await host.up();
});
