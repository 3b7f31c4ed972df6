/** The end of an attempt under an Idempotency-Key: sent again it is the same end, and no other request passes for it. */
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromBase64 } from '../../src/core/bytes.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { ask, type Host, makeHost } from '../daemon/kit.ts';
import { ACT, code, makePolicies, POLICIES, type PolicyFolder, post, request } from './kit.ts';

let policies: PolicyFolder;
let host: Host;
let socket: string;
beforeAll(async () => {
  policies = makePolicies(POLICIES);
  host = await makeHost({ policy: { directory: policies.directory, keys: [policies.publicKey] } });
  socket = host.config.socket.path;
  await host.init();
  await (await host.start()).started;
}, 120_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

const END = { outcome: { status: 'succeeded', effect: 'confirmed' }, outputs: { refund: 'r-1' } };
async function begun(): Promise<{ id: string; digest: string }> {
  const { json } = await post(socket, '/v1/grants?wait=durable', request());
  const attempt = await post(socket, '/v1/executions?wait=durable', { grant: json.id, ...ACT });
  expect(attempt.status, attempt.text).toBe(201);
  return attempt.json;
}
const complete = (id: string, key: string, body: unknown = END, wait = 'sealed') =>
  ask(socket, `/v1/executions/${id}/complete?wait=${wait}`, {
    body: JSON.stringify(body),
    headers: { 'idempotency-key': key },
  });
const size = async () => (await ask(socket, '/v1/status')).json.entries as number;

it('sent again is answered by the same record, durable or sealed, and after a restart', async () => {
  const { id, digest } = await begun();
  const first = await complete(id, `${id}/end`);
  const again = await complete(id, `${id}/end`);
  expect([first.status, again.status]).toEqual([201, 200]);
  expect(again.json).toEqual(first.json);
  const durable = await complete(id, `${id}/end`, END, 'durable');
  expect(durable.json).toMatchObject({ id: first.json.id, strength: 'durable' });
  await host.stop();
  await (await host.start()).started;
  expect((await complete(id, `${id}/end`)).json).toEqual(first.json);
  const { json } = await ask(socket, `/v1/records/${first.json.id}`);
  const { predicate } = readStatement(fromBase64(json.entry)) as { predicate: Record<string, unknown> };
  expect(predicate.parents).toEqual([{ rel: 'completes', digest }]);
});

it('sent many times at once is one record', async () => {
  const { id } = await begun();
  const before = await size();
  const answers = await Promise.all(Array.from({ length: 20 }, () => complete(id, 'many', END, 'durable')));
  expect(new Set(answers.map((a) => a.json.id)).size).toBe(1);
  expect(answers.filter((a) => a.status === 201)).toHaveLength(1);
  expect(await size()).toBe(before + 1);
});

it('with another body, of another attempt, or as a record it is refused with what the key made', async () => {
  const [a, b] = [await begun(), await begun()];
  const made = (await complete(a.id, 'mine')).json;
  const other = { ...END, outcome: { status: 'failed', effect: 'unknown' } };
  const record = { phase: 'completed', ...ACT, ...END };
  const refused = [
    await complete(a.id, 'mine', other),
    await complete(b.id, 'mine'),
    await ask(socket, '/v1/records', {
      body: JSON.stringify(record),
      headers: { 'idempotency-key': 'mine' },
    }),
  ];
  for (const answer of refused) {
    expect([answer.status, code(answer)]).toEqual([409, 'IDEMPOTENCY_MISMATCH']);
    expect(answer.json.record).toEqual({ id: made.id, digest: made.digest });
  }
  // The attempt that was refused is still open, under a key of its own.
  expect((await complete(b.id, 'other')).status).toBe(201);
  expect(code(await complete(a.id, 'third'))).toBe('EXISTS');
});

it('two ends at once under one key: one is the end, the other is told of it', async () => {
  for (let i = 0; i < 10; i++) {
    const { id } = await begun();
    const bodies = [END, { ...END, outputs: {} }];
    const answers = await Promise.all(bodies.map((b) => complete(id, `both-${i}`, b, 'durable')));
    const made = answers.find((a) => a.status === 201)?.json;
    const refused = answers.find((a) => a.status === 409)?.json;
    expect(refused?.record).toEqual({ id: made?.id, digest: made?.digest });
  }
});

it('a bad key is refused, and one where uses are counted', async () => {
  const { id } = await begun();
  const bad = await complete(id, 'a b');
  expect([bad.status, bad.json.field]).toEqual([400, 'idempotency-key']);
  for (const path of ['/v1/grants', '/v1/executions']) {
    const body = JSON.stringify(path === '/v1/grants' ? request() : { grant: id, ...ACT });
    const answer = await ask(socket, path, { body, headers: { 'idempotency-key': 'k' } });
    expect([answer.status, answer.json.field]).toEqual([400, 'idempotency-key']);
  }
  expect((await complete(id, 'a')).status).toBe(201);
});
