/**
 * The daemon measures itself into its register, over restarts, resets and the extends of others; and what it says about
 * that is what a verifier replays.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex, utf8, ZERO32 } from '../../src/core/bytes.ts';
import type { Software } from '../../src/daemon/measured/software.ts';
import { parseBundle, readProved } from '../../src/evidence/bundle.ts';
import { extended, measuredDigest } from '../../src/evidence/measured.ts';
import type { MeasuredEvent } from '../../src/evidence/schema/predicates.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import type { Trust } from '../../src/verify/trust.ts';
import { verifyBundle, verifyFresh } from '../../src/verify/verify.ts';
import { CC, extendCommand } from '../kit/wire.ts';
import { enrol, trustFor } from './enrol.ts';
import { ask, body, type Host, makeHost, random, until } from './kit.ts';

const START: MeasuredEvent[] = [
  { type: 'start', name: 'attestd 0.1.0, node v20.20.2' },
  { type: 'code', name: '/usr/lib/attestd/dist/daemon/main.js', sha256: '1d'.repeat(32) },
  { type: 'ready', name: 'attestd' },
];
const software = (events = START): Software => ({ events: async () => events, settings: async () => [] });
const after = (events: readonly MeasuredEvent[], from: Uint8Array = ZERO32): Uint8Array =>
  events.reduce((value, e) => extended(value, measuredDigest(e)), from);

let host: Host;
let root: Uint8Array;
beforeEach(async () => {
  host = await makeHost({ tpm: { deadline_ms: 60_000 } }, { proxy: true });
  await host.init();
  root = await enrol(host);
});
afterEach(() => host.remove());

const start = async (s = software()) => (await host.start(undefined, s)).started;
async function bundle(): Promise<Uint8Array> {
  const { status, text, json } = await ask(host.config.socket.path, '/v1/records', { body: body() });
  expect(status, text).toBe(201);
  const answer = await ask(host.config.admin_socket.path, `/v1/records/${json.id}/bundle`);
  expect(answer.status, answer.text).toBe(200);
  return utf8(answer.text);
}
const trusting = (bytes: Uint8Array): Trust => ({ ...trustFor(root, bytes), selfMeasured: true });
async function judged(bytes: Uint8Array) {
  const report = await verifyBundle(bytes, trusting(bytes));
  const own = report.checks.find((c) => c.id === 'self-measured');
  const failed = report.checks.filter((c) => c.status === 'fail').map((c) => `${c.id}: ${c.sentence}`);
  return { report, own, failed };
}
const pcr13 = (bytes: Uint8Array) => parseBundle(bytes).pcrs?.sha256['13'];

test('every start extends the same, after the boot entry and before any record', async () => {
  await start();
  const first = await bundle();
  expect(pcr13(first)).toBe(toHex(after(START)));
  const { report, own, failed } = await judged(first);
  expect([failed, own?.status, report.verdict]).toEqual([[], 'pass', 'verified']);
  expect(report.software?.items.map((i) => i.name)).toEqual(['/usr/lib/attestd/dist/daemon/main.js']);
  const { measurements, boot } = parseBundle(first);
  expect(measurements.map((m) => m.index - boot.index)).toEqual([1, 2, 3]);

  // Again without a reset: the register goes on, and the bundle goes back to zeros.
  await host.stop();
  await start(software([...START.slice(0, -1), { type: 'unit', name: '/x' }, ...START.slice(-1)]));
  const second = await bundle();
  expect(parseBundle(second).measurements).toHaveLength(7);
  expect((await judged(second)).own).toMatchObject({ status: 'pass' });
  expect((await judged(second)).report.software?.items.map((i) => i.type)).toEqual(['code', 'unit']);

  // And after a reset from zeros.
  await host.stop();
  await host.tpm.reset({ orderly: true });
  await start();
  const third = await bundle();
  expect(pcr13(third)).toBe(toHex(after(START)));
  expect(parseBundle(third).measurements).toHaveLength(3);
  expect((await judged(third)).own).toMatchObject({ status: 'pass' });

  // An auditor's nonce is answered with the same.
  const nonce = random(32);
  const answer = await ask(host.config.socket.path, '/v1/quotes', {
    body: JSON.stringify({ nonce: Buffer.from(nonce).toString('base64url') }),
  });
  const fresh = await verifyFresh(utf8(answer.text), nonce, trusting(third));
  expect(fresh.checks.find((c) => c.id === 'self-measured')).toMatchObject({ status: 'pass' });
  expect(fresh.verdict).toBe('verified');
});

test('a reset under the running daemon begins a run that is measured again', async () => {
  await start();
  await bundle();
  await host.tpm.reset();
  const again = await bundle();
  expect(pcr13(again)).toBe(toHex(after(START)));
  expect((await judged(again)).own).toMatchObject({ status: 'pass' });
});

test('callers wait until a new run is measured, so none of its records stands before that', async () => {
  await start();
  await bundle();
  host.tpm.proxy?.inject({ cc: CC.pcrExtend, delayMs: 250 });
  let stopped = false;
  let answered = 0;
  const post = (type?: string) =>
    ask(host.config.socket.path, '/v1/records?wait=durable', {
      body: type === undefined ? body() : `${body()}\n`,
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
    });
  const calling = [undefined, 'application/x-ndjson'].map(async (type) => {
    for (; !stopped; answered++) expect((await post(type)).status).toBeLessThan(300);
  });
  await host.tpm.reset();
  const again = await bundle();
  const before = answered;
  await until(async () => answered > before + 10);
  stopped = true;
  await Promise.all(calling);
  const { measurements, boot } = parseBundle(again);
  expect(measurements.map((m) => m.index - boot.index)).toEqual([1, 2, 3]);
  const { own, failed } = await judged(again);
  expect([failed, own?.status]).toEqual([[], 'pass']);
});

test('a suspend keeps the register, and the run after it goes on from there', async () => {
  await start();
  await bundle();
  await host.tpm.suspendResume();
  const again = await bundle();
  expect(pcr13(again)).toBe(toHex(after(START, after(START))));
  expect((await judged(again)).own).toMatchObject({ status: 'pass' });
});

test('what somebody else extends becomes a gap: no seal speaks past it, and the verifier shows it', async () => {
  await start();
  await bundle();
  await host.tpm.send([extendCommand(13, new Uint8Array(32).fill(0x66))]);
  const bytes = await bundle();
  const { report, own, failed } = await judged(bytes);
  expect(failed).toEqual([]);
  expect(own).toMatchObject({ status: 'unknown' });
  expect(own?.sentence).toContain('a gap: somebody else extended it');
  expect([report.verdict, report.software?.gaps]).toEqual(['indeterminate', 1]);
  const tail = parseBundle(bytes).measurements.map((m) => readStatement(readProved(m).entry));
  expect(tail.map((s) => s.kind)).toEqual(['measurement', 'measurement', 'measurement', 'gap']);

  // While the daemon is down, too; and who only reads the newest start still sees it.
  await host.stop();
  await host.tpm.send([extendCommand(13, new Uint8Array(32).fill(0x67))]);
  await start();
  expect((await judged(await bundle())).own?.sentence).toMatch(/2 gaps/);
});

test('two processes extend while seals are taken: never values that do not match their quote', async () => {
  await start();
  let going = true;
  const foreign = (async () => {
    for (let i = 0; going && i < 40; i++)
      await host.tpm.send([13, 10].map((pcr) => extendCommand(pcr, new Uint8Array(32).fill(i))));
  })();
  const bundles = [];
  for (let i = 0; i < 4; i++) bundles.push(await bundle());
  going = false;
  await foreign;
  for (const bytes of bundles) {
    const { report } = await judged(bytes);
    const digest = report.checks.find((c) => c.id === 'seal-pcr-digest');
    expect(digest?.status, digest?.sentence).not.toBe('fail');
  }
  expect((await judged(await bundle())).failed).toEqual([]);
  await until(() => host.lines.some((l) => /a gap was recorded/.test(String(l.msg))));
});

test('PCR 23 only where it is configured, and evidence says that anybody can reset it', async () => {
  const other = await makeHost({ measure: { register: 23 } });
  try {
    await other.init();
    const otherRoot = await enrol(other);
    await (await other.start(undefined, software())).started;
    const { json } = await ask(other.config.socket.path, '/v1/records', { body: body() });
    const bytes = utf8((await ask(other.config.socket.path, `/v1/records/${json.id}/bundle`)).text);
    const quoted = parseBundle(bytes).pcrs?.sha256;
    expect([quoted?.['13'], quoted?.['23']]).toEqual(['0'.repeat(64), toHex(after(START))]);
    const report = await verifyBundle(bytes, { ...trustFor(otherRoot, bytes), selfMeasured: true });
    expect(report).toMatchObject({ verdict: 'verified', software: { register: 23, resettable: true } });
  } finally {
    await other.remove();
  }
});
