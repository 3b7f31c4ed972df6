/** What retention leaves, decided from entries alone: by every order in which uses and ends can come. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { formatTime } from '../../src/core/time.ts';
import { ulid } from '../../src/core/ulid.ts';
import { createLedger } from '../../src/daemon/govern/ledger.ts';
import { KEEP_MS } from '../../src/daemon/govern/live.ts';
import { DigestFilter } from '../../src/daemon/retaining/filter.ts';
import { remainsOf } from '../../src/daemon/retaining/remains.ts';
import { buildEntry } from '../../src/evidence/record.ts';
import { observed } from '../kit/governed.ts';

const NOW = 1_790_000_000_000;
const READING = { from: 0, now: () => NOW };
type Ref = { id: string; digest: string };

/** A log in memory, and what the daemon would write to it. */
function memoryLog() {
  const entries: Uint8Array[] = [];
  const boot = '0'.repeat(64);
  const put = (kind: 'execution' | 'grant', predicate: object): Ref => {
    const n = entries.length;
    const frame = {
      id: ulid(NOW - 1e6 + n, new Uint8Array(10).fill(n)),
      log: 'f/h/1',
      boot,
      timeMs: NOW - 1e6 + n,
      salt: new Uint8Array(16),
    };
    const { id, entry, recordDigest } = buildEntry(kind, predicate as never, frame);
    entries.push(entry);
    return { id, digest: toHex(recordDigest) };
  };
  const grant = (notAfter: number, more: object = {}) =>
    put('grant', {
      caller: { observed: observed(1000) },
      scope: [{ type: 'x', name: '*' }],
      holder: { uid: 1000, unit: 'a.service' },
      maxUses: 9,
      seconds: 60,
      notBefore: formatTime(NOW - 2e9),
      notAfter: formatTime(notAfter),
      ...more,
    });
  const execution = (phase: string, authorization: unknown, parents: object[] = []) =>
    put('execution', {
      phase,
      action: { type: 'x', name: 'y' },
      caller: { observed: observed(1000) },
      authorization,
      parents,
    });
  const lease = (g: Ref, n: number, prev: Ref) => ({
    checkedAt: formatTime(NOW - 5),
    grant: g,
    use: { n, prev },
  });
  const completes = (a: Ref) => [{ rel: 'completes', digest: a.digest }];
  const view = (gone: (i: number) => boolean = () => false) => ({
    size: entries.length,
    *entries(from = 0, to = entries.length) {
      for (let i = from; i < to; i++) yield gone(i) ? new Uint8Array(0) : (entries[i] as Uint8Array);
    },
    owner: () => ({ uid: 1000 }),
  });
  return { entries, grant, execution, lease, completes, view };
}
const OVER = NOW - KEEP_MS - 1;

it('a delegated grant that is over stays while the one above it lives, and so do the uses around it', async () => {
  const log = memoryLog();
  const g = log.grant(NOW + 1000);
  const first = log.execution('completed', log.lease(g, 1, g));
  const child = log.grant(OVER, { delegation: { grant: g, use: { n: 2, prev: first, count: 3 } } });
  const old = log.execution('completed', log.lease(child, 1, child));
  const over = log.grant(OVER);
  log.execution('completed', log.lease(over, 1, over));
  const { keeps, kept, removed } = await remainsOf(log.view(), 6, NOW);
  expect([0, 1, 2, 3, 4, 5].map(keeps)).toEqual([true, true, true, false, false, false]);
  expect([kept, removed]).toEqual([3, 3]);
  const ledger = createLedger(
    log.view((i) => !keeps(i)),
    READING,
  );
  expect(ledger.grants.get(g.id)).toMatchObject({ used: 4, last: child });
  expect(old).toBeDefined();
});

it('whatever is removed, the ledger read anew says the same of every grant that lives, and opens no attempt', async () => {
  const step = fc.record({
    what: fc.constantFrom('begin', 'end', 'once', 'name', 'plain'),
    pick: fc.nat(99),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(30), async (steps, cut) => {
      const log = memoryLog();
      const grants = [NOW + 1000, OVER, NOW - KEEP_MS + 5].map((t) => ({
        ref: log.grant(t),
        used: 0,
        last: undefined as Ref | undefined,
      }));
      const open: { ref: Ref; authorization: unknown }[] = [];
      const all: Ref[] = [];
      for (const { what, pick } of steps) {
        if (what === 'end') {
          const [attempt] = open.splice(pick % (open.length || 1), 1);
          if (attempt !== undefined)
            all.push(log.execution('completed', attempt.authorization, log.completes(attempt.ref)));
          continue;
        }
        if (what === 'name' || what === 'plain') {
          const named =
            what === 'name' && all.length > 0
              ? [{ rel: 'after', digest: (all[pick % all.length] as Ref).digest }]
              : [];
          all.push(log.execution('completed', 'ungoverned', named));
          continue;
        }
        const g = grants[pick % 4];
        const authorization = g === undefined ? 'ungoverned' : log.lease(g.ref, ++g.used, g.last ?? g.ref);
        const ref = log.execution(what === 'once' ? 'completed' : 'attempted', authorization);
        if (g !== undefined) g.last = ref;
        if (what === 'begin') open.push({ ref, authorization });
        all.push(ref);
      }
      const before = Math.min(cut, log.entries.length);
      const { keeps, kept, removed } = await remainsOf(log.view(), before, NOW);
      const left = log.entries.slice(0, before).filter((_, i) => keeps(i)).length;
      expect([kept, removed]).toEqual([left, before - left]);
      const was = createLedger(log.view(), READING);
      const is = createLedger(
        log.view((i) => i < before && !keeps(i)),
        READING,
      );
      for (const ledger of [was, is]) ledger.sweep(NOW);
      for (const { ref } of grants) expect(is.grants.get(ref.id)).toEqual(was.grants.get(ref.id));
      expect([...is.attempts].map((a) => a.ref.id)).toEqual([...was.attempts].map((a) => a.ref.id));
      // Whoever goes on from there comes to the same.
      const again = await remainsOf(
        log.view((i) => i < before && !keeps(i)),
        before,
        NOW,
      );
      expect([again.kept, again.removed]).toEqual([kept, 0]);
    }),
    { numRuns: 40 },
  );
}, 60_000);

it('remembers of ends what it must, and no more than that however many are made up', async () => {
  const log = memoryLog();
  const attempt = log.execution('attempted', 'ungoverned');
  const made = 64;
  const most = 1024;
  for (let i = 0; i * made < most; i++)
    log.execution(
      'completed',
      'ungoverned',
      Array.from({ length: made }, (_, k) => ({
        rel: 'completes',
        digest: createHash('sha256').update(`${i} ${k}`).digest('hex'),
      })),
    );
  // The oldest that is looked for: it stays with its beginning, which would be taken for one without an end.
  log.execution('completed', 'ungoverned', log.completes(attempt));
  const last = log.entries.length - 1;
  const { keeps, kept } = await remainsOf(log.view(), last + 1, NOW, most);
  expect([keeps(0), keeps(last), keeps(1), kept < 4]).toEqual([true, true, false, true]);
}, 60_000);

it('a digest that was added is there, whatever else was', () => {
  const filter = new DigestFilter();
  const digest = (i: number) => createHash('sha256').update(String(i)).digest();
  for (let i = 0; i < 20_000; i++) filter.add(digest(i));
  for (let i = 0; i < 20_000; i++) if (!filter.has(digest(i))) throw new Error(`${i} is not there`);
  let wrong = 0;
  for (let i = 20_000; i < 40_000; i++) if (filter.has(digest(i))) wrong++;
  expect(wrong).toBe(0);
});
