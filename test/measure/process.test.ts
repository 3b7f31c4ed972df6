import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cgroupPath, systemdUnit } from '../../src/measure/cgroup.ts';
import { containerOf } from '../../src/measure/container.ts';
import { readEnvironment } from '../../src/measure/environment.ts';
import { createExecutableReader } from '../../src/measure/executable.ts';
import { readFirmwareLog } from '../../src/measure/firmware.ts';
import { observeCaller, startTicks, ticksNow } from '../../src/measure/process.ts';

const dir = mkdtempSync(join(tmpdir(), 'attestd-measure-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const c of children) c.kill('SIGKILL');
  rmSync(dir, { recursive: true });
});
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const self = { pid: process.pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, groups: [7] };
const pinned = { kind: 'pidfd', alive: () => true } as const;
const peer = { ...self, pin: pinned };
const executables = createExecutableReader();

function sleeper(program: string): number {
  const child = spawn(program, ['60'], { stdio: 'ignore' });
  children.push(child);
  return child.pid as number;
}

describe('an observed caller', () => {
  it('has what the kernel knows about a live process', async () => {
    const seen = await observeCaller(peer, { executables });
    expect(seen).toMatchObject({
      ...self,
      exe: { path: process.execPath, sha256: sha256(process.execPath) },
      exeMethod: '/proc/pid/exe',
      method: 'SO_PEERCRED+SO_PEERPIDFD',
      startTicks: startTicks(readFileSync('/proc/self/stat', 'utf8')),
    });
    expect(seen.cgroup).toBe(cgroupPath(readFileSync('/proc/self/cgroup', 'utf8')) ?? 'unreadable');
  });

  it('is of the file that runs, not of the one that took its path', async () => {
    const program = join(dir, 'sleep');
    copyFileSync('/bin/sleep', program);
    const pid = sleeper(program);
    rmSync(program);
    writeFileSync(program, 'something else');
    const seen = await observeCaller({ ...peer, pid }, { executables });
    expect(seen.exe).toEqual({ path: `${program} (deleted)`, sha256: sha256('/bin/sleep') });
  });

  it('says unreadable, and leaves nothing out, for a process that is gone', async () => {
    const child = spawn('/bin/true');
    await new Promise((resolve) => child.once('close', resolve));
    const seen = await observeCaller({ ...peer, pid: child.pid as number }, { executables });
    expect(seen).toEqual({
      ...self,
      pid: child.pid,
      startTicks: 'unreadable',
      exe: 'unreadable',
      exeMethod: '/proc/pid/exe',
      cgroup: 'unreadable',
      method: 'SO_PEERCRED+SO_PEERPIDFD',
    });
  });

  it('is not believed when another process took the pid in between', async () => {
    const proc = join(dir, 'proc');
    mkdirSync(join(proc, '7'), { recursive: true });
    const stat = (ticks: number) => `7 (a) b) S ${'0 '.repeat(18)}${ticks} 0`;
    writeFileSync(join(proc, '7/stat'), stat(100));
    writeFileSync(join(proc, '7/cgroup'), '0::/system.slice/x.service\n');
    const reused = {
      read: async () => {
        writeFileSync(join(proc, '7/stat'), stat(200));
        return { path: '/bin/other', sha256: '00' };
      },
    };
    const seen = await observeCaller({ ...peer, pid: 7 }, { executables: reused, proc });
    expect([seen.startTicks, seen.exe, seen.cgroup]).toEqual(['unreadable', 'unreadable', 'unreadable']);
    expect('unit' in seen).toBe(false);
  });

  it('is not believed when the pidfd no longer names the pid', async () => {
    const seen = await observeCaller(
      { ...self, pin: { kind: 'pidfd', alive: () => false } },
      { executables },
    );
    expect([seen.startTicks, seen.method]).toEqual(['unreadable', 'SO_PEERCRED+SO_PEERPIDFD']);
  });
});

