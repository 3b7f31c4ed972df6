/**
 * SIGKILL at every step of measuring: before the register is read, before an extend that is announced, between an extend
 * and its read-back. After each the next start makes up for what was announced, and nothing is extended twice: all
 * entries of one life of the TPM, replayed, are what the register holds. And where somebody else extends, that is said.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex, ZERO32 } from '../../src/core/bytes.ts';
import { extended, measuredDigest } from '../../src/evidence/measured.ts';
import { type Predicate, readStatement } from '../../src/evidence/statement.ts';
import { readLog } from '../../src/store/reader.ts';
import { makeProcessHost, type ProcessHost, until } from '../kit/host.ts';
import { CC, command, extendCommand } from '../kit/wire.ts';
import { ask, newBody } from './load.ts';

let host: ProcessHost;
beforeEach(async () => {
  host = await makeProcessHost({ tpm: ['deadline_ms = 60000'] });
});
afterEach(() => host.remove());

const proxy = () => {
  if (host.tpm.proxy === null) throw new Error('this host has no proxy');
  return host.tpm.proxy;
};

/** PCR 13 as the TPM has it. */
async function register(): Promise<string> {
  const selection = Buffer.from([0, 0, 0, 1, 0, 0x0b, 3, 0, 0x20, 0]);
  const [answer] = (await host.tpm.send([command(CC.pcrRead, selection)])) as [Buffer];
  return answer.subarray(answer.length - 32).toString('hex');
}

/** Measurements and gaps of the log, in order. */
async function chain() {
  const links: { type: string; prev: string; after: string }[] = [];
  for await (const { entry } of readLog(host.logDir).entries()) {
    const { kind, predicate } = readStatement(entry);
    if (kind === 'measurement') {
      const { event, prev, expected } = predicate as Predicate<'measurement'>;
      const after = toHex(extended(Uint8Array.from(Buffer.from(prev, 'hex')), measuredDigest(event)));
      expect(after).toBe(expected);
      links.push({ type: event.type, prev, after });
    } else if (kind === 'gap') {
      const { measured } = predicate as Predicate<'gap'>;
      if (measured !== undefined) links.push({ type: 'gap', prev: measured.expected, after: measured.found });
    }
  }
  return links;
}

/** That the log and the register say the same, without a gap. @returns the types of what was measured */
async function whole(): Promise<string[]> {
  const links = await chain();
  let value = toHex(ZERO32);
  for (const { prev, after } of links) {
    expect(prev).toBe(value);
    value = after;
  }
  expect(await register(), 'what the register holds').toBe(value);
  return links.map((l) => l.type);
}

/** Starts the daemon and kills it when the TPM is asked for the nth such command. @returns whether it got there */
async function killAt(cc: number, nth: number): Promise<boolean> {
  proxy().inject({ cc, after: nth, hang: true });
  const before = proxy().seen(cc);
  const daemon = host.start();
  let ready = false;
  await until(`command ${nth} of ${cc.toString(16)}: ${daemon.output()}`, async () => {
    ready = (await ask(host.socket, '/v1/health').catch(() => undefined))?.json.canRecord === true;
    return ready || !daemon.running || proxy().seen(cc) > before + nth;
  });
  await daemon.kill();
  proxy().clear();
  return !ready;
}

test('a kill at any step loses nothing, and nothing is extended twice', async () => {
  const first = host.start();
  await first.ready();
  await first.kill();
  const start = await whole();
  expect([start[0], start.at(-1)]).toEqual(['start', 'ready']);
  expect(start.filter((t) => t === 'code').length).toBeGreaterThan(5);
  const n = start.length;
  const points: [number, number][] = [
    // Settling reads, the boot entry reads, measuring reads; then each extend is read before and behind.
    ...[0, 1, 3, 4, 5, 6].map((i): [number, number] => [CC.pcrRead, i]),
    ...[0, Math.floor(n / 2), n - 1].map((i): [number, number] => [CC.pcrExtend, i]),
  ];
  for (const [cc, nth] of points)
    expect(await killAt(cc, nth), `${cc.toString(16)} ${nth} is reached`).toBe(true);
  const daemon = host.start();
  await daemon.ready();
  expect((await ask(host.socket, '/v1/records?wait=sealed', { body: newBody() })).status).toBe(201);
  await daemon.stop();
  const types = await whole();
  // Announced extends of runs that were killed were made up for, so every run that announced is whole.
  expect(types.filter((t) => t === 'ready').length).toBe(types.filter((t) => t === 'start').length);
  expect(types).not.toContain('gap');
  const [report] = await host.audit();
  expect(report).toMatchObject({ verdict: 'verified', findings: [], foreign: [] });
});

test('killed before an extend, and somebody else extends: a gap in the log, and the audit names it', async () => {
  expect(await killAt(CC.pcrExtend, 2)).toBe(true);
  await host.tpm.send([extendCommand(13, new Uint8Array(32).fill(0x66))]);
  const daemon = host.start();
  await daemon.ready();
  expect((await ask(host.socket, '/v1/records?wait=sealed', { body: newBody() })).status).toBe(201);
  await daemon.stop();
  const links = await chain();
  expect(links.filter((l) => l.type === 'gap')).toHaveLength(1);
  expect(await register()).toBe(links.at(-1)?.after);
  const [report] = await host.audit();
  expect(report).toMatchObject({ verdict: 'verified', foreign: [expect.any(Number)] });
  const told = await host.ctl('audit', host.config.state_dir, '--progress', 'none');
  expect(told.stdout + told.stderr).toMatch(/somebody else extended or reset the register/);
});
