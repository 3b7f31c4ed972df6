import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Counter, defineCounter } from '../../src/tpm/counter.ts';
import { type Identity, loadIdentity } from '../../src/tpm/keys.ts';
import { quoteSelection } from '../../src/tpm/pcr.ts';
import { occupancy } from '../../src/tpm/property.ts';
import { takeQuote } from '../../src/tpm/quote.ts';
import { signMessage } from '../../src/tpm/sign.ts';
import { storageTemplate } from '../../src/tpm/template.ts';
import { openTpm } from '../../src/tpm/tpm.ts';
import type { RunOptions } from '../../src/tpm/work.ts';
import type { Fault } from '../kit/proxy.ts';
import { CC } from '../kit/wire.ts';
import { type Host, random, startHost } from './host.ts';

const SELECTION = quoteSelection(false);

let h: Host;
let identity: Identity;
let counter: Counter;

/** Every operation that the rest of the house relies on, with the command that the faults hit. */
const OPERATIONS: readonly (readonly [string, number, (o?: RunOptions) => Promise<unknown>])[] = [
  ['quote', CC.quote, (o) => takeQuote(h.tpm, identity.ak, random(32), SELECTION, o)],
  ['sign', CC.sign, (o) => signMessage(h.tpm, identity.recordKey, random(40), o)],
  ['NV increment', CC.nvIncrement, (o) => counter.increment(o)],
  ['NV certify', CC.nvCertify, (o) => counter.certify(identity.ak, random(32), o)],
  ['load', CC.load, (o) => loadIdentity(h.tpm, { dir: h.dir }, o)],
];

describe.each(['salted', 'password'] as const)('in %s mode', (sessions) => {
  beforeAll(async () => {
    h = await startHost({ proxy: true, eks: 'none' }, { sessions });
    identity = await h.identity();
    counter = await defineCounter(h.tpm, h.dir, random);
  });
  afterEach(() => h.proxy.clear());
  afterAll(() => h.stop());

  /** A fault on `load` only shows where keys are not loaded: a loaded identity would not ask. */
  const unload = () => h.tpm.run(async (w) => Promise.all([w.drop(identity.ak), w.drop(identity.recordKey)]));

  describe.each(OPERATIONS)('%s', (name, cc, operate) => {
    const heals: readonly (readonly [string, Omit<Fault, 'cc'>])[] = [
      ['RETRY six times', { rc: 0x922, times: 6 }],
      ['YIELDED', { rc: 0x908, times: 2 }],
      ['TESTING', { rc: 0x90a, times: 2 }],
      ['NV_RATE', { rc: 0x920, times: 2 }],
      ['OBJECT_MEMORY', { rc: 0x902, times: 1 }],
      ['SESSION_MEMORY', { rc: 0x903, times: 1 }],
      ['CONTEXT_GAP', { rc: 0x901, times: 1 }],
      ['REFERENCE_H0, a handle that is gone', { rc: 0x910, times: 1 }],
      ['REFERENCE_S0, a session that is gone', { rc: 0x918, times: 1 }],
      ['INITIALIZE, a TPM that is starting', { rc: 0x100, times: 2 }],
      ['a truncated response', { truncate: 12, times: 1 }],
      ['a response cut within its header', { truncate: 7, times: 1 }],
      ['the end of the connection before it ran', { eof: 'before', times: 1 }],
      ['the end of the connection after it ran', { eof: 'after', times: 1 }],
      ['a delay', { delayMs: 50, times: 1 }],
    ];
    test.each(heals)('succeeds in spite of %s', async (_, fault) => {
      const before = await counter.read();
      if (name === 'load') await unload();
      h.proxy.inject({ cc, ...fault });
      await operate();
      expect(await counter.read()).toBe(before + (name === 'NV increment' ? 1n : 0n));
      await takeQuote(h.tpm, identity.ak, random(32), SELECTION);
    });

    test('fails with its own name when the TPM refuses, and the next one succeeds', async () => {
      if (name === 'load') await unload();
      h.proxy.inject({ cc, rc: 0x921, times: 1 });
      await expect(operate()).rejects.toMatchObject({
        code: 'TPM_ERROR',
        facts: { rcName: expect.stringMatching(/^TPM_RC_LOCKOUT/), layer: 'tpm' },
      });
      await operate();
    });

    test('fails after its deadline while the TPM is busy', async () => {
      if (name === 'load') await unload();
      h.proxy.inject({ cc, rc: 0x922 });
      await expect(operate({ deadlineMs: 200 })).rejects.toMatchObject({
        code: 'TPM_TIMEOUT',
        facts: { rcName: expect.stringMatching(/^TPM_RC_RETRY/) },
      });
    });

    test('fails when memory does not become free, after freeing ours, then everything', async () => {
      if (name === 'load') await unload();
      const before = h.proxy.seen(cc);
      h.proxy.inject({ cc, rc: 0x902 });
      await expect(operate()).rejects.toMatchObject({ code: 'TPM_ERROR' });
      expect(h.proxy.seen(cc) - before).toBe(3);
    });
  });
});

