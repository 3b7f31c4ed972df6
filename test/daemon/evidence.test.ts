/** What leaves the daemon verifies where it should and nowhere else. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBase64Url, utf8 } from '../../src/core/bytes.ts';
import { bundleFromState } from '../../src/daemon/offline.ts';
import { parseBundle } from '../../src/evidence/bundle.ts';
import { parseFresh } from '../../src/evidence/fresh.ts';
import { verifyBundle } from '../../src/verify/verify.ts';
import { enrol, trustFor } from './enrol.ts';
import { type Answer, ask, body, type Host, makeHost, random, until } from './kit.ts';

let host: Host;
let socket: string;
let root: Uint8Array;
beforeAll(async () => {
  host = await makeHost();
  await host.init();
  root = await enrol(host);
  await (await host.start()).started;
  socket = host.config.socket.path;
});
afterAll(() => host.remove());

const bytesOf = (a: Answer) => utf8(a.text);
const record = async (more = {}) => (await ask(socket, '/v1/records', { body: body(more) })).json;
const failed = (report: Awaited<ReturnType<typeof verifyBundle>>) =>
  report.checks.filter((c) => c.status === 'fail').map((c) => `${c.id}: ${c.sentence}`);

describe('a bundle', () => {
  it('of a record of this run verifies at level 3 under a software root, and says so', async () => {
    const { id } = await record();
    const answer = await ask(socket, `/v1/records/${id}/bundle`);
    expect(answer.headers['content-type']).toBe('application/vnd.attestd.bundle+json;version=1');
    const report = await verifyBundle(bytesOf(answer), trustFor(root, bytesOf(answer)));
    expect(failed(report)).toEqual([]);
    expect(report).toMatchObject({ verdict: 'verified', simulated: true });
    expect(report.level).toBeGreaterThanOrEqual(3);
    expect(parseBundle(bytesOf(answer)).disclosures).toHaveLength(2);
  });

  it('holds the attempted entry that a completed one names', async () => {
    const attempted = await record({ phase: 'attempted' });
    const done = await record({ parents: [{ rel: 'completes', digest: attempted.digest }] });
    const answer = await ask(socket, `/v1/records/${done.id}/bundle`);
    expect(parseBundle(bytesOf(answer)).related.map((r) => r.index)).toEqual([attempted.index]);
    expect((await verifyBundle(bytesOf(answer), trustFor(root, bytesOf(answer)))).verdict).toBe('verified');
  });

  it('after a clean stop has an anchor behind the record and reaches level 4', async () => {
    const { id } = await record();
    await host.stop();
    const { bytes } = await bundleFromState(host.config.state_dir, id);
    const report = await verifyBundle(bytes, trustFor(root, bytes, 4));
    expect(failed(report)).toEqual([]);
    expect(report).toMatchObject({ verdict: 'verified', level: 4 });
    await (await host.start()).started;
    const again = await ask(socket, `/v1/records/${id}/bundle`);
    expect((await verifyBundle(bytesOf(again), trustFor(root, bytes, 4))).verdict).toBe('verified');
  });

  it('is refused to a host without a certificate, by its code', async () => {
    const other = await makeHost();
    try {
      await other.init();
      await (await other.start()).started;
      const { json } = await ask(other.config.socket.path, '/v1/records', { body: body() });
      const answer = await ask(other.config.socket.path, `/v1/records/${json.id}/bundle`);
      expect([answer.status, answer.json.type]).toEqual([409, 'urn:attestd:error:NOT_ENROLLED']);
    } finally {
      await other.remove();
    }
  });
});

describe("an auditor's nonce", () => {
  it('is answered by a quote of the newest seal, with the counter', async () => {
    await record();
    const nonce = toBase64Url(random(32));
    const answer = await ask(socket, '/v1/quotes', { body: JSON.stringify({ nonce }) });
    expect(answer.status).toBe(200);
    const fresh = parseFresh(bytesOf(answer));
    expect(Buffer.from(fresh.nonce, 'hex').toString('base64url')).toBe(nonce);
    expect(fresh.counter).toBeDefined();
    expect(fresh.anchor).toBeDefined();
  });

  it.each([
    ['too short', toBase64Url(random(15))],
    ['not base64url', '+'.repeat(30)],
    ['too long', toBase64Url(random(65))],
  ])('that is %s is refused by name', async (_what, nonce) => {
    const answer = await ask(socket, '/v1/quotes', { body: JSON.stringify({ nonce }) });
    expect([answer.status, answer.json.field]).toEqual([400, '/nonce']);
  });

  it('is answered so many times a minute and then refused with Retry-After', async () => {
    let answer: Answer | undefined;
    for (let i = 0; i <= host.config.limits.quotes_per_minute; i++) {
      answer = await ask(socket, '/v1/quotes', { body: JSON.stringify({ nonce: toBase64Url(random(16)) }) });
      if (answer.status !== 200) break;
    }
    expect(answer?.status).toBe(429);
    expect(Number(answer?.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('the log over HTTP', () => {
  it('gives checkpoint and hashes to all, entries to the admin socket', async () => {
    const { log } = await record();
    const epoch = log.split('/')[2];
    const checkpoint = await until(async () => {
      const a = await ask(socket, `/v1/log/${epoch}/checkpoint`);
      return a.status === 200 && a;
    });
    expect(checkpoint.text.startsWith(`${log}\n`)).toBe(true);
    expect(checkpoint.text.split('\n').filter((l) => l.startsWith('\u2014 '))).toHaveLength(2);
    expect((await ask(socket, `/v1/log/${epoch}/tile/0/000.p/1`)).status).toBe(200);
    expect((await ask(socket, `/v1/log/${epoch}/tile/entries/000.p/1`)).json.type).toContain('FORBIDDEN');
    const admin = await ask(host.config.admin_socket.path, `/v1/log/${epoch}/tile/entries/000.p/1`);
    expect(admin.status).toBe(200);
    expect((await ask(socket, `/v1/log/${epoch}/tile/0/999`)).status).toBe(404);
    expect((await ask(socket, `/v1/log/${epoch}/tile/0/../../x`)).status).toBe(404);
    expect((await ask(socket, `/v1/log/99999/checkpoint`)).status).toBe(404);
  });
});
