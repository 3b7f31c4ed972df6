/**
 * docs/bound-key.md on a real host: the record key is bound by a rotation, signs in the approved state, is refused in
 * another while records and seals go on, and signs again when the operator approves that one.
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connect } from '../../src/client/client.ts';
import { u16, u32 } from '../../src/core/bytes.ts';
import { CTL, type Outcome, ROOT, runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { type DaemonProcess, until } from '../kit/host.ts';

const page = readFileSync(join(ROOT, 'docs/bound-key.md'), 'utf8');
const blocks = [...page.matchAll(/^```console\n(.*?)^```$/gms)].map((m) =>
  (m[1] as string).split('\n').flatMap((l) => (l.startsWith('$ ') ? [l.slice(2)] : [])),
);
const toml = /^```toml\n(.*?)^```$/ms.exec(page)?.[1] as string;

let host: EnrolledHost;
let daemon: DaemonProcess;
let admin: Client;
let policy: string;
const at = (name: string) => host.at(name);
const placed = (text: string) =>
  text
    .replaceAll('--fleet prod', `--fleet ${host.config.fleet}`)
    .replaceAll('/etc/attestd/approvals', at('approvals'))
    .replaceAll('/etc/attestd/operator.pub', at('operator.pub'));
const sh = (command: string): Promise<Outcome> =>
  runProgram(['bash', '-c', placed(command)], {
    cwd: host.dir,
    env: { PATH: `${at('bin')}:${process.env.PATH}`, ATTESTD_SOCKET: host.socket, HOME: host.dir },
  });
/** Carries out a block. What doctor says of the rest of this machine is not asked. */
async function follow(block: number): Promise<Outcome[]> {
  const out: Outcome[] = [];
  for (const command of blocks[block] as string[]) {
    const done = await sh(
      /^attestctl (keys|doctor)/.test(command) ? `${command} --config attestd.toml` : command,
    );
    if (!command.includes('doctor')) expect([command, done.status], done.stderr).toEqual([command, 0]);
    out.push(done);
  }
  return out;
}
const reconnect = () => {
  admin?.close();
  admin = connect({ socket: at('admin.sock'), client: 'test/1' });
};
const recordKey = async () => (await admin.status()).recordKey as Record<string, unknown>;
const sizeOf = (note: string) => Number(note.split('\n')[1]);
const published = () => readFileSync(join(host.logDir, 'published'), 'utf8');

/** As the firmware after an update: the fault proxy lets anybody talk to the TPM. */
async function extend(pcr: number): Promise<void> {
  const digest = Buffer.alloc(32, 7);
  const body = Buffer.concat([u32(0x182), u32(pcr), u32(9), u32(0x40000009), Buffer.from([0, 0, 0, 0, 0])]);
  const list = Buffer.concat([u32(1), u16(0x0b), digest]);
  const command = Buffer.concat([u16(0x8002), u32(6 + body.length + list.length), body, list]);
  const socket = connectTo(host.tpm.tcti.replace(/^swtpm:path=/, ''));
  const answer = await new Promise<Buffer>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', resolve);
    socket.write(command);
  });
  socket.end();
  expect(answer.readUInt32BE(6)).toBe(0);
}

beforeAll(async () => {
  host = await makeEnrolledHost({ seal: ['published_ms = 100'] });
  mkdirSync(at('bin'));
  writeFileSync(at('bin/attestctl'), `#!/bin/sh\nexec ${process.execPath} ${CTL} "$@"\n`, { mode: 0o755 });
  daemon = await host.up();
  reconnect();
  await host.bundle(await host.recorded('true'), 'golden.attest.json');
}, 300_000);
afterAll(async () => {
  admin?.close();
  await host?.remove();
});

test('by default it is not bound', async () => {
  expect(await recordKey()).toEqual({ bound: false });
  await admin.certificateRequest('record');
  await daemon.stop();
  const { stdout } = await host.ctl(['doctor', '--config', at('attestd.toml'), '--json']);
  expect(stateIn(stdout)).toMatchObject({
    status: 'ok',
    sentence: 'It is not bound to states of the machine.',
  });
});

const stateIn = (json: string) =>
  (JSON.parse(json).checks as { id: string }[]).find((c) => c.id === 'record-key-state');

