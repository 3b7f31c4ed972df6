/**
 * The grants that live, their uses, and the attempts that are open: what the log says, in memory. Nothing outside the
 * log is believed.
 */
import { toHex } from '../../core/bytes.ts';
import { recordDigest } from '../../evidence/dsse.ts';
import type { ExecutionPredicate } from '../../evidence/schema/execution.ts';
import type { Ref } from '../../evidence/schema/field.ts';
import type { GrantPredicate, PolicychangePredicate } from '../../evidence/schema/governance.ts';
import { readStatement } from '../../evidence/statement.ts';
import { type Grant, LiveGrants } from './live.ts';

/** What is kept of an attempt. */
export type Begun = Pick<ExecutionPredicate, 'action' | 'authorization'> & {
  readonly caller: Pick<ExecutionPredicate['caller'], 'observed'>;
};

/** An execution that was begun and not ended. */
export interface OpenAttempt {
  readonly ref: Ref;
  readonly index: number;
  readonly uid: number;
  /** No more of it than its end needs: a caller may have thousands open. */
  readonly predicate: Begun;
  /** Its end is being written. */
  ending: boolean;
}

/** What the ledger reads of the store. */
export interface LedgerLog {
  readonly size: number;
  entries(from?: number, to?: number): Iterable<Uint8Array>;
  owner(index: number): { readonly uid?: number };
}

export interface Ledger {
  readonly grants: LiveGrants;
  attempt(id: string): OpenAttempt | undefined;
  readonly attempts: Iterable<OpenAttempt>;
  /** How many attempts of this uid are open. */
  open(uid: number): number;
  /** The newest policy change in the log, as far as it was read. */
  readonly policy: { readonly ref: Ref; readonly predicate: PolicychangePredicate } | undefined;
  /** Takes a grant that is durable. */
  takeGrant(grant: Grant): void;
  /** Takes another entry that is durable; others than of governance are passed over. */
  take(index: number, uid: number, ref: Ref, kind: string, predicate: unknown): void;
  close(attempt: string): void;
  /** Forgets what has expired. @returns the index of the oldest entry that must be read again */
  sweep(now: number): number;
}

const MARK = Buffer.from('"predicateType":"https://attestd.dev/');
const KINDS = ['grant', 'execution', 'revocation', 'policychange'];
const AUTHORIZATION = Buffer.from('"authorization":');
const UNGOVERNED = Buffer.from('"ungoverned"');

/**
 * Whether the entry of an execution says that it used no grant. Only its own member counts, which is the first of that
 * name: `action` alone stands before it, and holds texts only. A caller can put the same words into its parameters.
 */
export function isUngoverned(entry: Uint8Array): boolean {
  const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
  const at = bytes.indexOf(AUTHORIZATION);
  const from = at + AUTHORIZATION.length;
  return at >= 0 && bytes.compare(UNGOVERNED, 0, UNGOVERNED.length, from, from + UNGOVERNED.length) === 0;
}

/** Whether an attempt took this use: only a record with the same one can be its end. */
function hasLease(attempt: OpenAttempt | undefined, grant: Ref, n: number): boolean {
  const taken = attempt?.predicate.authorization;
  return typeof taken === 'object' && taken.grant.digest === grant.digest && taken.use.n === n;
}

/** From where the log is read, what was the policy until then, and now: what is over by then is not taken. */
export interface Reading {
  readonly from: number;
  readonly policy?: Ledger['policy'];
  readonly now: () => number;
}

/** Reads the log. */
export function createLedger(log: LedgerLog, { from, policy, now }: Reading): Ledger {
  const grants = new LiveGrants();
  const attempts = new Map<string, OpenAttempt>();
  const byAttempt = new Map<string, string>();
  const byUid = new Map<number, number>();
  let newest: Ledger['policy'] = policy;

  const ledger: Ledger = {
    grants,
    attempt: (id) => attempts.get(id),
    get attempts() {
      return attempts.values();
    },
    open: (uid) => byUid.get(uid) ?? 0,
    get policy() {
      return newest;
    },
    takeGrant: (grant) => grants.add(grant, now()),
    take(index, uid, ref, kind, value) {
      if (kind === 'execution') {
        const predicate = value as ExecutionPredicate;
        if (predicate.authorization === 'ungoverned') return;
        const { grant, use: lease } = predicate.authorization;
        // Whatever it says that it completes: an end says again which use its attempt took, and takes none.
        grants.use(grant.digest, lease.n, 1, ref);
        if (predicate.phase === 'attempted') {
          const { action, authorization, caller } = predicate;
          const kept: Begun = { action, authorization, caller: { observed: caller.observed } };
          attempts.set(ref.id, { ref, index, uid, predicate: kept, ending: false });
          byAttempt.set(ref.digest, ref.id);
          byUid.set(uid, ledger.open(uid) + 1);
          return;
        }
        for (const { rel, digest } of predicate.parents ?? []) {
          const id = rel === 'completes' ? byAttempt.get(digest) : undefined;
          if (id !== undefined && hasLease(attempts.get(id), grant, lease.n)) ledger.close(id);
        }
        return;
      }
      if (kind === 'revocation') {
        grants.revoke((value as { grant: Ref }).grant.digest);
        return;
      }
      if (kind === 'policychange') newest = { ref, predicate: value as PolicychangePredicate };
    },
    close(id) {
      const attempt = attempts.get(id);
      if (attempt === undefined) return;
      attempts.delete(id);
      byAttempt.delete(attempt.ref.digest);
      const left = ledger.open(attempt.uid) - 1;
      if (left === 0) byUid.delete(attempt.uid);
      else byUid.set(attempt.uid, left);
    },
    sweep(at) {
      let oldest = grants.sweep(at, log.size);
      for (const a of attempts.values()) oldest = Math.min(oldest, a.index);
      return oldest;
    },
  };

  let index = from;
  for (const entry of log.entries(from)) {
    const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
    const at = bytes.lastIndexOf(MARK);
    const kind =
      at < 0
        ? ''
        : (bytes.toString('latin1', at + MARK.length, at + MARK.length + 16).split('/')[0] as string);
    if (KINDS.includes(kind) && !(kind === 'execution' && isUngoverned(entry))) {
      const copy = Uint8Array.from(entry);
      const { predicate } = readStatement(copy);
      const ref = { id: predicate.id, digest: toHex(recordDigest(copy)) };
      const uid = log.owner(index).uid ?? 0;
      if (kind === 'grant') {
        const at = Date.parse(predicate.time);
        const grant = predicate as GrantPredicate;
        ledger.takeGrant({ index, uid, ref, bytes: copy.length, at, predicate: grant });
      } else ledger.take(index, uid, ref, kind, predicate);
    }
    index++;
  }
  return ledger;
}
