/** What asking, using and approving share: the host's parts, and small questions to them. */
import { toHex } from '../../core/bytes.ts';
import { formatTime } from '../../core/time.ts';
import { recordDigest } from '../../evidence/dsse.ts';
import type { ObservedCaller } from '../../evidence/schema/execution.ts';
import type { Ref } from '../../evidence/schema/field.ts';
import type { DenialPredicate, Holder } from '../../evidence/schema/governance.ts';
import type { GrantRequest } from '../../evidence/schema/governed.ts';
import { type Kind, type Predicate, readStatement } from '../../evidence/statement.ts';
import { stranger } from '../../verify/grant/scope.ts';
import type { Caller } from '../caller.ts';
import type { MonotoneClock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { LogReader } from '../reader.ts';
import type { Recorder } from '../recorder.ts';
import type { Run } from '../run.ts';
import { findParents } from '../search.ts';
import type { Failing } from './conditions.ts';
import type { Ledger } from './ledger.ts';
import type { PolicySet } from './policies.ts';
import type { Refusals } from './refusal.ts';
import type { Fate } from './uses.ts';
import type { Question } from './vocabulary.ts';

export type Ask = NonNullable<DenialPredicate['requested']['ask']>;

export interface House {
  readonly origin: string;
  readonly settings: Config['policy'];
  readonly random: (n: number) => Uint8Array;
  readonly clock: MonotoneClock;
  readonly run: () => Run;
  readonly log: LogReader;
  readonly ledger: Ledger;
  readonly recorder: Recorder;
  readonly refusals: Refusals;
  /** What became of an entry, where the log gave this error or none. */
  readonly fate: (e: Error | null) => Fate;
  readonly conditions: () => Failing | undefined;
  /** The policy set in force and the entry that brought it there. */
  readonly policy: () => { readonly set: PolicySet; readonly change: Ref } | undefined;
  /** The machine: this run, and PCR values and TPM as the newest seal shows them. */
  readonly environment: () => Question['environment'];
}

/** Whether the kernel said enough about a caller to bind a decision to it. */
export function attribution({ startTicks, cgroup }: ObservedCaller): Failing | undefined {
  if (startTicks !== 'unreadable' && cgroup !== 'unreadable') return undefined;
  return {
    code: 'ATTRIBUTION_FAILED',
    condition: 'the process at the other end was gone, or another had its pid, when it was looked at',
  };
}

/** What a grant binds its holder by. */
const holderOf = ({ uid, unit, cgroup }: ObservedCaller): Holder => ({
  uid,
  ...(unit === undefined ? { cgroup } : { unit }),
});

/** The holder that a request names, or the caller itself. */
function holderAsked(asked: GrantRequest['holder'], observed: ObservedCaller): Holder {
  const { uid, ...rest } = asked ?? {};
  return uid === undefined ? { ...holderOf(observed), ...rest } : { uid, ...rest };
}

/** Whether others than the caller, as it is bound where no holder is named, may use what is for this holder. */
export function isForAnother({ uid, unit, cgroup }: Holder, observed: ObservedCaller): boolean {
  const unbound = unit === undefined && cgroup === undefined;
  const bound = { uid, ...(unit === undefined ? {} : { unit }), ...(cgroup === undefined ? {} : { cgroup }) };
  return unbound || stranger(bound, observed) !== undefined;
}

/** What a request for a grant asks for, as grants and denials say it. */
export function askOf(request: GrantRequest, observed: ObservedCaller): Ask {
  const { scope, maxUses, seconds, delegable, environment } = request;
  return {
    scope,
    holder: holderAsked(request.holder, observed),
    maxUses,
    seconds,
    ...(delegable === undefined ? {} : { delegable }),
    ...(environment === undefined ? {} : { environment }),
  };
}

/** The record with this id if it is of this kind. */
export function find<K extends Kind>(
  log: LogReader,
  id: string,
  kind: K,
):
  | { readonly ref: Ref; readonly index: number; readonly uid: number; readonly predicate: Predicate<K> }
  | undefined {
  const found = log.lookup(id);
  if (found === undefined) return undefined;
  const entry = log.entry(found.index);
  const statement = readStatement(entry);
  if (statement.kind !== kind) return undefined;
  const ref = { id, digest: toHex(recordDigest(entry)) };
  return { ref, ...found, predicate: statement.predicate as Predicate<K> };
}

/** A use of the grant is in memory and not in the log. */
export const BROKEN: Failing = {
  code: 'EVIDENCE_CHAIN_INVALID',
  condition: 'a use of the grant could not be written',
};
export const REVOKED: Failing = { code: 'GRANT_EXPIRED', condition: 'the grant was revoked' };

/** Why a grant is not among those that live: what the log says, and what is remembered of how it ended. */
export function missing(
  { ledger, log }: House,
  id: string,
  now: number,
): { readonly why: Failing; readonly ref?: Ref } {
  const ended = ledger.grants.ended(id);
  const known = ended ?? ledger.grants.get(id) ?? inLog(log, id);
  if (known === undefined)
    return { why: { code: 'EVIDENCE_CHAIN_INVALID', condition: `there is no grant ${id} in this log` } };
  const { ref, notAfter } = known;
  const until = formatTime(notAfter);
  if (notAfter < now)
    return { ref, why: { code: 'GRANT_EXPIRED', condition: `the grant was good until ${until}` } };
  if (ended?.how === 'revoked') return { ref, why: REVOKED };
  if (ended !== undefined)
    return {
      ref,
      why: { code: 'SCOPE_EXCEEDED', condition: `all ${ended.used} uses of the grant were taken` },
    };
  // It ended longer ago than is remembered, or the ledger was told to begin behind it. Both are refused alike.
  const condition = `the grant ${id} is not live any more: its uses were taken, or it was revoked`;
  return { ref, why: { code: 'EVIDENCE_CHAIN_INVALID', condition } };
}

function inLog(log: LogReader, id: string): { readonly ref: Ref; readonly notAfter: number } | undefined {
  const found = find(log, id, 'grant');
  return found && { ref: found.ref, notAfter: Date.parse(found.predicate.notAfter) };
}

/** Looks for the parents in this log. @returns what is missing */
export async function lineageGap(
  log: LogReader,
  parents: readonly { readonly digest: string; readonly log?: string }[],
): Promise<Failing | undefined> {
  const own = new Set(
    parents.filter((p) => p.log === undefined || p.log === log.origin).map((p) => p.digest),
  );
  if (own.size === 0) return undefined;
  const found = await findParents(log, log.size, [...own]);
  if (found.length === own.size) return undefined;
  return {
    code: 'LINEAGE_DISCONTINUITY',
    condition: `${own.size - found.length} of ${own.size} parents are not in this log, or too far back in it`,
  };
}

/** Who asked, for a denial. */
export const askedBy = (
  caller: Caller,
  claimed: DenialPredicate['caller']['claimed'],
): DenialPredicate['caller'] => ({
  observed: caller.observed as ObservedCaller,
  ...(claimed === undefined ? {} : { claimed }),
});
