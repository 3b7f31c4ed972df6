import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeChallenge } from '../../src/ca/challenge.ts';
import { type Condition, conditionOf } from '../../src/ca/condition.ts';
import { type Desk, expectRefused, failure, makeDesks } from './desk.ts';
import { makeHost, type Vendor } from './fakehost.ts';
import { ATTRIBUTE_ROWS, REQUEST_ROWS } from './vectors/rows.ts';
import { STEPS } from './vectors/steps.ts';

let desks: Awaited<ReturnType<typeof makeDesks>>;
let desk: Desk;
let vendor: Vendor;

beforeAll(async () => {
  desks = await makeDesks();
  vendor = desks.vendor;
});
beforeEach(async () => {
  desk = await desks.desk();
});
afterAll(() => desks.close());

describe('a request is refused by attribute', () => {
  it.each(ATTRIBUTE_ROWS)('%s', async (_, wishes, condition) => {
    const { request } = await makeHost(vendor, wishes);
    await expectRefused(desk, makeChallenge(desk.authority, request), condition);
  });
});

describe('a request is refused when', () => {
  it.each(REQUEST_ROWS)('%s', async (_, wishes, condition) => {
    const { request } = await makeHost(vendor, wishes);
    await expectRefused(desk, makeChallenge(desk.authority, request), condition);
  });
});

describe('after steps that were accepted, an enrolment is refused when', () => {
  it.each(STEPS.map((s) => [s.what, s] as const))('%s', async (_, { code, root, prepare }) => {
    if (root !== undefined) desk = await desks.desk(root);
    const refused = await prepare(desk, vendor);
    if (/^[A-Z_]+$/.test(code)) {
      const e = await failure(refused());
      expect([e.code, conditionOf(e)]).toEqual([code, undefined]);
    } else await expectRefused(desk, refused(), code as Condition);
  });
});
