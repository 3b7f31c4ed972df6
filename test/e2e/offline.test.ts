/** The auditor's path: no network, no daemon, no state of the host, only the files that were handed over. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ctl } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { flip } from '../kit/forge.ts';
import type { DaemonProcess } from '../kit/host.ts';

const NONCE = '00112233445566778899aabbccddeeff';
const OTHER = '00112233445566778899aabbccddeefe';
let host: EnrolledHost;
let daemon: DaemonProcess;
let id: string;
let desk: string;
const verify = (...args: string[]) =>
  ctl(['verify', ...args, '--json'], {
    cwd: desk,
    env: { ATTESTD_SOCKET: undefined, ATTESTD_TRUST: undefined },
  });
const report = (told: { stdout: string }) => JSON.parse(told.stdout);

beforeAll(async () => {
  host = await makeEnrolledHost();
  daemon = await host.up();
  desk = host.at('desk');
  mkdirSync(desk);
  id = await host.recorded('true');
  const bundle = await host.bundle(id);
  copyFileSync(bundle, join(desk, 'run.attest.json'));
  copyFileSync(await host.trust(bundle, 3), join(desk, 'trust.json'));
  copyFileSync(await host.trust(bundle, 4), join(desk, 'trust-4.json'));
  await host.must(['quote', '--nonce', NONCE, '-o', join(desk, 'fresh.json')]);
});
afterAll(() => host?.remove());

test('a fresh quote is verified with its nonce, and with no other', async () => {
  const good = await verify('fresh.json', '--trust', 'trust.json', '--nonce', NONCE);
  expect([good.status, report(good).verdict, report(good).simulated]).toEqual([0, 'verified', true]);
  const other = await verify('fresh.json', '--trust', 'trust.json', '--nonce', OTHER);
  expect([other.status, report(other).verdict]).toEqual([1, 'rejected']);
  const failed = report(other).checks.filter((c: { status: string }) => c.status === 'fail');
  expect(failed.map((c: { id: string }) => c.id)).toContain('fresh-nonce');
});

test('a fresh quote is no bundle, and a bundle no fresh quote', async () => {
  expect((await verify('fresh.json', '--trust', 'trust.json')).status).toBe(3);
  expect((await verify('run.attest.json', '--trust', 'trust.json', '--nonce', NONCE)).status).toBe(3);
});

test('after a clean stop the anchor of the stop covers the record: level 4, from the state directory', async () => {
  const early = await verify('run.attest.json', '--trust', 'trust-4.json');
  expect([early.status, report(early).level]).toEqual([4, 3]);
  expect(await daemon.stop()).toEqual({ code: 0, signal: null });
  const args = ['bundle', id, '--state', host.config.state_dir, '-o', join(desk, 'stopped.attest.json')];
  await host.must(args);
  const late = await verify('stopped.attest.json', '--trust', 'trust-4.json');
  expect([late.status, report(late).verdict, report(late).level]).toEqual([0, 'verified', 4]);
  const nobody = ['bundle', '01KAE3X5V0N9S8QX1Z7M2R4B6C', ...args.slice(2)];
  expect((await host.ctl(nobody)).status).toBe(2);
});

test('the verdict needs neither network nor host, only the two files', async () => {
  renameSync(host.config.state_dir, `${host.config.state_dir}-gone`);
  const apart = join(desk, 'apart');
  mkdirSync(apart);
  for (const f of ['stopped.attest.json', 'trust-4.json']) copyFileSync(join(desk, f), join(apart, f));
  const args = ['verify', 'stopped.attest.json', '--trust', 'trust-4.json', '--json'];
  const env = { HOME: '/nonexistent', ATTESTD_SOCKET: undefined, ATTESTD_TRUST: undefined };
  const under = ['unshare', '-rn'];
  const interfaces = execFileSync('unshare', ['-rn', 'cat', '/proc/net/dev']).toString();
  expect(
    interfaces
      .split('\n')
      .slice(2)
      .filter((l) => l.trim() !== '' && !/^\s*lo:/.test(l)),
  ).toEqual([]);
  const told = await ctl(args, { cwd: apart, env, under });
  expect([told.status, told.stderr]).toEqual([0, '']);
  // The same report, byte for byte, as with a network.
  expect(told.stdout).toBe((await ctl(args, { cwd: apart })).stdout);
  expect(readdirSync(apart).sort()).toEqual(['stopped.attest.json', 'trust-4.json']);
  // Where there is a network, not one socket is opened to it.
  const trace = join(desk, 'sockets');
  const traced = ['strace', '-f', '-qq', '-e', 'trace=socket,connect', '-o', trace];
  const watched = await ctl(args, { cwd: apart, under: traced });
  expect([watched.status, watched.stdout]).toEqual([0, told.stdout]);
  expect(readFileSync(trace, 'utf8')).not.toMatch(/AF_INET|AF_NETLINK|AF_PACKET/);
  const bytes = readFileSync(join(apart, 'stopped.attest.json'));
  for (const at of [500, bytes.length >> 1, bytes.length - 200]) {
    writeFileSync(join(apart, 'changed'), flip(bytes, at));
    const changed = await ctl(['verify', 'changed', ...args.slice(2)], { cwd: apart, env, under });
    expect([1, 3]).toContain(changed.status);
    expect(report(changed).verdict).toBe('rejected');
  }
  renameSync(`${host.config.state_dir}-gone`, host.config.state_dir);
});

test('nor does any other command that judges evidence', async () => {
  const state = host.config.state_dir;
  const commands = [
    ['verify', 'fresh.json', '--trust', 'trust.json', '--nonce', NONCE, '--json'],
    ['verify', 'run.attest.json', '--trust', 'trust.json', '--details'],
    ['audit', state, '--json'],
    ['audit', host.at('ca'), '--json'],
    ['policy', 'check', 'trust.json', '--json'],
    ['appraise', 'learn', 'run.attest.json', '--name', 'here', '--json', '-o', '-'],
  ];
  for (const args of commands) {
    const options = { cwd: desk, env: { ATTESTD_SOCKET: undefined, ATTESTD_TRUST: undefined } };
    const told = await ctl(args, { ...options, under: ['unshare', '-rn'] });
    const trace = join(desk, 'sockets');
    const traced = ['strace', '-f', '-qq', '-e', 'trace=socket,connect', '-o', trace];
    const watched = await ctl(args, { ...options, under: traced });
    expect([args.join(' '), told.status, told.stdout]).toEqual([
      args.join(' '),
      watched.status,
      watched.stdout,
    ]);
    expect([args.join(' '), watched.status, watched.stderr]).toEqual([
      args.join(' '),
      expect.toBeOneOf([0, 1]),
      expect.any(String),
    ]);
    expect(readFileSync(trace, 'utf8')).not.toMatch(/AF_INET|AF_NETLINK|AF_PACKET/);
  }
});
