/** Who is at the other end of a socket: a child of another uid connects to a real Unix socket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon } from '../../src/native/addon.ts';
import { may } from '../kit/privilege.ts';

const addon = loadAddon();
let dir: string;
let server: Server;
let children: ChildProcess[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-peer-'));
  chmodSync(dir, 0o755);
  server = createServer();
  await new Promise<void>((resolve) => server.listen(join(dir, 's'), resolve));
  chmodSync(join(dir, 's'), 0o777);
});
afterEach(async () => {
  for (const c of children) c.kill('SIGKILL');
  children = [];
  await new Promise((resolve) => server.close(resolve));
  rmSync(dir, { recursive: true, force: true });
});

/** The descriptor of an accepted connection: a field of Node's that it does not document. */
function fdOf(socket: Socket): number {
  const handle = (socket as unknown as { _handle: { fd: number } })._handle;
  return handle.fd;
}

/** A child that connects and stays; the accepted side. */
async function accept(as: { uid?: number; gid?: number }): Promise<{ socket: Socket; child: ChildProcess }> {
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const script = `require('net').connect(${JSON.stringify(join(dir, 's'))})`;
  const child = spawn(process.execPath, ['-e', script], { ...as, cwd: '/', stdio: 'ignore' });
  children.push(child);
  return { socket: await accepted, child };
}

describe('peerCredentials', () => {
  it.runIf(may('root'))('are those of the child, of another user', async () => {
    const { socket, child } = await accept({ uid: 65534, gid: 65533 });
    const peer = addon.peerCredentials(fdOf(socket));
    expect(peer).toMatchObject({ pid: child.pid, uid: 65534, gid: 65533 });
    if (peer.pidfd !== undefined) addon.closeFd(peer.pidfd);
    socket.destroy();
  });

  it('carry a pidfd that says when the peer has ended, where the kernel gives one', async () => {
    const { socket, child } = await accept({});
    const { pidfd } = addon.peerCredentials(fdOf(socket));
    const [major = 0, minor = 0] = (await import('node:os')).release().split('.').map(Number);
    expect(pidfd !== undefined).toBe(major > 6 || (major === 6 && minor >= 5));
    if (pidfd !== undefined) {
      expect(addon.pidfdAlive(pidfd)).toBe(true);
      expect(addon.pidOfPidfd(pidfd)).toBe(child.pid);
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      expect(addon.pidfdAlive(pidfd)).toBe(false);
      expect(addon.pidOfPidfd(pidfd)).toBe(-1);
      addon.closeFd(pidfd);
      expect(() => addon.pidfdAlive(pidfd)).toThrow(/EBADF/);
    }
    socket.destroy();
  });

  it('are our own on a connection to ourselves', async () => {
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const near = connect(join(dir, 's'));
    const socket = await accepted;
    expect(addon.peerCredentials(fdOf(socket))).toMatchObject({
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    });
    near.destroy();
    socket.destroy();
  });

  it('are refused for what is no connected Unix socket', async () => {
    const file = openSync('/dev/null', 'r');
    expect(() => addon.peerCredentials(file)).toThrow(expect.objectContaining({ errno: 'ENOTSOCK' }));
    addon.closeFd(file);
    expect(() => addon.peerCredentials(file)).toThrow(expect.objectContaining({ errno: 'EBADF' }));
    expect(() => addon.peerCredentials(-1)).toThrow(TypeError);
    expect(() => addon.closeFd(file)).toThrow(expect.objectContaining({ errno: 'EBADF', syscall: 'close' }));
    const tcp = createServer();
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const { port } = tcp.address() as { port: number };
    const accepted = new Promise<Socket>((resolve) => tcp.once('connection', resolve));
    const near = connect(port, '127.0.0.1');
    const socket = await accepted;
    expect(() => addon.peerCredentials(fdOf(socket))).toThrow(expect.objectContaining({ errno: 'ENOTCONN' }));
    near.destroy();
    socket.destroy();
    tcp.close();
  });

  it('a pid is not read from a descriptor that is no pidfd', () => {
    const file = openSync('/dev/null', 'r');
    expect(() => addon.pidOfPidfd(file)).toThrow(expect.objectContaining({ errno: 'EINVAL' }));
    addon.closeFd(file);
  });
});
