/** Words to systemd and sockets from it, against real datagram and listening sockets (python3 holds them). */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/native/addon.ts';

const addon = loadAddon();
let dir: string;
let child: ChildProcess | null = null;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-notify-'));
});
afterEach(() => {
  child?.kill('SIGKILL');
  child = null;
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Binds a datagram socket; the next line is what arrives first. */
async function receiver(address: string, backlog = false): Promise<AsyncIterator<string>> {
  const script = `
import socket, sys, json, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
a = sys.argv[1]
s.bind('\\0' + a[1:] if a[0] == '@' else a)
print('ready', flush=True)
${backlog ? 'time.sleep(3600)' : 'print(json.dumps(s.recv(65536).decode()), flush=True)'}
`;
  child = spawn('python3', ['-c', script, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return lines;
}

describe('notify', () => {
  it('sends one datagram to a socket in the file system', async () => {
    const lines = await receiver(join(dir, 'n'));
    addon.notify(join(dir, 'n'), 'READY=1\nSTATUS=Grüße');
    expect(JSON.parse((await lines.next()).value)).toBe('READY=1\nSTATUS=Grüße');
  });

  it('sends to an abstract socket', async () => {
    const name = `@attestd-test-${process.pid}-${Date.now()}`;
    const lines = await receiver(name);
    addon.notify(name, 'WATCHDOG=1');
    expect(JSON.parse((await lines.next()).value)).toBe('WATCHDOG=1');
  });

  it('never waits for a receiver that does not read', async () => {
    const path = join(dir, 'full');
    await receiver(path, true);
    expect(() => {
      for (let i = 0; i < 10_000; i++) addon.notify(path, 'WATCHDOG=1');
    }).toThrow(expect.objectContaining({ errno: 'EAGAIN', syscall: 'sendto' }));
  });

  it('says so when nobody is there or the address is none', () => {
    const attempt = (address: string) => () => addon.notify(address, 'READY=1');
    expect(attempt(join(dir, 'absent'))).toThrow(expect.objectContaining({ errno: 'ENOENT' }));
    for (const bad of ['', '@', 'relative', `/${'x'.repeat(200)}`, 'vsock:2:1']) {
      expect(attempt(bad), bad).toThrow(expect.objectContaining({ errno: 'EINVAL' }));
    }
  });
});

describe('inheritSocket', () => {
  it('says what a listening socket is and makes it close-on-exec', async () => {
    const path = join(dir, 'listen');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    expect(addon.inheritSocket(fd)).toEqual({ type: 'stream', family: 'unix', listening: true, path });
    await new Promise((resolve) => server.close(resolve));
  });

  it('takes close-on-exec seriously: a child does not see it', () => {
    // The child gets a socket pair's end as descriptor 3, as from systemd, and then starts a grandchild.
    const script = `
      const addon = require(${JSON.stringify(join(import.meta.dirname, '../../build/Release/attestd.node'))});
      const s = addon.inheritSocket(3);
      const { execFileSync } = require('child_process');
      const flags = require('fs').readFileSync('/proc/self/fdinfo/3', 'latin1').match(/flags:\\s*(\\d+)/)[1];
      console.log(JSON.stringify({ ...s, cloexec: (parseInt(flags, 8) & 0o2000000) !== 0 }));`;
    const outer = `
import socket, subprocess, sys, os
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.bind(sys.argv[1])
s.listen()
os.dup2(s.fileno(), 3, inheritable=True)
sys.stdout.write(subprocess.run([sys.argv[2], '-e', sys.argv[3]], pass_fds=[3], stdout=subprocess.PIPE, text=True).stdout)
`;
    const path = join(dir, 'inherited');
    const out = execFileSync('python3', ['-c', outer, path, process.execPath, script], { encoding: 'utf8' });
    expect(JSON.parse(out)).toEqual({
      type: 'stream',
      family: 'unix',
      listening: true,
      path,
      cloexec: true,
    });
    expect(existsSync(path)).toBe(true);
  });

  it('refuses what is no socket', () => {
    const fd = openSync('/dev/null', 'r');
    expect(() => addon.inheritSocket(fd)).toThrow(expect.objectContaining({ errno: 'ENOTSOCK' }));
    addon.closeFd(fd);
    expect(() => addon.inheritSocket(fd)).toThrow(expect.objectContaining({ errno: 'EBADF' }));
  });
});