test('the page binds it, and without an approval it does not sign', async () => {
  await follow(0);
  appendFileSync(at('attestd.toml'), `\n${placed(toml)}`);
  const { stdout } = await host.ctl(['doctor', '--config', at('attestd.toml'), '--json']);
  expect(stateIn(stdout)).toMatchObject({ status: 'warn' });
  const [rotated, listed] = await follow(1);
  expect(rotated?.stdout).toMatch(/^record 000b[0-9a-f]{64}\n$/);
  expect(listed?.stdout).toMatch(/^record +waits /m);
  daemon = await host.up();
  reconnect();
  await expect(admin.certificateRequest('record')).rejects.toMatchObject({ code: 'RECORD_KEY_UNAPPROVED' });
  expect(await recordKey()).toMatchObject({
    bound: true,
    approved: false,
    why: expect.stringMatching(/there is no approval in/),
  });
});

test('an approval counts at once', async () => {
  const [, , examined] = await follow(2);
  expect(examined?.stdout).toMatch(/record-key-state|record key/);
  await admin.certificateRequest('record');
  policy = ((await follow(3))[0]?.stdout ?? '').trim();
  expect(await recordKey()).toEqual({ bound: true, approved: true, policy });
  await until('a checkpoint under the bound key', async () => sizeOf(published()) > 0);
});

describe('another state', () => {
  let refusedAt: number;
  test('is refused with its code, and records and seals go on', async () => {
    await extend(4);
    await expect(admin.certificateRequest('record')).rejects.toMatchObject({
      code: 'RECORD_KEY_UNAPPROVED',
      message: expect.stringMatching(/PCR 4 has other values/),
    });
    refusedAt = sizeOf(published());
    const file = await host.bundle(await host.recorded('true'), 'changed.attest.json');
    expect(readFileSync(file, 'utf8')).not.toBe('');
    const { reasons, canSeal } = (await admin.health()) as unknown as { reasons: string[]; canSeal: boolean };
    expect(canSeal).toBe(true);
    expect(reasons).toContainEqual(expect.stringMatching(/^record key: no approval/));
    const { stdout } = await host.ctl(['doctor', '--config', at('attestd.toml'), '--json']);
    expect(stateIn(stdout)).toMatchObject({
      status: 'wrong',
      sentence: expect.stringMatching(/PCR 4 has other values/),
    });
  });
  test('is approved by the operator, and the same key signs again', async () => {
    await sh(
      'attestctl policy pcr approve changed.attest.json --pcr 0 4 7 --key operator.pem -o approvals/update.json',
    );
    await admin.certificateRequest('record');
    await until('a newer published checkpoint', async () => sizeOf(published()) > refusedAt);
    expect(await recordKey()).toEqual({ bound: true, approved: true, policy });
  });
});

test('a verdict names the policy of the key', async () => {
  const file = await host.bundle(await host.recorded('true'), 'after.attest.json');
  const trust = await host.trust(file);
  const { status, stdout } = await host.ctl(['verify', file, '--trust', trust, '--json']);
  const { checks } = JSON.parse(stdout) as { checks: { id: string; sentence: string }[] };
  expect(status).toBe(0);
  expect(checks.find((c) => c.id === 'record-key')?.sentence).toContain(
    `only as the policy ${policy} allows`,
  );
});

test.each<[string, string, number, RegExp]>([
  ['registers without a bundle', '--pcr 4 --fleet f', 2, /none is given/],
  ['a register that is not quoted', 'golden.attest.json --pcr 23', 2, /quotes no PCR 23/],
  ['nothing', 'golden.attest.json', 2, /nothing to approve/],
  ['no fleet', `--value 4:${'ab'.repeat(32)}`, 2, /name the fleet/],
  ['a value that is none', '--value 4:ab --fleet f', 2, /no register and value/],
])('an approval of %s is refused', async (_, args, status, says) => {
  const done = await sh(`attestctl policy pcr approve ${args} --key operator.pem -o x.json`);
  expect([done.status, done.stderr]).toEqual([status, expect.stringMatching(says)]);
});
test('an approval is signed on P-256 only, and foreseen values need no bundle', async () => {
  await sh('openssl genpkey -algorithm ed25519 -out ed.pem');
  const value = `--value 7:${'ab'.repeat(32)} --fleet fleet -o foreseen.json`;
  const refused = await sh(`attestctl policy pcr approve ${value} --key ed.pem`);
  expect([refused.status, refused.stderr]).toEqual([
    3,
    expect.stringMatching(/no unencrypted private key on P-256/),
  ]);
  const made = await sh(`attestctl policy pcr approve ${value} --key operator.pem`);
  expect([made.status, made.stderr]).toEqual([
    0,
    expect.stringMatching(/PCR 7 approved for the fleet fleet/),
  ]);
});
