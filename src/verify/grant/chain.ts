/**
 * The governance of a record as a bundle shows it: the attempt that used a grant, and the grants from that one up to
 * the one that policy gave. What is missing says so; what is given under a wrong name is a fault.
 */
import { toHex } from '../../core/bytes.ts';
import type { Authorization, ExecutionPredicate } from '../../evidence/schema/execution.ts';
import type { Ref } from '../../evidence/schema/field.ts';
import type {
  DenialPredicate,
  GrantPredicate,
  PolicychangePredicate,
} from '../../evidence/schema/governance.ts';
import type { Kind } from '../../evidence/statement.ts';
import { type EntryFacts, type Evidence, entriesOf } from '../evidence.ts';
import { absent, broken, got, type Part } from '../outcome.ts';

/** An entry with the predicate that it was found to hold. */
export interface Stated<P> {
  readonly entry: EntryFacts;
  readonly predicate: P;
}
export type GrantEntry = Stated<GrantPredicate>;

/** What there is to judge. */
export interface Governance {
  /** The record, when it is an execution, and what it says of the grant that it used. */
  readonly execution?: Stated<ExecutionPredicate> & { readonly authorization: Authorization };
  /** The entry that took the use: the record itself, or the attempt that it completes. */
  readonly attempt?: Part<Stated<ExecutionPredicate>>;
  /** The grant that was used, or that the record is, and those above it. */
  readonly grants: Part<readonly GrantEntry[]>;
  /** The denial that the record is. */
  readonly denial?: Stated<DenialPredicate>;
}

/** Longest chain of delegations that is followed. */
const MAX_CHAIN = 16;

/** An entry of this kind in the bundle. A reference that names an entry by a wrong id is a fault. */
export function resolve<P>(e: Evidence, ref: Ref, kind: Kind, role: string): Part<Stated<P>> {
  const entry = entriesOf(e).find((x) => toHex(x.digest) === ref.digest);
  if (entry === undefined) return absent(`${role} is not given`);
  if (!entry.statement.ok) return entry.statement;
  const { kind: found, predicate } = entry.statement.value;
  if (found !== kind) return broken(`what is named as ${role} is of kind ${found}`);
  if (predicate.id !== ref.id) return broken(`${role} has another id than the record says`);
  return got({ entry, predicate: predicate as unknown as P });
}

/** The policy change that a grant or denial names. */
export const resolvePolicy = (
  e: Evidence,
  policy: { readonly change: Ref },
): Part<Stated<PolicychangePredicate>> =>
  resolve<PolicychangePredicate>(e, policy.change, 'policychange', 'the policy in force');

/** Why there is nothing to judge; or what there is. */
export function governanceOf(e: Evidence): Part<Governance | string> {
  if (!e.record.ok) return e.record;
  const { statement } = e.record.value;
  if (!statement.ok) return statement;
  const { kind, predicate } = statement.value;
  const entry = e.record.value;
  if (kind === 'denial') {
    return got({
      grants: got([]),
      denial: { entry, predicate: predicate as unknown as DenialPredicate },
    });
  }
  if (kind === 'grant') {
    return got({ grants: chainFrom(e, { entry, predicate: predicate as unknown as GrantPredicate }) });
  }
  if (kind !== 'execution') return got(`A record of kind ${kind} needs no grant.`);
  const execution = predicate as unknown as ExecutionPredicate;
  const { authorization } = execution;
  if (authorization === 'ungoverned')
    return got('The record is ungoverned, and says so: nobody was asked for leave.');
  const own: Stated<ExecutionPredicate> = { entry, predicate: execution };
  const used = resolve<GrantPredicate>(e, authorization.grant, 'grant', 'the grant that was used');
  return got({
    execution: { ...own, authorization },
    attempt: attemptOf(e, own),
    grants: used.ok ? chainFrom(e, used.value) : used,
  });
}

/** Digest of the attempt that an execution completes. */
export const completes = (p: ExecutionPredicate): string | undefined =>
  p.parents?.find((x) => x.rel === 'completes' && x.log === undefined)?.digest;

function attemptOf(e: Evidence, own: Stated<ExecutionPredicate>): Part<Stated<ExecutionPredicate>> {
  const digest = completes(own.predicate);
  if (digest === undefined) return got(own);
  const entry = e.related.find((x) => toHex(x.digest) === digest);
  if (entry === undefined) return absent('the attempt that the record completes is not given');
  if (!entry.statement.ok) return entry.statement;
  const { kind, predicate } = entry.statement.value;
  if (kind !== 'execution') return broken(`what the record completes is of kind ${kind}`);
  return got({ entry, predicate: predicate as unknown as ExecutionPredicate });
}

function chainFrom(e: Evidence, leaf: GrantEntry): Part<readonly GrantEntry[]> {
  const chain = [leaf];
  for (let at = leaf; at.predicate.delegation !== undefined; ) {
    const above = resolve<GrantPredicate>(e, at.predicate.delegation.grant, 'grant', 'the grant above');
    if (!above.ok) return above;
    if (chain.length === MAX_CHAIN) return broken(`more than ${MAX_CHAIN} grants stand above each other`);
    at = above.value;
    chain.push(at);
  }
  return got(chain);
}
