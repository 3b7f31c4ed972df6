/**
 * The units as systemd itself reads them: no fault, a bounded exposure, users and directories that can be made. That the
 * directives are in force in a running process is nspawn's test to show (scripts/test-systemd).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../kit/ctl.ts';

const UNITS = join(ROOT, 'systemd');
const names = readdirSync(UNITS).filter((f) => /\.(?:service|socket)$/.test(f));
const services = names.filter((f) => f.endsWith('.service'));

/** Highest exposure that `systemd-analyze security` may find, in tenths; a unit that is not here fails. */
const EXPOSURE: Record<string, number> = {
  'attestd.service': 10,
  'attestd-init.service': 10,
  'attestd-forward.service': 20,
  'attestd-observe.service': 14,
  'attestd-demo-tpm.service': 10,
};

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-units-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const words = (unit: string) => readFileSync(join(UNITS, unit), 'utf8');

describe('the units', () => {
  it('are accepted by systemd without a word', () => {
    // What the package brings is not on this machine: a program that is stands in its place.
    const there = join(dir, 'verify');
    cpSync(UNITS, there, { recursive: true });
    for (const name of names) {
      const text = words(name).replaceAll(/\/usr\/(?:lib\/attestd\/node|bin\/swtpm)/g, '/bin/true');
      writeFileSync(join(there, name), text);
    }
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...names], {
      cwd: there,
      encoding: 'utf8',
    });
    const ours = (stdout + stderr).split('\n').filter((l) => l.includes('attestd'));
    expect([status, ours]).toEqual([0, []]);
  });

  it.each(services)('%s exposes no more than it must', (unit) => {
    const most = EXPOSURE[unit];
    expect(most, `${unit} has no bound in this test`).toBeDefined();
    const run = (threshold: number) =>
      spawnSync(
        'systemd-analyze',
        ['security', '--offline=true', '--no-pager', `--threshold=${threshold}`, join(UNITS, unit)],
        { encoding: 'utf8' },
      );
    const { status, stdout } = run(most as number);
    expect(status, stdout).toBe(0);
    // That the gate can close at all.
    expect(run(0).status).toBe(1);
  });

  it('wait longer the more ends there are that nobody asked for, and systemd never gives them up', () => {
    const runtime = join(dir, 'pace');
    mkdirSync(join(runtime, 'bin'), { recursive: true });
    const ran = (result: string): string => {
      const PATH = `${join(runtime, 'bin')}:${process.env.PATH}`;
      const env = { PATH, RUNTIME_DIRECTORY: runtime, SERVICE_RESULT: result };
      const { status, stdout, stderr } = spawnSync(join(UNITS, 'pace'), { env, encoding: 'utf8' });
      expect([status, stderr]).toEqual([0, '']);
      return stdout.trim();
    };
    // It would take half a minute: what it asks sleep for is looked at, and slept in scripts/test-systemd.
    writeFileSync(join(runtime, 'bin/sleep'), '#!/bin/sh\necho "$1"\n', { mode: 0o755 });
    expect(ran('success')).toBe('');
    const results = ['exit-code', 'watchdog', 'signal', 'core-dump', 'oom-kill', 'timeout', 'protocol'];
    expect([...results, ...results].map(ran)).toEqual(['', '', '1', '2', '4', '8', ...Array(8).fill('15')]);
    expect(ran('success')).toBe('');
    // Ten minutes later, or by a clock that went back, they no longer count.
    const now = Math.floor(Date.now() / 1000);
    for (const long of [now - 601, now + 3600]) {
      writeFileSync(join(runtime, 'ends'), `${long}\n`.repeat(9));
      expect(ran('exit-code')).toBe('');
    }
    for (const unit of ['attestd.service', 'attestd-observe.service', 'attestd-forward.service']) {
      expect(words(unit)).toMatch(/^StartLimitIntervalSec=0$/m);
      expect(words(unit)).toMatch(/^ExecStopPost=-\/usr\/lib\/attestd\/pace$/m);
      expect(words(unit)).toMatch(/^RuntimeDirectoryPreserve=restart$/m);
      // It waits within the time that a stop may take.
      expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(words(unit))?.[1])).toBeGreaterThan(20);
    }
  });

  it('are found in the journal by their names', () => {
    for (const unit of services.filter((s) => s !== 'attestd-demo-tpm.service'))
      expect(words(unit)).toMatch(new RegExp(`^SyslogIdentifier=${unit.replace('.service', '')}$`, 'm'));
  });

  it('hold the sockets and not the daemon, and neither makes a host by itself', () => {
    for (const [socket, group] of [
      ['attestd.socket', 'attestd-clients'],
      ['attestd-admin.socket', 'attestd-admin'],
    ]) {
      expect(words(socket as string)).toMatch(/^SocketMode=0660$/m);
      expect(words(socket as string)).toMatch(new RegExp(`^SocketGroup=${group}$`, 'm'));
      expect(words(socket as string)).toMatch(/^Service=attestd\.service$/m);
    }
    const daemon = words('attestd.service');
    for (const line of [
      'Type=notify',
      'NotifyAccess=main',
      'PrivateNetwork=yes',
      'RestrictAddressFamilies=AF_UNIX',
    ]) {
      expect(daemon.split('\n')).toContain(line);
    }
    expect(words('attestd-init.service')).not.toContain('[Install]');
    for (const name of names)
      expect(words(name)).not.toMatch(/^(?:Wants|Requires|BindsTo|Upholds)=.*attestd-init/m);
  });

  it('have users and directories that systemd makes, in an empty root', () => {
    const root = join(dir, 'root');
    for (const d of ['etc', 'usr/lib/sysusers.d', 'usr/lib/tmpfiles.d'])
      mkdirSync(join(root, d), { recursive: true });
    cpSync(join(UNITS, 'attestd.sysusers'), join(root, 'usr/lib/sysusers.d/attestd.conf'));
    cpSync(join(UNITS, 'attestd.tmpfiles'), join(root, 'usr/lib/tmpfiles.d/attestd.conf'));
    execFileSync('systemd-sysusers', [`--root=${root}`], { stdio: 'pipe' });
    const groups = readFileSync(join(root, 'etc/group'), 'utf8');
    expect(groups).toMatch(/^attestd-clients:x:\d+:attestd-forward$/m);
    expect(groups).toMatch(/^tss:x:\d+:attestd$/m);
    for (const user of ['attestd', 'attestd-forward']) {
      expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toMatch(
        new RegExp(`^${user}:.*:/usr/sbin/nologin$`, 'm'),
      );
    }
    execFileSync('systemd-tmpfiles', ['--create', `--root=${root}`], { stdio: 'pipe' });
    expect(readdirSync(join(root, 'var/lib'))).toContain('attestd');
  });

  it('are all named in the preset, each once', () => {
    const preset = words('attestd.preset').match(/^(?:enable|disable) (\S+)$/gm) ?? [];
    const named = preset.map((l) => l.split(' ')[1]).sort();
    expect(named).toEqual([...names].sort());
  });
});
