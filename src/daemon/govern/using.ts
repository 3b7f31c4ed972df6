/**
 * Using a grant: `begin` takes one use and writes `attempted`, `once` does that and its end in one record. A use is taken
 * before anything waits, so of any number of callers exactly as many succeed as there are uses. How attempts end is in
 * ending.ts.
 */
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { createTimeWriter } from '../../core/time.ts';
import { authorizationText } from '../../evidence/grant.ts';
import type { Authorization, ExecutionPredicate, ObservedCaller } from '../../evidence/schema/execution.ts';
import type { Ref } from '../../evidence/schema/field.ts';
import type { ExecutionRequest } from '../../evidence/schema/governed.ts';
import type { RecordRequest } from '../../evidence/schema/request.ts';
import { outside, stranger } from '../../verify/grant/scope.ts';
import type { Caller } from '../caller.ts';
import type { Recorded, Wait } from '../recorder.ts';
import type { Failing } from './conditions.ts';
import { attribution, BROKEN, type House, lineageGap, missing, REVOKED } from './house.ts';
import type { LiveGrant } from './live.ts';
import { openingOf } from './opening.ts';
import type { Refused } from './refusal.ts';
import { settleUses, takeUses } from './uses.ts';

export interface Using {
  begin(caller: Caller, request: ExecutionRequest, wait: Wait, done: Recorded): void;
  once(caller: Caller, request: RecordRequest, wait: Wait, done: Recorded): void;
}

