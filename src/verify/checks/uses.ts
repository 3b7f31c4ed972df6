/**
 * `grant-uses`: the use has a number that the grant allows, the uses before it resolve down to the first, and no two
 * entries took the same one. `completion`: only the caller that attempted completed, and what it attempted. Misuse by
 * an entry that a bundle does not hold shows in the audit of the whole log alone (design §7).
 */
import { toHex } from '../../core/bytes.ts';
import { jcs } from '../../core/json.ts';
import type { ExecutionPredicate } from '../../evidence/schema/execution.ts';
import type { Ref } from '../../evidence/schema/field.ts';
import type { GrantPredicate } from '../../evidence/schema/governance.ts';
import { type EntryFacts, type Evidence, entriesOf } from '../evidence.ts';
import { completes } from '../grant/chain.ts';
import { blocked, type CheckDefinition, fail, type Outcome, pass, unknown } from '../outcome.ts';
import { governed } from './grant.ts';

/** A use of a grant that an entry took: numbers `n` to `n + count - 1`. */
export interface Taking {
  readonly entry: EntryFacts;
  readonly grant: string;
  readonly n: number;
  readonly count: number;
  readonly prev: Ref;
}

/** The use that an entry took, if it took one; the end of an attempt takes none. */
export function takingOf(entry: EntryFacts): Taking | undefined {
  if (!entry.statement.ok) return undefined;
  const { kind, predicate } = entry.statement.value;
  if (kind === 'execution') {
    const p = predicate as unknown as ExecutionPredicate;
    if (p.authorization === 'ungoverned' || completes(p) !== undefined) return undefined;
    const { grant, use } = p.authorization;
    return { entry, grant: grant.digest, n: use.n, count: 1, prev: use.prev };
  }
  if (kind !== 'grant') return undefined;
  const { delegation } = predicate as unknown as GrantPredicate;
  if (delegation === undefined) return undefined;
  return { entry, grant: delegation.grant.digest, ...delegation.use };
}

export const grantUses: CheckDefinition = {
  id: 'grant-uses',
  level: 1,
  run: (e) =>
    governed(e, ({ grants, attempt }) => {
      if (!grants.ok) return blocked(grants);
      if (attempt !== undefined && !attempt.ok) return blocked(attempt);
      const takers = [attempt?.value.entry, ...grants.value.map((g) => g.entry)];
      const limits = new Map(grants.value.map((g) => [toHex(g.entry.digest), g.predicate.maxUses]));
      const all = entriesOf(e).flatMap((x) => takingOf(x) ?? []);
      const twice = overlapping(all);
      if (twice !== undefined)
        return fail(`Use ${twice.n} of one grant was taken twice, once by entry ${twice.entry.index}.`);
      let walked = 0;
      for (const taker of takers) {
        const taking = taker === undefined ? undefined : takingOf(taker);
        if (taking === undefined) continue;
        const limit = limits.get(taking.grant);
        if (limit === undefined) return unknown('cannot be judged: the grant is not given');
        if (taking.n + taking.count - 1 > limit) {
          const last = taking.n + taking.count - 1;
          return fail('The grant was used more often than it allows.', `${limit} uses`, `use ${last}`);
        }
        const fault = toTheFirst(e, all, taking);
        if (fault !== undefined) return fault;
        walked++;
      }
      return pass(
        walked === 0
          ? 'No use was taken.'
          : 'The use is one that the grant allows, and no other entry has it.',
      );
    }),
};

function overlapping(all: readonly Taking[]): Taking | undefined {
  const seen = new Map<string, EntryFacts>();
  for (const t of all) {
    for (let n = t.n; n < t.n + t.count; n++) {
      const name = `${t.grant} ${n}`;
      const other = seen.get(name);
      if (other !== undefined && toHex(other.digest) !== toHex(t.entry.digest)) return t;
      seen.set(name, t.entry);
    }
  }
  return undefined;
}

/** What is wrong on the way from a use to the first of its grant. */
function toTheFirst(e: Evidence, all: readonly Taking[], from: Taking): Outcome | undefined {
  const byDigest = new Map(all.map((t) => [toHex(t.entry.digest), t]));
  for (let at = from; ; ) {
    if (at.prev.digest === at.grant)
      return at.n === 1 ? undefined : fail('A later use says that it follows the grant itself.');
    if (at.n === 1) return fail('The first use does not follow the grant itself.');
    const before = byDigest.get(at.prev.digest);
    if (before === undefined) {
      if (entriesOf(e).some((x) => toHex(x.digest) === at.prev.digest))
        return fail(`Use ${at.n} follows an entry that took no use.`);
      return unknown(`Use ${at.n - 1} of the grant is not given.`);
    }
    if (before.grant !== at.grant) return fail(`Use ${at.n} follows a use of another grant.`);
    if (before.n + before.count !== at.n)
      return fail(
        'The uses do not follow each other.',
        String(at.n - 1),
        String(before.n + before.count - 1),
      );
    at = before;
  }
}

export const completion: CheckDefinition = {
  id: 'completion',
  level: 1,
  run: (e) =>
    governed(e, ({ execution, attempt }) => {
      if (execution === undefined || attempt === undefined || completes(execution.predicate) === undefined)
        return pass('The record completes no attempt.');
      if (!attempt.ok) return blocked(attempt);
      const end = execution.predicate;
      const begin = attempt.value.predicate;
      if (begin.phase !== 'attempted') return fail('What the record completes was no attempt.');
      if (jcs(begin.action) !== jcs(end.action)) return fail('The record completes another action.');
      const grantOf = (p: ExecutionPredicate) =>
        p.authorization === 'ungoverned' ? '' : jcs([p.authorization.grant, p.authorization.use]);
      if (grantOf(begin) !== grantOf(end)) return fail('The attempt was made under another use of a grant.');
      const [a, b] = [begin.caller.observed, end.caller.observed];
      if (a.uid !== b.uid || a.pid !== b.pid || a.startTicks !== b.startTicks)
        return fail('Another process completed than attempted.', `pid ${a.pid}`, `pid ${b.pid}`);
      if (jcs(a.exe) !== jcs(b.exe))
        return fail('The process ran another executable when it completed than when it attempted.');
      return pass('The caller that attempted completed.');
    }),
};
