/** `attestctl top` in a terminal, as a person has it open: a small one, and beside a daemon that stops answering. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fitted } from '../../src/cli/topscreen.ts';
import { CTL } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import type { DaemonProcess } from '../kit/host.ts';

const ESC = '\x1b';
const HOME = `${ESC}[H`;
const SEQUENCE = new RegExp(`${ESC}\\[[0-9;?]*[A-Za-z]`, 'g');

let host: EnrolledHost;
let daemon: DaemonProcess;
beforeAll(async () => {
  host = await makeEnrolledHost();
  daemon = await host.up();
});
afterAll(() => host?.remove());

/** What is on the screen between two drawings of it, without styles. */
const pictures = (text: string): string[][] =>
  text
    .split(HOME)
    .slice(1)
    .map((p) => p.replace(SEQUENCE, '').split(/\r+\n/));

class Terminal {
  readonly child: ChildProcess;
  text = '';

  constructor(columns: number, rows: number) {
    const top = `${process.execPath} ${CTL} top --socket ${host.at('admin.sock')}`;
    this.child = spawn('script', ['-qefc', `stty cols ${columns} rows ${rows} && exec ${top}`, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm' },
    });
    this.child.stdout?.on('data', (b: Buffer) => {
      this.text += b.toString();
    });
  }

  async until(seen: RegExp): Promise<void> {
    do {
      if (this.child.exitCode !== null) throw new Error(`top has ended:\n${this.text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    } while (!seen.test(this.text));
  }

  async type(key: string): Promise<number | null> {
    const end = once(this.child, 'close');
    this.child.stdin?.write(key);
    const [status] = await end;
    return status as number | null;
  }
}

test.each([
  [100, 24],
  [40, 8],
  [12, 3],
  [1, 1],
])('stays within a terminal of %i columns and %i rows, health first', async (columns, rows) => {
  const terminal = new Terminal(columns, rows);
  while (terminal.text.split(HOME).length < 4) await terminal.until(/./);
  expect(await terminal.type('q')).toBe(0);
  expect(terminal.text.endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
  for (const lines of pictures(terminal.text)) {
    expect(lines.length).toBeLessThanOrEqual(rows);
    expect(Math.max(...lines.map((l) => l.length))).toBeLessThanOrEqual(columns);
    expect(lines[0]).toBe(`attestd  records and seals  ${host.at('admin.sock')}`.slice(0, columns));
  }
});

test('cuts by what is seen, and keeps the end of a style', () => {
  expect(fitted(['\x1b[1mattestd\x1b[22m  on'], 9, 1)).toEqual(['\x1b[1mattestd\x1b[22m  ']);
  expect(fitted(['\x1b[31mattestd\x1b[39m'], 3, 1)).toEqual(['\x1b[31matt\x1b[39m']);
});

test('says that a daemon hangs, goes on when it answers, and ends by q while it waits', async () => {
  const terminal = new Terminal(100, 24);
  await terminal.until(/records and seals/);
  process.kill(daemon.pid, 'SIGSTOP');
  try {
    await terminal.until(/no answer for 5 s/);
    expect(pictures(terminal.text).at(-1)?.join('\n')).not.toContain('records and seals');
    process.kill(daemon.pid, 'SIGCONT');
    await terminal.until(/no answer for 5 s[\s\S]*records and seals/);
    process.kill(daemon.pid, 'SIGSTOP');
    expect(await terminal.type('q')).toBe(0);
  } finally {
    process.kill(daemon.pid, 'SIGCONT');
  }
});

test('elsewhere than in a terminal a daemon that hangs is a fault', async () => {
  process.kill(daemon.pid, 'SIGSTOP');
  try {
    const { status, stdout, stderr } = await host.ctl(['top', '--socket', host.at('admin.sock'), '--json']);
    expect([status, stdout]).toEqual([5, '']);
    expect(stderr).toContain('DAEMON_UNAVAILABLE');
  } finally {
    process.kill(daemon.pid, 'SIGCONT');
  }
});

test('shows a daemon that went away, and the next one', async () => {
  const terminal = new Terminal(100, 24);
  await terminal.until(/records and seals/);
  await daemon.kill();
  const away = /(?:ECONNREFUSED|ECONNRESET|ENOENT|broke off)/;
  await terminal.until(away);
  daemon = await host.up();
  await terminal.until(new RegExp(`${away.source}[\\s\\S]*records and seals`));
  expect(await terminal.type('\x03')).toBe(0);
});
