/**
 * The grants that may still be used, in memory: what is used up, revoked or expired is let go of at once, and the log alone
 * knows it from then on. Of those that went last it is remembered how they ended, so that whoever comes with one is told.
 */
import type { Ref } from '../../evidence/schema/field.ts';
import type { GrantPredicate } from '../../evidence/schema/governance.ts';
import type { Taking } from './uses.ts';

/** A grant that may still be used. */
export interface LiveGrant {
  readonly ref: Ref;
  readonly index: number;
  /** Who may use it. */
  readonly uid: number;
  /** Who asked for it: the uid that it weighs on. */
  readonly asker: number;
  readonly weight: number;
  /** No more of it than a use needs: a caller may have thousands. */
  readonly predicate: Granted;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Uses that were taken. */
  used: number;
  /** The entry that took the last, or the grant itself. */
  last: Ref;
  revoked: boolean;
  /** A use could not be written: the chain of uses in the log is not the one in memory. */
  broken: boolean;
  /** Uses on their way into the log, oldest first. */
  readonly underway: Taking[];
  /** Live grants that were taken out of it. */
  readonly below: Set<LiveGrant>;
}

/** What is kept of the predicate. */
export type Granted = Pick<
  GrantPredicate,
  | 'scope'
  | 'holder'
  | 'maxUses'
  | 'notBefore'
  | 'notAfter'
  | 'delegable'
  | 'delegation'
  | 'environment'
  | 'policy'
>;

/** A grant that ended before its time: how, and after how many uses. */
export interface Ended {
  readonly ref: Ref;
  readonly how: 'used' | 'revoked';
  readonly used: number;
  readonly notAfter: number;
}

/** A grant that is durable. */
export interface Grant {
  readonly index: number;
  readonly uid: number;
  readonly ref: Ref;
  readonly bytes: number;
  /** When it was given, milliseconds. */
  readonly at: number;
  readonly predicate: Granted & Pick<GrantPredicate, 'caller' | 'approvals'>;
}

/** Bytes of its record for which a grant weighs as much as one: memory is bounded, not just numbers. */
const PIECE = 4096;
/** So many of those that ended are remembered. */
const REMEMBERED = 16_384;
/** How long an approval may be good for, at most: so long it is known that it was used. */
export const KEEP_MS = 86_400_000;

export class LiveGrants {
  readonly #byId = new Map<string, LiveGrant>();
  readonly #byDigest = new Map<string, LiveGrant>();
  readonly #weights = new Map<number, number>();
  readonly #ended = new Map<string, Ended>();
  /** Their ids, each in the place of the one that ended so many before it. */
  readonly #order: string[] = [];
  #next = 0;
  readonly #spent = new Map<string, { readonly index: number; readonly until: number }>();

  get size(): number {
    return this.#byId.size;
  }
  get(id: string): LiveGrant | undefined {
    return this.#byId.get(id);
  }
  /** How a grant ended, where that is not long ago. */
  ended(id: string): Ended | undefined {
    return this.#ended.get(id);
  }
  /** What the live grants weigh that this uid asked for: one each, and more where they are long. */
  weight(asker: number): number {
    return this.#weights.get(asker) ?? 0;
  }
  /** Whether an approval has been used for a grant. */
  spent(approval: string): boolean {
    return this.#spent.has(approval);
  }

