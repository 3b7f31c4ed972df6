/** Uses that the log did not take: given back where nothing of them can be in it, however many were under way. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { LiveGrant } from '../../src/daemon/govern/live.ts';
import { settleUses, type Taking, takeUses } from '../../src/daemon/govern/uses.ts';

const grantOf = (): LiveGrant => {
  const ref = { id: 'grant', digest: 'grant' };
  return { ref, used: 0, last: ref, broken: false, underway: [] } as unknown as LiveGrant;
};
const by = (id: string) => ({ id, digest: id });

it('one that was refused is given back, and the next has its number', () => {
  const grant = grantOf();
  settleUses(grant, takeUses(grant, by('a'), 1), 'durable');
  const [b, c] = [takeUses(grant, by('b'), 3), takeUses(grant, by('c'), 1)];
  settleUses(grant, b, 'lost');
  // Something that follows it is still under way.
  expect([grant.used, grant.last.id]).toEqual([5, 'c']);
  settleUses(grant, c, 'lost');
  expect([grant.used, grant.last.id, grant.broken, grant.underway]).toEqual([1, 'a', false, []]);
});

it.each([
  ['nobody knows of what became of one', 'uncertain'],
  ['the log has one that follows another which it has not', 'durable'],
] as const)('the grant is good for nothing where %s', (_, fate) => {
  const grant = grantOf();
  const [a, b] = [takeUses(grant, by('a'), 1), takeUses(grant, by('b'), 1)];
  settleUses(grant, a, fate === 'durable' ? 'lost' : 'durable');
  settleUses(grant, b, fate);
  expect(grant.broken).toBe(true);
});

it('the chain in the log has no hole and no use twice, or the grant is good for nothing', () => {
  const step = fc.record({ what: fc.constantFrom('take', 'durable', 'lost'), count: fc.nat(3) });
  let whole = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const grant = grantOf();
      const open: { taking: Taking; id: string; n: number }[] = [];
      const log: { id: string; n: number; count: number; prev: string }[] = [];
      for (const [i, { what, count }] of steps.entries()) {
        if (what === 'take' && !grant.broken) {
          const n = grant.used + 1;
          open.push({ taking: takeUses(grant, by(String(i)), count + 1), id: String(i), n });
        }
        const first = what === 'take' ? undefined : open.shift();
        if (first === undefined) continue;
        const { taking, id, n } = first;
        if (what === 'durable') log.push({ id, n, count: taking.count, prev: taking.prev.id });
        settleUses(grant, taking, what as 'durable' | 'lost');
      }
      for (const { taking } of open) settleUses(grant, taking, 'lost');
      if (grant.broken) return;
      whole += log.length > 1 ? 1 : 0;
      let [used, last] = [0, 'grant'];
      for (const { id, n, count, prev } of log) {
        expect([n, prev]).toEqual([used + 1, last]);
        [used, last] = [used + count, id];
      }
      expect([grant.used, grant.last.id, grant.underway]).toEqual([used, last, []]);
    }),
    { numRuns: 2000 },
  );
  expect(whole).toBeGreaterThan(100);
});
