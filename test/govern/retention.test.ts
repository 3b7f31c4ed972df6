/** Retention beside grants: what was used stays used, whatever is removed, and after every restart. */
import { chmodSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, body, type Host, makeHost, until } from '../daemon/kit.ts';
import { ACT, code, makePolicies, POLICIES, type PolicyFolder, post, request } from './kit.ts';

let policies: PolicyFolder;
let host: Host;
const D = '?wait=durable';
const socket = () => host.config.socket.path;
const admin = () => host.config.admin_socket.path;

beforeAll(async () => {
  policies = makePolicies(POLICIES);
  host = await makeHost({
    anchor: { interval_s: 1 },
    seal: { max_age_ms: 50 },
    policy: { directory: policies.directory, keys: [policies.publicKey] },
  });
  chmodSync(host.dir, 0o755);
  await host.init();
  await (await host.start()).started;
}, 120_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

const grant = async (more: Record<string, unknown> = {}) => {
  const answer = await post(socket(), `/v1/grants${D}`, request(more));
  expect(answer.status, answer.text).toBe(201);
  return answer.json.id as string;
};
const begin = async (id: string, more: Record<string, unknown> = {}) =>
  post(socket(), `/v1/executions${D}`, { grant: id, ...ACT, ...more });
const used = async (id: string, more: Record<string, unknown> = {}) => {
  const answer = await begin(id, more);
  expect(answer.status, answer.text).toBe(201);
  return answer.json.id as string;
};
const restart = async () => {
  await host.stop();
  await (await host.start()).started;
};
const kept = async (id: string) => (await ask(admin(), `/v1/records/${id}`)).status;
/** The records of this kind of phase. */
const interrupted = async () =>
  (await ask(admin(), '/v1/records?limit=500')).json.records.filter(
    (r: { phase?: string }) => r.phase === 'interrupted',
  ).length;
/** Removes all that stands in the log now, but what must stay. */
async function retain(): Promise<void> {
  const { index } = (await ask(socket(), `/v1/records?wait=sealed`, { body: body() })).json;
  await until(async () => {
    await ask(socket(), `/v1/records${D}`, { body: body() });
    await sleep(50);
    const answer = await post(admin(), '/v1/retention', { before: index });
    return answer.status === 200 && answer.json.removed > 0;
  });
}

it('gives no use of a grant back, whatever the use says of itself', async () => {
  const end = { outcome: { status: 'succeeded', effect: 'confirmed' } };
  const once = await grant();
  const attempt = await used(once);
  const ungoverned = { plain: { parameters: { amount: 1, authorization: 'ungoverned' } } };
  const hidden = await grant();
  const inOne = await post(socket(), `/v1/records${D}`, {
    phase: 'completed',
    ...ACT,
    ...ungoverned,
    grant: hidden,
  });
  expect(inOne.status, inOne.text).toBe(201);
  const twice = await grant({ maxUses: 3, delegable: { depth: 1 } });
  const first = await used(twice);
  const child = await grant({ delegatedFrom: twice, seconds: 60 });
  const second = await used(twice);
  const pastUse = await used(child);
  // A use that says it were the end of something.
  const named = await grant();
  const { digest } = (await ask(admin(), `/v1/records/${attempt}`)).json;
  const parents = [{ rel: 'completes', digest }];
  const said = { phase: 'completed', ...ACT, grant: named, parents };
  expect((await post(socket(), `/v1/records${D}`, said)).status).toBe(201);
  // Ended after the next use: whoever looks back meets the ends first.
  for (const id of [attempt, first, pastUse, second])
    expect((await post(socket(), `/v1/executions/${id}/complete${D}`, end)).status).toBe(201);
  const plain = (await ask(socket(), `/v1/records${D}`, { body: body() })).json.id;
  for (let i = 0; i < 2; i++) {
    await retain();
    expect([await kept(plain), await kept(attempt), await kept(second)]).toEqual([410, 200, 200]);
    await restart();
    for (const id of [once, hidden, twice, child, named]) {
      const again = await begin(id);
      expect([code(again), again.status], again.text).toEqual(['SCOPE_EXCEEDED', 403]);
    }
    expect(await interrupted()).toBe(0);
  }
}, 120_000);
