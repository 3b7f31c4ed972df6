import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Authority } from '../../src/ca/authority.ts';
import { makeChallenge } from '../../src/ca/challenge.ts';
import { conditionOf } from '../../src/ca/condition.ts';
import { issue } from '../../src/ca/issue.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { approve, type Desk, expectRefused, failure, finish, makeDesks } from './desk.ts';
import { makeHost, type Vendor } from './fakehost.ts';
import { RESPONSE_ROWS } from './vectors/rows.ts';

let desks: Awaited<ReturnType<typeof makeDesks>>;
let desk: Desk;
let vendor: Vendor;
let authority: Authority;
let signer: Signer;

beforeAll(async () => {
  desks = await makeDesks();
  vendor = desks.vendor;
});
beforeEach(async () => {
  desk = await desks.desk();
  authority = desk.authority;
  signer = desk.signer;
});
afterAll(() => desks.close());

describe('a response is refused when', () => {
  it.each(RESPONSE_ROWS)('%s', async (_, wishes, condition) => {
    const host = await makeHost(vendor);
    if (condition === 'challenge-unknown') {
      expect(conditionOf(await failure(finish(desk, host, wishes)))).toBe(condition);
    } else await expectRefused(desk, finish(desk, host, wishes), condition);
    // The challenge is still open: a wrong answer costs the right one nothing.
    expect(readdirSync(join(authority.dir, 'challenges')).length).toBe(1);
  });

  it('its challenge was used already', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const response = host.respond(challenge);
    await issue(authority, response, { signer, approve });
    const again = await failure(issue(authority, response, { signer, approve, replace: true }));
    expect(again.code).toBe('CHALLENGE_USED');
    expect(readdirSync(join(authority.dir, 'challenges'))).toEqual([]);
  });

  it('its challenge was used and a crash, or a hand, left the open challenge behind', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const folder = join(authority.dir, 'challenges');
    const [name = ''] = readdirSync(folder);
    const left = readFileSync(join(folder, name));
    const response = host.respond(challenge);
    await issue(authority, response, { signer, approve });
    writeFileSync(join(folder, name), left);
    const again = await failure(issue(authority, response, { signer, approve, replace: true }));
    expect(again.code).toBe('CHALLENGE_USED');
  });

  it('its challenge is out of time, swept away or not', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request, { lifeMs: 60_000 });
    const response = host.respond(challenge);
    desk.now += 60_001;
    expect((await failure(issue(authority, response, { signer, approve }))).code).toBe('CHALLENGE_EXPIRED');
    await makeChallenge(authority, (await makeHost(vendor, { host: 'web-2' })).request);
    expect((await failure(issue(authority, response, { signer, approve }))).code).toBe('CHALLENGE_EXPIRED');
  });

  it('the operator says no', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const response = host.respond(challenge);
    await expectRefused(desk, issue(authority, response, { signer, approve: () => false }), 'not-approved');
    await issue(authority, response, { signer, approve });
  });

  it('it was burnt while the operator thought about it', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const response = host.respond(challenge);
    const slow = async () => {
      await issue(authority, response, { signer, approve });
      return true;
    };
    expect((await failure(issue(authority, response, { signer, approve: slow }))).code).toBe(
      'CHALLENGE_USED',
    );
    expect((await readRegistry(authority.dir)).filter((l) => l.event === 'issued').length).toBe(1);
  });
});
