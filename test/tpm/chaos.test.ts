import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pcrDigest } from '../../src/evidence/tpm/pcr.ts';
import { type Counter, defineCounter } from '../../src/tpm/counter.ts';
import type { Identity } from '../../src/tpm/keys.ts';
import { quoteSelection } from '../../src/tpm/pcr.ts';
import { occupancy } from '../../src/tpm/property.ts';
import { createQuoter } from '../../src/tpm/quote.ts';
import { signMessage } from '../../src/tpm/sign.ts';
import type { Fault } from '../kit/proxy.ts';
import { type Host, random, startHost } from './host.ts';

const SELECTION = quoteSelection(false);
/** Faults on any command whatever; each hits once. */
const FAULTS: readonly Fault[] = [
  { rc: 0x922 },
  { rc: 0x902 },
  { rc: 0x903 },
  { rc: 0x901 },
  { rc: 0x910 },
  { rc: 0x918 },
  { truncate: 12 },
  { truncate: 5 },
  { truncate: 30 },
  { eof: 'before' },
  { eof: 'after' },
  { delayMs: 30 },
];

/** Reproducible: xorshift32. */
function dice(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

describe.each([1, 2, 3])('faults on any command, with resets between (seed %i)', (seed) => {
  let h: Host;
  let identity: Identity;
  let counter: Counter;
  beforeAll(async () => {
    h = await startHost({ proxy: true, eks: 'none' }, { sessions: seed % 2 === 0 ? 'password' : 'salted' });
    identity = await h.identity();
    counter = await defineCounter(h.tpm, h.dir, random);
  });
  afterAll(() => h.stop());

  test('every operation succeeds, each increment counts once, and nothing is left behind', async () => {
    const roll = dice(seed * 7919);
    const quoter = createQuoter(h.tpm, identity.ak, SELECTION);
    const from = await counter.read();
    let increments = 0;
    let over = false;
    const done: number[] = [];
    const repeat = async (f: () => Promise<unknown>) => {
      const mine = done.push(0) - 1;
      try {
        for (; !over; done[mine] = (done[mine] as number) + 1) await f();
      } finally {
        over = true;
      }
    };
    const loops = Promise.allSettled([
      repeat(async () => {
        const { parsed, pcrs } = await quoter.take(random(32));
        if (pcrs !== undefined) {
          expect(parsed.attested).toMatchObject({ pcrDigest: pcrDigest(SELECTION, pcrs, 0x0b) });
        }
      }),
      repeat(() => signMessage(h.tpm, identity.recordKey, random(16))),
      repeat(async () => {
        expect(await counter.increment()).toBe(from + BigInt(++increments));
      }),
    ]);
    for (let i = 0; i < 60 && !over; i++) {
      const fault = FAULTS[roll(FAULTS.length)] ?? {};
      h.proxy.inject({ ...fault, times: 1, after: roll(9) });
      if (i % 20 === 19) await h.swtpm.reset();
      // One fault at a time, and time to succeed in: what falls on one operation again and again may end it.
      const until = async (f: () => boolean) => {
        while (!f() && !over) await new Promise((resolve) => setTimeout(resolve, 5));
      };
      await until(() => h.proxy.pending === 0);
      // Each of them, or one that is slow meets the next fault in the same operation, and the one after.
      const before = [...done];
      await until(() => done.every((n, k) => n > (before[k] as number)));
    }
    h.proxy.clear();
    over = true;
    for (const r of await loops) if (r.status === 'rejected') throw r.reason;
    expect(increments).toBeGreaterThan(5);
    expect(await counter.read()).toBe(from + BigInt(increments));
    await h.reopen();
    const { objects, sessions } = await occupancy(h.tpm);
    // What a lost response made stays until the TPM is full, as there is no resource manager here; never ours.
    expect(objects + sessions).toBeLessThan(6);
    await createQuoter(h.tpm, identity.ak, SELECTION).take(random(32));
  });
});