describe('where the kernel gives no pidfd', () => {
  const own = startTicks(readFileSync('/proc/self/stat', 'utf8')) as number;
  it.each([
    ['a process older than the connection is believed', own + 1, own],
    ['one that may have begun after it is not', own, 'unreadable'],
    ['nor any where nothing is known of the connection', undefined, 'unreadable'],
  ] as const)('%s', async (_what, connectedAfter, expected) => {
    const seen = await observeCaller({ ...self, pin: { kind: 'age', connectedAfter } }, { executables });
    expect([seen.startTicks, seen.method]).toEqual([expected, 'SO_PEERCRED']);
  });

  it('time is counted as start times are', () => {
    expect(ticksNow()).toBeGreaterThan(own);
    expect(ticksNow(join(dir, 'none'))).toBeUndefined();
  });
});

describe('what systemd and the audit say', () => {
  const proc = join(dir, 'proc-login');
  const units = join(dir, 'units');
  mkdirSync(join(proc, '8'), { recursive: true });
  mkdirSync(units);
  writeFileSync(join(proc, '8/stat'), `8 (a) S ${'0 '.repeat(18)}100 0`);
  writeFileSync(join(proc, '8/cgroup'), '0::/system.slice/ci.service\n');
  const look = () => observeCaller({ ...peer, pid: 8 }, { executables, proc, units });

  it('is the invocation of the unit, and the login', async () => {
    writeFileSync(join(proc, '8/loginuid'), '1000');
    writeFileSync(join(proc, '8/sessionid'), '3');
    symlinkSync('0123456789abcdef0123456789abcdef', join(units, 'invocation:ci.service'));
    expect(await look()).toMatchObject({
      unit: 'ci.service',
      invocation: '0123456789abcdef0123456789abcdef',
      login: { uid: 1000, session: 3 },
    });
  });

  it('is left out where there is none', async () => {
    writeFileSync(join(proc, '8/sessionid'), '4294967295');
    rmSync(join(units, 'invocation:ci.service'));
    const seen = await look();
    expect([seen.invocation, seen.login]).toEqual([undefined, undefined]);
  });
});