  /** Takes a grant that is durable. @param now what is over by then is not taken */
  add({ index, uid, ref, bytes, at, predicate }: Grant, now: number): void {
    const until = at + KEEP_MS;
    if (until >= now) for (const a of predicate.approvals ?? []) this.#spent.set(a.digest, { index, until });
    const { delegation } = predicate;
    const above = delegation === undefined ? undefined : this.#byDigest.get(delegation.grant.digest);
    const live: LiveGrant = {
      ref,
      index,
      uid,
      asker: predicate.caller.observed.uid,
      weight: Math.ceil(bytes / PIECE),
      predicate: granted(predicate),
      notBefore: Date.parse(predicate.notBefore),
      notAfter: Date.parse(predicate.notAfter),
      used: 0,
      last: ref,
      revoked: above?.revoked ?? false,
      broken: false,
      underway: [],
      below: new Set(),
    };
    if (live.notAfter >= now) {
      this.#byId.set(ref.id, live);
      this.#byDigest.set(ref.digest, live);
      this.#weigh(live, live.weight);
      above?.below.add(live);
    }
    if (delegation !== undefined)
      this.use(delegation.grant.digest, delegation.use.n, delegation.use.count, ref);
  }

  /** Takes uses that are durable. */
  use(digest: string, n: number, count: number, by: Ref): void {
    const live = this.#byDigest.get(digest);
    if (live === undefined) return;
    const last = n + count - 1;
    if (last > live.used) {
      live.used = last;
      live.last = by;
    }
    if (last >= live.predicate.maxUses) this.#end(live, live.revoked ? 'revoked' : 'used');
  }

  /** A grant is good for nothing from now on, nor is what was taken out of it. */
  withdraw(grant: LiveGrant): void {
    grant.revoked = true;
    for (const child of grant.below) this.withdraw(child);
  }

  /** Takes a revocation that is durable. */
  revoke(digest: string): void {
    const live = this.#byDigest.get(digest);
    if (live === undefined) return;
    this.withdraw(live);
    for (const child of [...live.below]) this.revoke(child.ref.digest);
    this.#end(live, 'revoked');
  }

  /** Forgets what has expired. @returns the index of the oldest entry that must be read again, below `size` */
  sweep(now: number, size: number): number {
    let oldest = size;
    for (const live of this.#byId.values()) {
      if (live.notAfter < now) this.#drop(live);
      else oldest = Math.min(oldest, live.index);
    }
    for (const [approval, { index, until }] of this.#spent) {
      if (until < now) this.#spent.delete(approval);
      else oldest = Math.min(oldest, index);
    }
    return oldest;
  }

  /** One out of which others were taken stays while they live: who revokes it revokes them. */
  #end(live: LiveGrant, how: Ended['how']): void {
    if (live.below.size > 0) return;
    const { ref, used, notAfter } = live;
    if (!this.#ended.has(ref.id)) this.#remember(ref.id);
    this.#ended.set(ref.id, { ref, how, used, notAfter });
    this.#drop(live);
  }

  /** Not by the first key of the map: to find that, all that was deleted before it is passed over, each time. */
  #remember(id: string): void {
    const oldest = this.#order[this.#next];
    if (oldest !== undefined) this.#ended.delete(oldest);
    this.#order[this.#next] = id;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  #drop(live: LiveGrant): void {
    if (!this.#byId.delete(live.ref.id)) return;
    this.#byDigest.delete(live.ref.digest);
    this.#weigh(live, -live.weight);
    const { delegation } = live.predicate;
    const above = delegation === undefined ? undefined : this.#byDigest.get(delegation.grant.digest);
    if (above === undefined) return;
    above.below.delete(live);
    if (above.used >= above.predicate.maxUses) this.#end(above, above.revoked ? 'revoked' : 'used');
  }

  #weigh({ asker }: LiveGrant, by: number): void {
    const weight = this.weight(asker) + by;
    if (weight === 0) this.#weights.delete(asker);
    else this.#weights.set(asker, weight);
  }
}

function granted(p: Grant['predicate']): Granted {
  const { scope, holder, maxUses, notBefore, notAfter, delegable, delegation, environment, policy } = p;
  return {
    scope,
    holder,
    maxUses,
    notBefore,
    notAfter,
    ...(delegable === undefined ? {} : { delegable }),
    ...(delegation === undefined ? {} : { delegation }),
    ...(environment === undefined ? {} : { environment }),
    ...(policy === undefined ? {} : { policy }),
  };
}
