/**
 * What is kept of grants: those that may still be used, so many for each caller, and of the others nothing but how the
 * newest of them ended.
 */
import { chmodSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { KEEP_MS, LiveGrants } from '../../src/daemon/govern/live.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { ask, type Host, makeHost, until } from '../daemon/kit.ts';
import { may } from '../kit/privilege.ts';
import { ACT, code, makePolicies, POLICIES, type PolicyFolder, post, request } from './kit.ts';
import { asUid, OTHER } from './other.ts';

const NOW = 1_790_000_000_000;
/** Takes a grant that was given now. */
function give(grants: LiveGrants, n: number, more: Record<string, unknown> = {}) {
  const ref = { id: `grant ${n}`, digest: `digest ${n}` };
  const predicate = {
    caller: { observed: { uid: 7 } },
    scope: [],
    holder: { uid: 7 },
    maxUses: 1,
    notBefore: new Date(NOW).toISOString(),
    notAfter: new Date(NOW + 1000).toISOString(),
    ...more,
  };
  grants.add({ index: n, uid: 7, ref, bytes: 5000, at: NOW, predicate: predicate as never }, NOW);
  return ref;
}

it.each([
  ['used up', (g: LiveGrants, ref: { digest: string }) => g.use(ref.digest, 1, 1, ref as never)],
  ['revoked', (g: LiveGrants, ref: { digest: string }) => g.revoke(ref.digest)],
  ['expired', (g: LiveGrants) => g.sweep(NOW + 1001, 0)],
])('a grant that is %s is let go of, however many there are', (how, end) => {
  const grants = new LiveGrants();
  for (let n = 0; n < 40_000; n++) {
    const ref = give(grants, n);
    // Over 4 KiB it counts twice.
    expect([grants.size, grants.weight(7)]).toEqual([1, 2]);
    end(grants, ref);
    expect([grants.size, grants.weight(7)]).toEqual([0, 0]);
  }
  // Of the newest is known how they ended, and of the oldest not.
  expect(grants.ended('grant 0')).toBeUndefined();
  const known = { 'used up': 'used', revoked: 'revoked' }[how];
  expect(grants.ended('grant 39999')?.how).toBe(known);
  expect(grants.ended(`grant ${40_000 - 16_384}`)?.how).toBe(known);
  expect(grants.ended(`grant ${40_000 - 16_385}`)).toBeUndefined();
  expect(grants.sweep(NOW + 1001, 77)).toBe(77);
});

it('one out of which others were taken stays while they live: who revokes it revokes them', () => {
  const grants = new LiveGrants();
  const parent = give(grants, 0, { maxUses: 2 });
  const from = (n: number) => ({ delegation: { grant: parent, use: { n, prev: parent, count: 1 } } });
  const [first, second] = [give(grants, 1, from(1)), give(grants, 2, from(2))];
  expect([grants.get(parent.id)?.used, grants.size]).toEqual([2, 3]);
  grants.use(first.digest, 1, 1, first);
  expect([grants.get(parent.id) !== undefined, grants.ended(first.id)?.how]).toEqual([true, 'used']);
  grants.withdraw(grants.get(parent.id) as never);
  expect(grants.get(second.id)?.revoked).toBe(true);
  // A third one that was on its way when the one above was revoked.
  const third = give(grants, 3, from(2));
  expect(grants.get(third.id)?.revoked).toBe(true);
  grants.revoke(parent.digest);
  expect([grants.size, grants.weight(7)]).toEqual([0, 0]);
  for (const { id } of [parent, second, third]) expect(grants.ended(id)?.how).toBe('revoked');
});

it('an approval is known to be used for as long as it may be good, and its grant need not live for that', () => {
  const grants = new LiveGrants();
  const ref = give(grants, 5, { approvals: [{ id: 'a', digest: 'approval', uid: 8 }] });
  grants.use(ref.digest, 1, 1, ref);
  // The next start must read from there on.
  expect([grants.spent('approval'), grants.sweep(NOW + KEEP_MS, 9)]).toEqual([true, 5]);
  expect([grants.sweep(NOW + KEEP_MS + 1, 9), grants.spent('approval')]).toEqual([9, false]);
});

let policies: PolicyFolder;
let host: Host;
let daemon: Daemon;
const D = '?wait=durable';
const MOST = 5;
beforeAll(async () => {
  policies = makePolicies(POLICIES);
  host = await makeHost({
    socket: { mode: '0666' },
    policy: {
      directory: policies.directory,
      keys: [policies.publicKey],
      live_grants_per_caller: MOST,
      break_glass: true,
    },
  });
  chmodSync(host.dir, 0o755);
  await host.init();
  daemon = await host.start();
  await daemon.started;
}, 120_000);
afterAll(async () => {
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
});

const socket = () => host.config.socket.path;
const asking = (more = {}) => post(socket(), `/v1/grants${D}`, request(more));
const use = (grant: string) => post(socket(), `/v1/executions${D}`, { grant, ...ACT });
const given = async (more = {}) => {
  const answer = await asking(more);
  expect(answer.status, answer.text).toBe(201);
  return answer.json.id as string;
};

it('a caller has so many grants and is refused the next, on record, until one is used up, revoked or expired', async () => {
  // At once, so that none is durable when the last of them is asked for.
  const answers = await Promise.all(Array.from({ length: MOST + 3 }, () => asking({ maxUses: 2 })));
  const ids = answers.flatMap((a) => (a.status === 201 ? [a.json.id as string] : []));
  expect(ids).toHaveLength(MOST);
  const refused = answers.filter((a) => a.status !== 201);
  for (const a of refused)
    expect([a.status, code(a), a.headers['retry-after'], a.json.detail]).toEqual([
      429,
      'RATE_LIMITED',
      '1',
      `this caller has ${MOST} grants that are not used up, revoked or expired`,
    ]);
  const denial = daemon.service.store?.lookup(refused[0]?.json.denial.id);
  const entry = daemon.service.store?.entry(denial?.index ?? 0) as Uint8Array;
  expect(readStatement(Uint8Array.from(entry))).toMatchObject({
    kind: 'denial',
    predicate: { reason: 'RATE_LIMITED', requested: { what: 'grant', ask: { maxUses: 2 } } },
  });

  const [one, two] = ids as [string, string];
  const full = async () => expect(code(await asking())).toBe('RATE_LIMITED');
  expect((await use(one)).status).toBe(201);
  await full();
  expect((await use(one)).status).toBe(201);
  expect(await ask(socket(), `/v1/grants/${one}`)).toMatchObject({ json: { state: 'used', used: 2 } });
  const again = await use(one);
  expect([code(again), again.json.detail]).toEqual(['SCOPE_EXCEEDED', 'all 2 uses of the grant were taken']);
  await given();
  await full();
  expect((await ask(socket(), `/v1/grants/${two}${D}`, { method: 'DELETE' })).status).toBe(200);
  expect(await ask(socket(), `/v1/grants/${two}`)).toMatchObject({ json: { state: 'revoked', used: 0 } });
  expect(code(await use(two))).toBe('GRANT_EXPIRED');
  const short = await given({ seconds: 1 });
  await full();
  await until(async () => (await asking()).status === 201);
  expect(await ask(socket(), `/v1/grants/${short}`)).toMatchObject({ json: { state: 'expired' } });
  expect(code(await use(short))).toBe('GRANT_EXPIRED');
  await full();
  await host.stop();
  daemon = await host.start();
  await daemon.started;
  await full();
  for (const id of [one, two]) {
    const answer = await use(id);
    expect([code(answer), answer.status]).toEqual([id === one ? 'SCOPE_EXCEEDED' : 'GRANT_EXPIRED', 403]);
  }
}, 60_000);

it.runIf(may('root'))('whoever has all it may keeps nobody else from asking', async () => {
  expect(code(await asking())).toBe('RATE_LIMITED');
  const glass = request({ breakGlass: { reason: 'the pager' } });
  expect((await post(host.config.admin_socket.path, `/v1/grants${D}`, glass)).status).toBe(201);
  expect((await asUid(OTHER, socket(), `/v1/grants${D}`, request())).status).toBe(201);
});