describe('a container', () => {
  const id = 'a1'.repeat(32);
  const uid = '0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9';
  const pod = `pod${uid.replaceAll('-', '_')}`;
  it.each([
    ['docker, cgroupfs', `/docker/${id}`, { engine: 'docker', id }],
    ['docker, systemd', `/system.slice/docker-${id}.scope`, { engine: 'docker', id }],
    ['docker, a group inside', `/system.slice/docker-${id}.scope/init`, { engine: 'docker', id }],
    ['podman', `/machine.slice/libpod-${id}.scope/container`, { engine: 'podman', id }],
    [
      'podman without root',
      `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope`,
      { engine: 'podman', id },
    ],
    ['podman, cgroupfs', `/libpod_parent/libpod-${id}`, { engine: 'podman', id }],
    [
      'Kubernetes with containerd',
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-${pod}.slice/cri-containerd-${id}.scope`,
      { engine: 'containerd', id, pod: uid },
    ],
    [
      'Kubernetes with containerd in its own unit',
      `/system.slice/containerd.service/kubepods-besteffort-${pod}.slice:cri-containerd:${id}`,
      { engine: 'containerd', id, pod: uid },
    ],
    [
      'Kubernetes with CRI-O',
      `/kubepods.slice/kubepods-${pod}.slice/crio-${id}.scope`,
      { engine: 'cri-o', id, pod: uid },
    ],
    [
      'Kubernetes with Docker',
      `/kubepods.slice/kubepods-${pod}.slice/docker-${id}.scope`,
      { engine: 'docker', id, pod: uid },
    ],
    ['Kubernetes, cgroupfs', `/kubepods/besteffort/pod${uid}/${id}`, { engine: 'kubernetes', id, pod: uid }],
    ['nspawn', '/machine.slice/systemd-nspawn@web.service/payload', { engine: 'nspawn', id: 'web' }],
    ['a machine', '/machine.slice/machine-web\\x2d1.scope', { engine: 'nspawn', id: 'web-1' }],
    ['lxc', '/lxc.payload.db', { engine: 'lxc', id: 'db' }],
    [
      'Docker in nspawn: the inner one',
      `/machine.slice/machine-a.scope/docker/${id}`,
      { engine: 'docker', id },
    ],
    ['the monitor of a container', `/machine.slice/libpod-conmon-${id}.scope`, undefined],
    ['an id too short', '/docker/0123abc', undefined],
    ['an id on its own', `/${id}`, undefined],
    ['a pod that is none of Kubernetes', `/pod${uid}/${id}`, undefined],
    ['a service', '/system.slice/nginx.service', undefined],
    ['the root', '/', undefined],
  ])('%s', (_what, path, container) => expect(containerOf(path)).toEqual(container));
});

describe('the digest of an executable', () => {
  it('follows a change of the file', async () => {
    const reader = createExecutableReader(2);
    const program = join(dir, 'changing');
    copyFileSync('/bin/sleep', program);
    const pid = sleeper(program);
    const link = `/proc/${pid}/exe`;
    const first = await reader.read(link);
    expect(await reader.read(link)).toEqual(first);
    rmSync(program);
    copyFileSync('/bin/true', program);
    const other = join(dir, 'other');
    copyFileSync('/bin/sleep', other);
    writeFileSync(other, Buffer.concat([readFileSync('/bin/sleep'), Buffer.alloc(1)]));
    const changed = await reader.read(`/proc/${sleeper(other)}/exe`);
    expect(changed).toMatchObject({ sha256: sha256(other) });
    expect(changed).not.toMatchObject({ sha256: (first as { sha256: string }).sha256 });
  });
});

describe('a control group', () => {
  it.each([
    ['a system service', '0::/system.slice/nginx.service\n', '/system.slice/nginx.service', 'nginx.service'],
    ['an instance', '0::/system.slice/system-x.slice/x@a.service\n', undefined, 'x@a.service'],
    [
      'a service of a user manager',
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/y.service\n',
      undefined,
      'user@1000.service',
    ],
    ['a session', '0::/user.slice/user-0.slice/session-4.scope\n', undefined, 'session-4.scope'],
    [
      'a group below a unit',
      '0::/system.slice/a.service/inner\n',
      '/system.slice/a.service/inner',
      'a.service',
    ],
    ['an escaped name', '0::/system.slice/_a.service\n', undefined, 'a.service'],
    [
      'version 1',
      '12:cpu:/x\n1:name=systemd:/system.slice/b.service\n',
      '/system.slice/b.service',
      'b.service',
    ],
    ['no unit', '0::/\n', '/', undefined],
    ['a container', '0::/docker/0123abc\n', '/docker/0123abc', undefined],
  ])('%s', (_what, text, path, unit) => {
    const read = cgroupPath(text);
    if (path !== undefined) expect(read).toBe(path);
    expect(systemdUnit(read ?? '')).toBe(unit);
  });
});

describe('the firmware log', () => {
  it('is its digest and size, or a word that says why not', async () => {
    const file = join(dir, 'log');
    writeFileSync(file, 'events');
    expect(await readFirmwareLog(file)).toEqual({ sha256: sha256(file), size: 6 });
    expect(await readFirmwareLog(join(dir, 'none'))).toBe('absent');
    expect(await readFirmwareLog(dir)).toBe('unreadable');
  });
});

describe('the environment', () => {
  it('has the boot id, or says that it is unreadable', () => {
    expect(readEnvironment()).toEqual({
      bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      node: process.versions.node,
    });
    expect(readEnvironment(join(dir, 'none')).bootId).toBe('unreadable');
  });
});