export function createUsing(house: House): Using {
  const { ledger, log, clock, recorder, settings } = house;
  /** Attempts by uid that are on their way into the log. */
  const beginning = new Map<number, number>();
  const timeText = createTimeWriter();

  /** The first thing that stands between this caller and the grant. */
  function hurdle(
    caller: Caller,
    id: string,
    r: Pick<RecordRequest, 'action' | 'plain'>,
  ): LiveGrant | Failing {
    const failing = house.conditions() ?? attribution(caller.observed as ObservedCaller);
    if (failing !== undefined) return failing;
    const grant = ledger.grants.get(id);
    const now = clock.now();
    if (grant === undefined || grant.notAfter < now) return missing(house, id, now).why;
    if (grant.broken) return BROKEN;
    if (grant.revoked) return REVOKED;
    const other = stranger(grant.predicate.holder, caller.observed);
    if (other !== undefined) return { code: 'IDENTITY_MISMATCH', condition: other };
    if (now < grant.notBefore)
      return {
        code: 'GRANT_NOT_YET_VALID',
        condition: `the grant is good from ${grant.predicate.notBefore}`,
      };
    const why = outside(grant.predicate.scope, r.action as never, (r.plain?.parameters ?? {}) as JsonObject);
    if (why !== undefined) return { code: 'SCOPE_EXCEEDED', condition: why };
    if (grant.used >= grant.predicate.maxUses)
      return {
        code: 'SCOPE_EXCEEDED',
        condition: `all ${grant.predicate.maxUses} uses of the grant were taken`,
      };
    return environment(grant) ?? grant;
  }

  function environment(grant: LiveGrant): Failing | undefined {
    const { pcrs, boot, sealed } = grant.predicate.environment ?? {};
    const mismatch = (condition: string): Failing => ({ code: 'ENVIRONMENT_MISMATCH', condition });
    if (boot !== undefined && boot !== house.run().boot) return mismatch('the grant is bound to another run');
    if (sealed === true && grant.index >= (log.lastSeal()?.size ?? 0))
      return mismatch('the grant is not sealed yet');
    const values = pcrs === undefined ? {} : house.environment().pcrs;
    const wrong = Object.entries(pcrs?.sha256 ?? {}).find(([i, v]) => values[i] !== v);
    return wrong === undefined ? undefined : mismatch(`PCR ${wrong[0]} is not what the grant demands`);
  }

  /** Whether this caller has as many executions under way as it may: each is kept until it ends. */
  function crowded({ uid }: Caller): Failing | undefined {
    const most = settings.open_attempts_per_caller;
    if (ledger.open(uid) + (beginning.get(uid) ?? 0) < most) return undefined;
    return {
      code: 'RATE_LIMITED',
      condition: `this caller has ${most} executions under way that did not end`,
    };
  }

  /** Takes a use and writes the record that says so. */
  function take(caller: Caller, grant: LiveGrant, request: RecordRequest, wait: Wait, done: Recorded): void {
    const now = clock.now();
    const { policy } = grant.predicate;
    const authorization: Authorization = {
      checkedAt: timeText(now),
      grant: grant.ref,
      ...(policy === undefined
        ? {}
        : { policy: { engine: policy.engine, id: policy.id, sha256: policy.sha256 } }),
      use: { n: grant.used + 1, prev: grant.last },
    };
    const built = house.run().write(request, caller.observedJcs, now, authorizationText(authorization));
    const ref = { id: built.id, digest: toHex(built.recordDigest) };
    const taking = takeUses(grant, ref, 1);
    const predicate = {
      phase: request.phase,
      action: request.action,
      authorization,
      caller: {
        observed: caller.observed,
        ...(request.claimed === undefined ? {} : { claimed: request.claimed }),
      },
    } as unknown as ExecutionPredicate;
    const { uid } = caller;
    const opens = request.phase === 'attempted';
    if (opens) beginning.set(uid, (beginning.get(uid) ?? 0) + 1);
    const { id, entry, disclosures } = built;
    const item = { id, entry, uid, ...openingOf(disclosures) };
    recorder.submit(
      item,
      ref.digest,
      wait,
      (e, index) => {
        settleUses(grant, taking, house.fate(e));
        if (e === null) ledger.take(index, uid, ref, 'execution', predicate);
        if (!opens) return;
        const left = (beginning.get(uid) as number) - 1;
        if (left === 0) beginning.delete(uid);
        else beginning.set(uid, left);
      },
      done,
    );
  }

  function use(caller: Caller, id: string, request: RecordRequest, wait: Wait, done: Recorded): void {
    const go = (gap: Failing | undefined): void => {
      const full = request.phase === 'attempted' ? crowded(caller) : undefined;
      const found = gap ?? full ?? hurdle(caller, id, request);
      const what = (ref: Ref | undefined): Refused => {
        const { action, claimed, parents, trace } = request;
        return {
          requested: { what: 'execution', action, ...(ref === undefined ? {} : { grant: ref }) },
          ...(claimed === undefined ? {} : { claimed }),
          ...(parents === undefined ? {} : { parents }),
          ...(trace === undefined ? {} : { trace }),
        };
      };
      if ('code' in found) {
        const { ref } = ledger.grants.get(id) ?? ledger.grants.ended(id) ?? {};
        house.refusals.refuse(caller, what(ref), found, done);
        return;
      }
      take(
        caller,
        found,
        request,
        wait,
        house.refusals.orRefuse(caller, () => what(found.ref), done),
      );
    };
    if (request.parents === undefined || request.parents.length === 0) go(undefined);
    else {
      lineageGap(log, request.parents).then(
        (gap) => {
          try {
            go(gap);
          } catch (e) {
            done(e as Error, '', false);
          }
        },
        (e: Error) => done(e, '', false),
      );
    }
  }

  return {
    // What is spread first and then added to costs more than all else that is done with a request.
    begin(caller, request, wait, done) {
      use(caller, request.grant, { phase: 'attempted', ...request }, wait, done);
    },
    once(caller, request, wait, done) {
      if (request.phase !== 'completed')
        throw new AttestdError('INVALID_REQUEST', '/phase is completed where a grant is used in one step', {
          field: '/phase',
        });
      use(caller, request.grant as string, request, wait, done);
    },
  };
}
