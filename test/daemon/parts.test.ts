/** The parts that decide without a TPM: counter rule, shares, lines, waiters, the clock, log lines. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttestdError } from '../../src/core/errors.ts';
import { createMonotoneClock } from '../../src/daemon/clock.ts';
import { DEFAULTS } from '../../src/daemon/config.ts';
import { checkContinuity } from '../../src/daemon/continuity.ts';
import { createJournal } from '../../src/daemon/journal.ts';
import { createLimits } from '../../src/daemon/limits.ts';
import { createLineReader } from '../../src/daemon/lines.ts';
import { createSequencer } from '../../src/daemon/sequencer.ts';
import { createWaiters } from '../../src/daemon/waiters.ts';
import type { Committed } from '../../src/store/group.ts';
import type { Sealed } from '../../src/store/seal.ts';

const committed = (first: number): Committed => ({ first, digests: '', at: 0 });

describe('the counter rule', () => {
  it.each([
    ['counter = last', 5n, [], 5n, 'continues'],
    ['counter = last, announced and not made', 5n, [6n], 5n, 'continues'],
    ['counter = last + 1, announced', 5n, [6n], 6n, 'interrupted'],
    ['counter = last + 1, not announced', 5n, [], 6n, 'lost'],
    ['counter = last + 2, announced', 5n, [6n], 7n, 'lost'],
    ['another value announced', 5n, [7n], 6n, 'lost'],
    ['counter = last - 1', 5n, [6n], 4n, 'lost'],
  ])('%s', (_what, last, intents, counter, outcome) => {
    const check = () => checkContinuity({ last, intents }, counter).kind;
    if (outcome === 'lost')
      expect(check).toThrowError(expect.objectContaining({ code: 'AUDIT_CONTINUITY_LOST' }));
    else expect(check()).toBe(outcome);
  });
});

describe('shares', () => {
  const settings = {
    ...DEFAULTS.limits,
    in_flight: 10,
    in_flight_per_caller: 6,
    bytes: 1000,
    bytes_per_caller: 600,
  };

  it('are bounded per caller and in total, and come back', () => {
    const limits = createLimits(settings, () => 0);
    for (let i = 0; i < 6; i++) limits.take(1, 10);
    expect(() => limits.take(1, 10)).toThrowError(expect.objectContaining({ code: 'RATE_LIMITED' }));
    expect(limits.room(1, 10)).toBe(false);
    expect(limits.room(2, 10)).toBe(true);
    for (let i = 0; i < 4; i++) limits.take(2, 10);
    expect(() => limits.take(3, 10)).toThrowError(expect.objectContaining({ code: 'OVERLOADED' }));
    for (let i = 0; i < 6; i++) limits.give(1, 10);
    expect(() => limits.take(1, 601)).toThrowError(expect.objectContaining({ code: 'RATE_LIMITED' }));
    limits.take(1, 560);
    expect(limits.refused).toEqual({ RATE_LIMITED: 2, OVERLOADED: 1 });
  });

  it('of rate fill up with time', () => {
    let now = 0;
    const limits = createLimits({ ...settings, records_per_second: 10, burst: 2 }, () => now);
    const take = () => {
      limits.take(1, 1);
      limits.give(1, 1);
    };
    take();
    take();
    expect(take).toThrowError(expect.objectContaining({ facts: expect.objectContaining({ retryAfter: 1 }) }));
    now = 100;
    take();
    expect(take).toThrow();
  });

  it('of connections are counted by uid', () => {
    const limits = createLimits({ ...settings, connections: 3, connections_per_caller: 2 }, () => 0);
    expect([1, 1, 1, 2, 3].map((uid) => limits.connect(uid))).toEqual([true, true, false, true, false]);
    limits.disconnect(1);
    expect(limits.connect(3)).toBe(true);
  });
});

describe('lines', () => {
  it('come out the same wherever the stream is cut', () => {
    const line = fc.string({ maxLength: 30 }).map((s) => s.replaceAll('\n', ' '));
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 20 }),
        fc.array(fc.nat(40), { maxLength: 20 }),
        (lines, cuts) => {
          const bytes = Buffer.from(lines.map((l) => `${l}\n`).join(''));
          const reader = createLineReader(20);
          const got: string[] = [];
          const drain = () => {
            for (let l = reader.next(); l !== undefined; l = reader.next()) {
              got.push(l.kind === 'long' ? 'long' : l.bytes.toString());
            }
          };
          let at = 0;
          for (const cut of cuts) {
            reader.push(bytes.subarray(at, at + cut));
            at = Math.min(bytes.length, at + cut);
            drain();
          }
          reader.push(bytes.subarray(at));
          drain();
          expect(reader.rest()).toBeUndefined();
          expect(got).toEqual(lines.map((l) => (Buffer.byteLength(l) > 20 ? 'long' : l)));
        },
      ),
    );
  });

  it('can be put back, and hold no more than a line that is too long', () => {
    const reader = createLineReader(10);
    reader.push(Buffer.from('ab\ncd'));
    expect(reader.next()).toMatchObject({ kind: 'line' });
    reader.back();
    expect(reader.next()).toEqual({ kind: 'line', bytes: Buffer.from('ab') });
    expect(reader.rest()).toEqual({ kind: 'line', bytes: Buffer.from('cd') });
    for (let i = 0; i < 1000; i++) reader.push(Buffer.alloc(100, 'x'));
    expect(reader.held).toBeLessThan(300);
    expect(reader.rest()).toEqual({ kind: 'long' });
  });
});

describe('waiters', () => {
  it('are answered by the first seal that covers them, or told when it takes too long', () => {
    const waiters = createWaiters();
    const told: string[] = [];
    for (const [index, since] of [
      [3, 0],
      [5, 1],
      [4, 2],
      [9, 3],
    ] as const) {
      waiters.add(index, since, (s) => told.push(`${index}:${s?.size}`));
    }
    waiters.resolve({ size: 5 } as Sealed);
    expect(told).toEqual(['3:5', '4:5']);
    waiters.expire(2);
    expect(told.slice(2)).toEqual(['5:undefined']);
    waiters.resolve({ size: 10 } as Sealed);
    expect([told.at(-1), waiters.size]).toEqual(['9:10', 0]);
  });
});

describe('the sequencer', () => {
  it('keeps the order, groups one turn, and tells everybody of a failure', async () => {
    let size = 7;
    let broken = false;
    const groups: number[] = [];
    const failures: string[] = [];
    const sequencer = createSequencer({
      size,
      store: {
        syncMs: 0,
        poll: () => undefined,
        async commit(items) {
          if (broken) throw new Error('disk');
          groups.push(items.length);
          size += items.length;
          return committed(size - items.length);
        },
      },
      onDurable: () => undefined,
      onFailure: (e) => failures.push(e.message),
    });
    const entry = new Uint8Array(1);
    const three = [1, 2, 3].map(() => sequencer.appendOne({ entry }));
    expect(sequencer.next).toBe(10);
    expect(await Promise.all(three)).toEqual([7, 8, 9]);
    expect(groups).toEqual([3]);
    broken = true;
    await expect(sequencer.appendOne({ entry })).rejects.toThrow('disk');
    expect([failures, sequencer.next]).toEqual([['disk'], 10]);
    await sequencer.stop();
    await expect(sequencer.appendOne({ entry })).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  });
});

describe('the sequencer while the disk works', () => {
  it('asks now and then whether it has finished, and of an idle disk never', async () => {
    let polls = 0;
    let finish = (): void => undefined;
    const sequencer = createSequencer({
      size: 0,
      store: {
        syncMs: 100,
        poll: () => {
          polls++;
        },
        commit: (items) =>
          new Promise((resolve) => {
            finish = () => resolve(committed(items.length));
          }),
      },
      onDurable: () => undefined,
      onFailure: () => undefined,
    });
    const many = () => Array.from({ length: 40 }, () => sequencer.appendOne({ entry: new Uint8Array(1) }));
    const first = many();
    expect(polls).toBe(0);
    await new Promise(setImmediate);
    const second = many();
    expect(polls).toBe(5);
    finish();
    await Promise.all(first);
    await new Promise(setImmediate);
    finish();
    await Promise.all(second);
  });
});

describe('the sequencer with many callers', () => {
  const groupsOf = async (syncMs: number) => {
    const groups: number[] = [];
    const ends: (() => void)[] = [];
    let size = 0;
    const sequencer = createSequencer({
      size,
      store: {
        syncMs,
        poll: () => undefined,
        commit(items) {
          groups.push(items.length);
          size += items.length;
          const first = size - items.length;
          return new Promise((resolve) => ends.push(() => resolve(committed(first))));
        },
      },
      onDurable: () => undefined,
      onFailure: () => undefined,
    });
    const all = Array.from({ length: 64 }, () => sequencer.appendOne({ entry: new Uint8Array(1) }));
    const atOnce = [...groups];
    await new Promise((resolve) => setImmediate(resolve));
    for (const end of ends) end();
    expect(await Promise.all(all)).toEqual(all.map((_, i) => i));
    return { atOnce, groups };
  };

  it('serves one half while a quick disk syncs the other', async () => {
    expect(await groupsOf(0.3)).toEqual({ atOnce: [32], groups: [32, 32] });
  });

  it('syncs all together where a sync is slow', async () => {
    expect(await groupsOf(10)).toEqual({ atOnce: [], groups: [64] });
  });
});

describe('the clock', () => {
  it('never goes back', () => {
    const step = fc.record({ wall: fc.nat(1000), elapsed: fc.nat(50), floor: fc.option(fc.nat(1000)) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let wall = 0;
        let elapsed = 0;
        const clock = createMonotoneClock(
          () => wall,
          () => elapsed,
        );
        const times = steps.map((s) => {
          wall = s.wall;
          elapsed += s.elapsed;
          if (s.floor !== null) clock.atLeast(s.floor);
          return clock.now();
        });
        expect(times).toEqual([...times].sort((a, b) => a - b));
      }),
    );
  });

  it('goes on at half its speed while the wall clock is behind, until the two meet', () => {
    let at = 0;
    let put = 100_000;
    const clock = createMonotoneClock(
      () => put + at,
      () => at,
    );
    clock.now();
    put = 40_000;
    const times = [20_000, 60_000, 119_000, 121_000, 130_000].map((t) => {
      at = t;
      return clock.now();
    });
    expect(times).toEqual([110_000, 130_000, 159_500, 161_000, 170_000]);
  });
});

describe('the journal', () => {
  it('prefixes the priority, keeps messages constant and errors readable', () => {
    const lines: string[] = [];
    const journal = createJournal(
      'info',
      (l) => lines.push(l),
      () => 1,
    );
    journal.debug('not shown');
    journal.warn('a thing', { size: 5n, error: new Error('why') });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^<4>\{"level":40,"time":1,"msg":"a thing","size":"5","error":\{"message":"why",.*\}\n$/,
    );
    const away = new AttestdError('TPM_UNAVAILABLE', 'no device');
    journal.warn('foreseen', { error: away });
    journal.error('a fault', { error: away });
    journal.warn('unforeseen', { error: new AttestdError('INTERNAL', 'oh') });
    const stacks = lines.map((l) => JSON.parse(l.slice(3)).error.stack !== undefined);
    expect(stacks).toEqual([true, false, true, true]);
  });
});