describe('a TPM', () => {
  beforeEach(async () => {
    h = await startHost({ proxy: true, eks: 'none' });
    identity = await h.identity();
  });
  afterEach(() => h.stop());
  const quote = (o?: RunOptions) => takeQuote(h.tpm, identity.ak, random(32), SELECTION, o);

  test('that hangs makes operations fail in time, and says so', async () => {
    await quote();
    expect(h.tpm.hung).toBe(false);
    h.proxy.inject({ cc: CC.quote, hang: true });
    for (const r of await Promise.allSettled([1, 2, 3].map(() => quote({ deadlineMs: 150 })))) {
      expect(r).toMatchObject({ status: 'rejected', reason: { code: 'TPM_TIMEOUT' } });
    }
    expect(h.tpm.hung).toBe(true);
    await expect(h.tpm.random(8, { deadlineMs: 100 })).rejects.toMatchObject({ code: 'TPM_TIMEOUT' });
  });

  test('that answers after all is used again', async () => {
    await quote();
    h.proxy.inject({ cc: CC.quote, delayMs: 400, times: 1 });
    await expect(quote({ deadlineMs: 100 })).rejects.toMatchObject({ code: 'TPM_TIMEOUT' });
    expect(h.tpm.hung).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(h.tpm.hung).toBe(false);
    await quote();
  });

  test.each([
    ['through a resource manager that stays', false],
    ['with its connection', true],
  ] as const)('that is reset %s recovers in place and tells its listeners', async (_, drop) => {
    const seen: string[] = [];
    h.tpm.onEpoch((e) => seen.push(e.kind));
    await quote();
    const before = h.tpm.clock?.resetCount ?? 0;
    await h.swtpm.reset();
    if (drop) h.proxy.dropClients();
    const { parsed } = await quote();
    expect(parsed.clockInfo.resetCount).toBe(before + 1);
    expect(seen).toEqual(['reset']);
    expect(h.tpm.clock).toMatchObject({ resetCount: before + 1 });
    await signMessage(h.tpm, identity.recordKey, random(8));
  });

  test('that was suspended is told apart from one that was reset', async () => {
    const seen: string[] = [];
    const stop = h.tpm.onEpoch((e) => seen.push(e.kind));
    await h.swtpm.suspendResume();
    h.proxy.dropClients();
    await quote();
    expect(seen).toEqual(['resume']);
    stop();
    await h.swtpm.reset();
    await h.tpm.readClock();
    expect(seen).toEqual(['resume']);
  });

  test('that is away fails within the deadline and is back when it is back', async () => {
    await quote();
    await h.swtpm.kill();
    await expect(quote({ deadlineMs: 200 })).rejects.toMatchObject({ code: expect.stringMatching(/^TPM_/) });
    const late = quote({ deadlineMs: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await h.swtpm.powerOn();
    await late;
  });

  test('is usable again after a process that held all its slots was killed', async () => {
    // What a killed process leaves behind, without a resource manager: three sessions, three objects.
    const hog = await openTpm({ tcti: h.swtpm.tcti, deadlineMs: 5000 });
    await h.tpm.close();
    const left = await hog.run(async (w) => {
      await w.storage();
      for (let i = 0; i < 3; i++) await w.ctx.startSession({ type: 'hmac' }, w.plain());
      await w.room();
      for (let i = 0; i < 3; i++) {
        await w.ctx.createPrimary({ hierarchy: 'endorsement', public: storageTemplate() }, w.plain());
      }
      return w.ctx.state();
    });
    expect(left).toMatchObject({ objects: 3, sessions: 3 });
    h.tpm = await openTpm({ tcti: h.swtpm.tcti, deadlineMs: 20_000 });
    identity = await loadIdentity(h.tpm, { dir: h.dir });
    await quote();
    await hog.close();
  });

  test('never holds more of ours than it has slots for, whatever breaks', async () => {
    for (let i = 0; i < 12; i++) {
      h.proxy.inject({ cc: i % 2 === 0 ? CC.quote : CC.sign, truncate: 12, times: 1 });
      await quote();
      await signMessage(h.tpm, identity.recordKey, random(8));
    }
    const { objects, sessions } = await occupancy(h.tpm);
    expect(objects).toBeLessThanOrEqual(2);
    expect(sessions).toBeLessThanOrEqual(1);
  });
});
