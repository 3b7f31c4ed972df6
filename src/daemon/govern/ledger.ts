/**
 * The grants that live, their uses, and the attempts that are open: what the log says, in memory. Nothing outside the
 * log is believed. `governed.json` beside the log says from where reading begins; were it put forward by somebody, the
 * grants before it would be unknown, and what is unknown is refused.
 */
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { toHex } from '../../core/bytes.ts';
import { recordDigest } from '../../evidence/dsse.ts';
import type { ExecutionPredicate } from '../../evidence/schema/execution.ts';
import type { Ref } from '../../evidence/schema/field.ts';
import type { GrantPredicate, PolicychangePredicate } from '../../evidence/schema/governance.ts';
import { readStatement } from '../../evidence/statement.ts';

/** A grant that may still be used. */
export interface LiveGrant {
  readonly ref: Ref;
  readonly index: number;
  readonly uid: number;
  readonly predicate: GrantPredicate;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Uses that were taken. */
  used: number;
  /** The entry that took the last, or the grant itself. */
  last: Ref;
  revoked: boolean;
  /** A use could not be written: the chain of uses in the log is not the one in memory. */
  broken: boolean;
}

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
  grant(id: string): LiveGrant | undefined;
  attempt(id: string): OpenAttempt | undefined;
  readonly attempts: Iterable<OpenAttempt>;
  /** How many attempts of this uid are open. */
  open(uid: number): number;
  /** The newest policy change in the log, as far as it was read. */
  readonly policy: { readonly ref: Ref; readonly predicate: PolicychangePredicate } | undefined;
  /** Whether an approval has been used for a grant. */
  spent(approval: string): boolean;
  /** Takes an entry that is durable; others than of governance are passed over. */
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

/** Reads the log from `from` on. */
export function createLedger(log: LedgerLog, from: number, policy?: Ledger['policy']): Ledger {
  const grants = new Map<string, LiveGrant>();
  const byDigest = new Map<string, LiveGrant>();
  const attempts = new Map<string, OpenAttempt>();
  const byAttempt = new Map<string, string>();
  const byUid = new Map<number, number>();
  const spent = new Map<string, number>();
  let newest: Ledger['policy'] = policy;

  function use(grant: Ref, n: number, count: number, by: Ref): void {
    const live = byDigest.get(grant.digest);
    if (live === undefined || n + count - 1 <= live.used) return;
    live.used = n + count - 1;
    live.last = by;
  }

  const ledger: Ledger = {
    grant: (id) => grants.get(id),
    attempt: (id) => attempts.get(id),
    get attempts() {
      return attempts.values();
    },
    open: (uid) => byUid.get(uid) ?? 0,
    get policy() {
      return newest;
    },
    spent: (approval) => spent.has(approval),
    take(index, uid, ref, kind, value) {
      if (kind === 'grant') {
        const predicate = value as GrantPredicate;
        const live: LiveGrant = {
          ref,
          index,
          uid,
          predicate,
          notBefore: Date.parse(predicate.notBefore),
          notAfter: Date.parse(predicate.notAfter),
          used: 0,
          last: ref,
          revoked: false,
          broken: false,
        };
        grants.set(ref.id, live);
        byDigest.set(ref.digest, live);
        for (const a of predicate.approvals ?? []) spent.set(a.digest, index);
        const { delegation } = predicate;
        if (delegation !== undefined) use(delegation.grant, delegation.use.n, delegation.use.count, ref);
        return;
      }
      if (kind === 'execution') {
        const predicate = value as ExecutionPredicate;
        if (predicate.authorization === 'ungoverned') return;
        const { grant, use: lease } = predicate.authorization;
        // Whatever it says that it completes: an end says again which use its attempt took, and takes none.
        use(grant, lease.n, 1, ref);
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
        const live = byDigest.get((value as { grant: Ref }).grant.digest);
        if (live !== undefined) live.revoked = true;
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
    sweep(now) {
      let oldest = log.size;
      for (const [id, g] of grants) {
        // An approval outlives its grant by less than this.
        if (g.notAfter + KEEP_MS < now) {
          grants.delete(id);
          byDigest.delete(g.ref.digest);
          for (const a of g.predicate.approvals ?? []) spent.delete(a.digest);
        } else oldest = Math.min(oldest, g.index);
      }
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
      ledger.take(index, log.owner(index).uid ?? 0, ref, kind, predicate);
    }
    index++;
  }
  return ledger;
}

/** How long an approval may be good for, at most: grants are kept so much longer, so that none is used twice. */
export const KEEP_MS = 86_400_000;

/** Where the last run left word to begin reading, and which policy change was the newest; the beginning where it left none. */
export function readHint(
  file: string,
  origin: string,
  size: number,
): { readonly from: number; readonly policy?: string } {
  try {
    const hint = JSON.parse(readFileSync(file, 'utf8')) as {
      log?: unknown;
      from?: unknown;
      policy?: unknown;
    };
    const { log, from, policy } = hint;
    if (log === origin && typeof from === 'number' && Number.isSafeInteger(from) && from >= 0 && from <= size)
      return { from, ...(typeof policy === 'string' ? { policy } : {}) };
  } catch {
    // An older word, or none: reading begins earlier, which costs time and nothing else.
  }
  return { from: 0 };
}

/** Leaves word for the next run. */
export async function writeHint(
  file: string,
  origin: string,
  from: number,
  policy: string | undefined,
): Promise<void> {
  const word = { log: origin, from, ...(policy === undefined ? {} : { policy }) };
  await writeFile(`${file}.tmp`, `${JSON.stringify(word)}\n`, { mode: 0o600 });
  await rename(`${file}.tmp`, file);
}
