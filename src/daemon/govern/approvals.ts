/** Approvals that a request for a grant brings: each by somebody else, for exactly this request, and good for one grant. */
import { parseTime } from '../../core/time.ts';
import type { Asked, GrantPredicate } from '../../evidence/schema/governance.ts';
import { askText } from '../../verify/checks/policy.ts';
import type { Failing } from './conditions.ts';
import { find, type House } from './house.ts';

export type Approved = NonNullable<GrantPredicate['approvals']>;

export interface Approvals {
  /** Approvals that speak for exactly this, or why one does not. */
  of(ids: readonly string[], ask: Asked, asker: number): Approved | Failing;
  /** They are used for a grant that is on its way into the log. */
  take(approved: Approved): void;
  /** It is in the log, and says so itself, or never will be. */
  settle(approved: Approved): void;
}

const invalid = (condition: string): Failing => ({ code: 'EVIDENCE_CHAIN_INVALID', condition });

export function createApprovals({ ledger, log, clock }: Pick<House, 'ledger' | 'log' | 'clock'>): Approvals {
  const spending = new Set<string>();

  /** Whom an approval is by and the digest of its record, or why it does not speak for this. */
  function check(id: string, ask: Asked, asker: number): Approved[number] | Failing {
    const approval = find(log, id, 'approval');
    if (approval === undefined) return invalid(`there is no approval ${id} in this log`);
    const { ref, predicate } = approval;
    const { uid } = predicate.caller.observed;
    const denial = find(log, predicate.request.id, 'denial');
    const said = denial?.predicate.requested.ask;
    if (denial === undefined || said === undefined || denial.ref.digest !== predicate.request.digest)
      return invalid(`approval ${id} names no denial of a grant`);
    const persons = [asker, ask.holder.uid, denial.predicate.caller.observed.uid];
    if (persons.includes(uid))
      return {
        code: 'IDENTITY_MISMATCH',
        condition: 'who asks for a grant, or holds it, cannot approve it',
      };
    if (askText(said) !== askText(ask)) return invalid(`approval ${id} is for another request`);
    if (ledger.grants.spent(ref.digest) || spending.has(ref.digest))
      return invalid(`approval ${id} was used for a grant before`);
    if (parseTime(predicate.notAfter) < clock.now())
      return { code: 'GRANT_EXPIRED', condition: `approval ${id} has expired` };
    return { ...ref, uid };
  }

  return {
    of(ids, ask, asker) {
      const out: Approved = [];
      for (const id of ids) {
        const approved = check(id, ask, asker);
        if ('code' in approved) return approved;
        if (out.some((a) => a.uid === approved.uid)) return invalid('one person approved twice');
        out.push(approved);
      }
      return out;
    },
    take(approved) {
      for (const { digest } of approved) spending.add(digest);
    },
    settle(approved) {
      for (const { digest } of approved) spending.delete(digest);
    },
  };
}
