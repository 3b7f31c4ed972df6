/**
 * Permissions over the whole log: no use of a grant is taken twice or beyond what the grant allows, and no approval stands
 * for two grants. Misuse by an entry that a bundle does not hold shows here alone. A use may be missing, for the disk may have
 * refused it; a grant that is not known, because it was removed for its age or stands in no entry, is the bundle's to judge.
 *
 * Held in memory is what may still be used: grants and approvals until an hour behind their end by the log's own clock.
 */
import type { Authorization, ExecutionPredicate } from '../../evidence/schema/execution.ts';
import type { GrantPredicate } from '../../evidence/schema/governance.ts';
import type { Kind, Predicate } from '../../evidence/statement.ts';

type Faults = readonly (readonly [id: string, sentence: string])[];

/** An execution under a grant: what it says of its use. */
export interface LeasedExecution {
  readonly time: string;
  /** Its record digest. */
  readonly digest: string;
  readonly grant: string;
  readonly n: number;
  readonly attempted: boolean;
  /** Records that it says it completes. */
  readonly ends: readonly string[];
}

interface Known {
  readonly maxUses: number;
  readonly until: number;
  /** The highest use that was taken. */
  used: number;
  /** Attempts that did not end, by the number of their use. */
  readonly open: Map<number, string>;
}

/** What a cursor keeps; absent where nothing may be used. */
export interface UsesState {
  readonly permissions?: {
    readonly grants: readonly (readonly [
      string,
      number,
      number,
      number,
      readonly (readonly [number, string])[],
    ])[];
    readonly approvals: readonly (readonly [string, number, boolean])[];
  };
}

const GRACE_MS = 3_600_000;
const untilOf = (notAfter: string): number => Date.parse(notAfter) + GRACE_MS;

/** What an execution says of its use; undefined where it says that nothing permitted it. */
export function leaseOf(predicate: ExecutionPredicate, digest: () => string): LeasedExecution | undefined {
  const authorization = predicate.authorization as Authorization | 'ungoverned';
  if (authorization === 'ungoverned') return undefined;
  const parents = predicate.parents ?? [];
  return {
    time: predicate.time,
    digest: digest(),
    grant: authorization.grant.digest,
    n: authorization.use.n,
    attempted: predicate.phase === 'attempted',
    ends: parents.flatMap((p) => (p.rel === 'completes' && p.log === undefined ? [p.digest] : [])),
  };
}

export class Uses {
  readonly #grants = new Map<string, Known>();
  readonly #approvals = new Map<string, { readonly until: number; used: boolean }>();
  #sweepAt = 1024;

  /** Takes the next entry. @returns what does not hold, by the id of the rule */
  take(kind: Kind, predicate: Predicate<Kind>, digest: () => string): Faults {
    if (kind === 'execution') {
      const lease = leaseOf(predicate as Predicate<'execution'>, digest);
      return lease === undefined ? [] : this.execution(lease);
    }
    if (kind === 'grant') return this.#grant(digest(), predicate as Predicate<'grant'>);
    if (kind === 'approval') {
      const { time, notAfter } = predicate as Predicate<'approval'>;
      this.#approvals.set(digest(), { until: untilOf(notAfter), used: false });
      this.#sweep(time);
    }
    return [];
  }

  #grant(digest: string, predicate: GrantPredicate): Faults {
    const { maxUses, notAfter, approvals = [], delegation, time } = predicate;
    const faults: [string, string][] = [];
    for (const { digest: name } of approvals) {
      const approval = this.#approvals.get(name);
      if (approval === undefined) continue;
      if (approval.used) faults.push(['approval-use', `approval ${name} stood for another grant before`]);
      approval.used = true;
    }
    if (delegation !== undefined) {
      const { n, count } = delegation.use;
      const why = this.#use(delegation.grant.digest, n, count);
      if (why !== undefined) faults.push(['grant-use', why]);
    }
    this.#grants.set(digest, { maxUses, until: untilOf(notAfter), used: 0, open: new Map() });
    this.#sweep(time);
    return faults;
  }

  /** An execution under a grant, as `take`. */
  execution({ grant, n, attempted, ends, digest }: LeasedExecution): Faults {
    const known = this.#grants.get(grant);
    const open = known?.open.get(n);
    // An end says again which use its attempt took, and takes none; there is one.
    if (known !== undefined && !attempted && open !== undefined && ends.includes(open)) {
      known.open.delete(n);
      return [];
    }
    const why = this.#use(grant, n, 1);
    if (why !== undefined) return [['grant-use', why]];
    if (attempted) known?.open.set(n, digest);
    return [];
  }

  #use(grant: string, n: number, count: number): string | undefined {
    const known = this.#grants.get(grant);
    if (known === undefined) return undefined;
    const last = n + count - 1;
    if (n <= known.used) return `use ${n} of grant ${grant} was taken before`;
    if (last > known.maxUses) return `use ${last} of grant ${grant}, which allows ${known.maxUses}`;
    known.used = last;
    return undefined;
  }

  /** Lets go of what is over, as often as what is held has doubled. */
  #sweep(time: string): void {
    if (this.#grants.size + this.#approvals.size < this.#sweepAt) return;
    const now = Date.parse(time);
    for (const held of [this.#grants, this.#approvals])
      for (const [digest, { until }] of held) if (until < now) held.delete(digest);
    this.#sweepAt = Math.max(1024, 2 * (this.#grants.size + this.#approvals.size));
  }

  save(): UsesState {
    if (this.#grants.size + this.#approvals.size === 0) return {};
    const grants = [...this.#grants].map(
      ([digest, g]) => [digest, g.maxUses, g.until, g.used, [...g.open]] as const,
    );
    const approvals = [...this.#approvals].map(([digest, a]) => [digest, a.until, a.used] as const);
    return { permissions: { grants, approvals } };
  }

  restore({ permissions }: UsesState): void {
    for (const [digest, maxUses, until, used, open] of permissions?.grants ?? [])
      this.#grants.set(digest, { maxUses, until, used, open: new Map(open) });
    for (const [digest, until, used] of permissions?.approvals ?? [])
      this.#approvals.set(digest, { until, used });
  }
}
