import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Counter, defineCounter } from '../../src/tpm/counter.ts';
import type { Identity } from '../../src/tpm/keys.ts';
import { quoteSelection } from '../../src/tpm/pcr.ts';
import { occupancy } from '../../src/tpm/property.ts';
import { createQuoter, type Quoter } from '../../src/tpm/quote.ts';
import { signMessage } from '../../src/tpm/sign.ts';
import { CC } from '../kit/wire.ts';
import { type Host, random, startHost } from './host.ts';

describe.each([
  ['password', 9_000],
  ['salted', 1_000],
] as const)('many operations in %s mode', (sessions, n) => {
  let h: Host;
  let identity: Identity;
  let counter: Counter;
  let quoter: Quoter;
  beforeAll(async () => {
    h = await startHost({ eks: 'none' }, { sessions });
    identity = await h.identity();
    counter = await defineCounter(h.tpm, h.dir, random);
    quoter = createQuoter(h.tpm, identity.ak, quoteSelection(false));
  });
  afterAll(() => h.stop());

  test(`${n} of them leave no handle and no session behind`, async () => {
    for (let i = 0; i < n; i++) {
      const kind = i % 10;
      if (kind < 4) await quoter.take(random(32));
      else if (kind < 8) await signMessage(h.tpm, identity.recordKey, random(32));
      else if (kind === 8) await counter.read();
      else if (i % 500 === 9) await counter.certify(identity.ak, random(32));
      else await h.tpm.random(16);
    }
    const held = { objects: 2, sessions: sessions === 'salted' ? 1 : 0 };
    expect(await occupancy(h.tpm)).toEqual(held);
    expect(h.tpm.state()).toMatchObject({ ...held, waiting: 0 });
    expect(h.tpm.generation).toBe(1);
  });
});

describe('operations that come together', () => {
  let h: Host;
  beforeAll(async () => {
    h = await startHost({ eks: 'none', proxy: true }, { queue: 20 });
  });
  afterAll(() => h.stop());

  test('go by urgency, are bounded in number, and give up their place when their time is over', async () => {
    const identity = await h.identity();
    const quoter = createQuoter(h.tpm, identity.ak, quoteSelection(false));
    await quoter.take(random(32));
    h.proxy.inject({ cc: CC.getRandom, delayMs: 150, times: 1 });
    const order: string[] = [];
    const note = (what: string) => () => order.push(what);
    const first = h.tpm.random(8).then(note('first'));
    const signs = [1, 2].map(() => signMessage(h.tpm, identity.recordKey, random(8)).then(note('sign')));
    const quote = quoter.take(random(32)).then(note('quote'));
    const control = h.tpm.random(8).then(note('control'));
    const late = h.tpm.random(8, { deadlineMs: 20 });
    await expect(late).rejects.toMatchObject({ code: 'TPM_TIMEOUT' });
    await Promise.all([first, control, quote, ...signs]);
    expect(order).toEqual(['first', 'control', 'quote', 'sign', 'sign']);

    h.proxy.inject({ cc: CC.getRandom, delayMs: 100, times: 1 });
    const flood = await Promise.allSettled(Array.from({ length: 30 }, () => h.tpm.random(8)));
    const refused = flood.filter((r) => r.status === 'rejected');
    expect(refused.length).toBe(9);
    for (const r of refused) expect(r).toMatchObject({ reason: { code: 'OVERLOADED' } });
  });

  test('after close are refused', async () => {
    await h.tpm.close();
    await expect(h.tpm.random(8)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });
});
