/**
 * Asking for a grant (design §7): host conditions, who asks, lineage, approvals, what it is taken out of, then the
 * policy for every row of the scope. A grant and a denial alike are durable before the answer leaves.
 */
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { createTimeWriter, parseTime } from '../../core/time.ts';
import { withhold } from '../../evidence/disclosure.ts';
import { createGrantWriter, type GrantWriter } from '../../evidence/grant.ts';
import type { Body } from '../../evidence/record.ts';
import type { ObservedCaller } from '../../evidence/schema/execution.ts';
import type { GrantPredicate } from '../../evidence/schema/governance.ts';
import type { GrantRequest } from '../../evidence/schema/governed.ts';
import { type Delegable, stranger, widens } from '../../verify/grant/scope.ts';
import type { Caller } from '../caller.ts';
import type { Recorded, Wait } from '../recorder.ts';
import { type Approved, createApprovals } from './approvals.ts';
import type { Failing } from './conditions.ts';
import {
  type Ask,
  askedBy,
  askOf,
  attribution,
  BROKEN,
  type House,
  lineageGap,
  missing,
  REVOKED,
} from './house.ts';
import type { LiveGrant } from './live.ts';
import { openingOf } from './opening.ts';
import type { Refused } from './refusal.ts';
import { createRuling, type Policy } from './ruling.ts';
import { settleUses, takeUses } from './uses.ts';

interface Denied {
  readonly why: Failing;
  readonly policy?: Policy;
}
interface Permitted {
  readonly parent: LiveGrant | undefined;
  readonly more: { readonly policy: Policy; readonly approvals?: Approved };
}

/** A request on its way, with what is known of it. */
interface Asking {
  readonly caller: Caller;
  readonly request: GrantRequest;
  readonly refused: Refused;
  readonly ask: Ask;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly disclosures: readonly string[];
}

