/** What the policy in force says to a request for a grant: to every row of its scope. */
import type { ObservedCaller } from '../../evidence/schema/execution.ts';
import type { GrantPredicate } from '../../evidence/schema/governance.ts';
import type { GrantRequest } from '../../evidence/schema/governed.ts';
import type { Caller } from '../caller.ts';
import type { Approved } from './approvals.ts';
import type { Failing } from './conditions.ts';
import { type Ask, type House, isForAnother } from './house.ts';

export type Policy = NonNullable<GrantPredicate['policy']>;

/** Permitted where no reason is given against it. */
export type Ruling =
  | { readonly policy: Policy; readonly why?: undefined }
  | { readonly policy?: Policy; readonly why: Failing };

/** Most policies that are named as those that decided. */
const MAX_DETERMINING = 32;

export function createRuling(
  house: House,
): (caller: Caller, request: GrantRequest, ask: Ask, approvals: Approved) => Ruling {
  const { clock, log } = house;
  let last: Policy | undefined;

  function sealAge(): number {
    const seal = log.lastSeal();
    return seal === undefined ? -1 : Math.max(0, Math.floor((clock.now() - seal.timeMs) / 1000));
  }

  /** One object for as long as the same policies decide: it is written by the thousand, and kept by every live grant. */
  function shared(policy: Policy): Policy {
    const { determining, change } = policy;
    const same =
      last !== undefined &&
      last.change === change &&
      last.determining.length === determining.length &&
      last.determining.every((id, i) => id === determining[i]);
    if (!same) last = policy;
    return last as Policy;
  }

  return (caller, request, ask, approvals) => {
    const inForce = house.policy();
    if (inForce === undefined)
      return { why: { code: 'POLICY_DENY', condition: 'no policy is in force on this host' } };
    const { set, change } = inForce;
    const observed = caller.observed as ObservedCaller;
    const determining = new Set<string>();
    let why: Failing | undefined;
    for (const row of ask.scope) {
      const verdict = set.decider.decide({
        action: request.delegatedFrom === undefined ? 'execute' : 'delegate',
        observed,
        claimed: request.claimed ?? {},
        row,
        parameters: { ...request.parameters, ...request.plain?.parameters },
        ask,
        forAnother: isForAnother(ask.holder, observed),
        approvers: approvals.map((x) => x.uid),
        environment: house.environment(),
        log: { continuous: true, sealAge: sealAge() },
        lineage: { parents: request.parents?.length ?? 0, delegated: request.delegatedFrom !== undefined },
        now: clock.now(),
      });
      for (const id of verdict.determining) determining.add(id);
      if (!verdict.permitted) {
        why = { code: 'POLICY_DENY', condition: verdict.why };
        break;
      }
    }
    const policy = shared({
      id: set.id,
      sha256: set.sha256,
      engine: set.decider.engine,
      change,
      determining: [...determining].slice(0, MAX_DETERMINING),
    });
    return why === undefined ? { policy } : { policy, why };
  };
}