/** Answers requests for grants. */
export function createAsking(house: House) {
  const { ledger, log, clock, settings } = house;
  const { grants } = ledger;
  const approving = createApprovals(house);
  const ruling = createRuling(house);
  const notBeforeText = createTimeWriter();
  const notAfterText = createTimeWriter();
  /** Writes the grants of the run that there was last. */
  let written: { readonly boot: string; readonly write: GrantWriter } | undefined;
  /** Grants on their way into the log, by the uid that asked. */
  const coming = new Map<number, number>();

  function writer(): GrantWriter {
    const { boot } = house.run();
    if (written?.boot !== boot)
      written = { boot, write: createGrantWriter({ log: house.origin, boot, random: house.random }) };
    return written.write;
  }

  function begin(caller: Caller, request: GrantRequest): Asking {
    const { seconds, parents, trace, claimed } = request;
    if (seconds > settings.max_window_s)
      throw new AttestdError('INVALID_REQUEST', `/seconds is over ${settings.max_window_s}`, {
        field: '/seconds',
      });
    const ask = askOf(request, caller.observed as ObservedCaller);
    const withheld = withhold(request.parameters, request.plain?.parameters, house.random);
    const notBefore = request.notBefore === undefined ? clock.now() : parseTime(request.notBefore);
    const refused: Refused = {
      requested: {
        what: request.delegatedFrom === undefined ? 'grant' : 'delegation',
        ask,
        ...(withheld === undefined ? {} : { parameters: withheld.members as never }),
      },
      ...(claimed === undefined ? {} : { claimed }),
      ...(parents === undefined ? {} : { parents }),
      ...(trace === undefined ? {} : { trace }),
      disclosures: withheld?.disclosures ?? [],
    };
    const notAfter = notBefore + seconds * 1000;
    return { caller, request, refused, ask, notBefore, notAfter, disclosures: withheld?.disclosures ?? [] };
  }

  /** The grant that this one is taken out of, or why it cannot be. */
  function above({ caller, request, ask, notBefore, notAfter }: Asking): LiveGrant | undefined | Failing {
    if (request.delegatedFrom === undefined) return undefined;
    const now = clock.now();
    const parent = grants.get(request.delegatedFrom);
    if (parent === undefined || parent.notAfter < now) return missing(house, request.delegatedFrom, now).why;
    if (parent.broken) return BROKEN;
    if (parent.revoked) return REVOKED;
    const other = stranger(parent.predicate.holder, caller.observed);
    if (other !== undefined) return { code: 'IDENTITY_MISMATCH', condition: other };
    const child: Delegable = { ...ask, notBefore, notAfter };
    const wide = widens(child, {
      ...parent.predicate,
      notBefore: parent.notBefore,
      notAfter: parent.notAfter,
    });
    if (wide !== undefined)
      return {
        code: 'SCOPE_EXCEEDED',
        condition: `a delegated grant is narrower than the one above it: ${wide}`,
      };
    if (parent.used + ask.maxUses > parent.predicate.maxUses)
      return {
        code: 'SCOPE_EXCEEDED',
        condition: `${parent.predicate.maxUses - parent.used} uses are left of the grant above`,
      };
    return parent;
  }

  /** Whether this caller has as many grants as it may: each is kept until it is used up, revoked or expired. */
  function crowded({ uid }: Caller): Failing | undefined {
    const most = settings.live_grants_per_caller;
    if (grants.weight(uid) + (coming.get(uid) ?? 0) < most) return undefined;
    return {
      code: 'RATE_LIMITED',
      condition: `this caller has ${most} grants that are not used up, revoked or expired`,
    };
  }

  function write(
    a: Asking,
    more: Pick<GrantPredicate, 'policy' | 'approvals' | 'delegation' | 'breakGlass'>,
    wait: Wait,
    done: Recorded,
    parent?: LiveGrant,
  ): void {
    const { caller, request, ask, notBefore, notAfter } = a;
    const { parameters } = a.refused.requested;
    const body = {
      caller: askedBy(caller, request.claimed),
      ...ask,
      notBefore: notBeforeText(notBefore),
      notAfter: notAfterText(notAfter),
      ...more,
      ...(parameters === undefined ? {} : { parameters }),
      ...(request.parents === undefined ? {} : { parents: request.parents }),
      ...(request.trace === undefined ? {} : { trace: request.trace }),
    } as Body<'grant'>;
    const at = clock.now();
    const built = writer()(body, caller.observedJcs, at);
    const ref = { id: built.id, digest: toHex(built.recordDigest) };
    const taking = parent && takeUses(parent, ref, ask.maxUses);
    const item = {
      entry: built.entry,
      id: built.id,
      // Whoever may use it may read it.
      uid: ask.holder.uid,
      ...openingOf(a.disclosures),
    };
    coming.set(caller.uid, (coming.get(caller.uid) ?? 0) + 1);
    const approvals = more.approvals ?? [];
    approving.take(approvals);
    house.recorder.submit(
      item,
      ref.digest,
      wait,
      (e, index) => {
        const bytes = built.entry.length;
        if (e === null) ledger.takeGrant({ index, uid: item.uid, ref, bytes, at, predicate: body });
        if (parent !== undefined && taking !== undefined) settleUses(parent, taking, house.fate(e));
        approving.settle(approvals);
        const left = (coming.get(caller.uid) as number) - 1;
        if (left === 0) coming.delete(caller.uid);
        else coming.set(caller.uid, left);
      },
      house.refusals.orRefuse(
        caller,
        () => ({ ...a.refused, ...(more.policy === undefined ? {} : { policy: more.policy }) }),
        done,
      ),
    );
  }

  /** What is written in answer: a refusal, or a grant taken out of another, or one that the policy gives. */
  function decide(a: Asking, wait: Wait, done: Recorded): void {
    const found = examine(a);
    if ('why' in found) {
      const refused = found.policy === undefined ? a.refused : { ...a.refused, policy: found.policy };
      house.refusals.refuse(a.caller, refused, found.why, done);
      return;
    }
    const { parent, more } = found;
    if (parent === undefined) {
      write(a, more, wait, done);
      return;
    }
    const use = { n: parent.used + 1, prev: parent.last, count: a.ask.maxUses };
    write(a, { ...more, delegation: { grant: parent.ref, use } }, wait, done, parent);
  }

  function examine(a: Asking): Denied | Permitted {
    const failing =
      crowded(a.caller) ?? house.conditions() ?? attribution(a.caller.observed as ObservedCaller);
    if (failing !== undefined) return { why: failing };
    const approvals = approving.of(a.request.approvals ?? [], a.ask, a.caller.uid);
    if ('code' in approvals) return { why: approvals };
    const parent = above(a);
    if (parent !== undefined && 'code' in parent) return { why: parent };
    const { policy, why } = ruling(a.caller, a.request, a.ask, approvals);
    if (why !== undefined) return { why, ...(policy === undefined ? {} : { policy }) };
    return { parent, more: { policy, ...(approvals.length === 0 ? {} : { approvals }) } };
  }

  return (caller: Caller, request: GrantRequest, wait: Wait, done: Recorded): void => {
    const a = begin(caller, request);
    const { breakGlass, parents } = request;
    if (breakGlass !== undefined) {
      if (!caller.admin || !settings.break_glass)
        throw new AttestdError(
          'FORBIDDEN',
          'the glass is broken on the admin socket, where that is configured',
        );
      write(a, { breakGlass }, wait, done);
      return;
    }
    if (parents === undefined || parents.length === 0) {
      decide(a, wait, done);
      return;
    }
    lineageGap(log, parents).then(
      (gap) =>
        gap === undefined ? decide(a, wait, done) : house.refusals.refuse(caller, a.refused, gap, done),
      (e: Error) => done(e, '', false),
    );
  };
}
