/**
 * `grant-policy`: the policy set that decided is one that the log brought into force before, and every record names it
 * alike. `policy-signature`: its signer signed exactly that set. `approvals`: whoever approved is not who asked, and
 * approved this.
 */

import type { Static } from 'typebox';
import { fromBase64, fromUtf8, toHex } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { jcs, parseJson } from '../../core/json.ts';
import { POLICY_PAYLOAD_TYPE } from '../../core/namespace.ts';
import { parseTime } from '../../core/time.ts';
import { pae } from '../../evidence/dsse.ts';
import type {
  Approval,
  Asked,
  DenialPredicate,
  GrantPredicate,
  PolicychangePredicate,
} from '../../evidence/schema/governance.ts';
import { ecdsaRaw, verifyEcdsa } from '../../evidence/x509/signature.ts';
import type { Evidence } from '../evidence.ts';
import { type Governance, resolve, resolvePolicy, type Stated } from '../grant/chain.ts';
import { blocked, type CheckDefinition, fail, type Part, pass, unknown } from '../outcome.ts';
import { governed } from './grant.ts';

/** Who decided by a policy, with the policy change that it names. */
type Decision = {
  readonly role: string;
  readonly policy: NonNullable<GrantPredicate['policy']>;
  readonly change: Part<Stated<PolicychangePredicate>>;
};

function decisionsOf(e: Evidence, { grants, denial }: Governance): Part<readonly Decision[]> {
  if (!grants.ok) return grants;
  const given = [...grants.value, ...(denial === undefined ? [] : [denial])];
  const value = given.flatMap(({ entry, predicate }) =>
    predicate.policy === undefined
      ? []
      : [{ role: entry.role, policy: predicate.policy, change: resolvePolicy(e, predicate.policy) }],
  );
  return { ok: true, value };
}

const nameOf = (p: { id: string; sha256: string; engine: string }): string => jcs([p.id, p.sha256, p.engine]);

export const grantPolicy: CheckDefinition = {
  id: 'grant-policy',
  level: 1,
  run: (e) =>
    governed(e, (g) => {
      const decisions = decisionsOf(e, g);
      if (!decisions.ok) return blocked(decisions);
      for (const { role, policy, change } of decisions.value) {
        if (!change.ok) return blocked(change);
        if (nameOf(policy) !== nameOf(change.value.predicate.policy))
          return fail(`The policy of ${role} is not the one that the log brought into force.`);
      }
      const [grant] = g.grants.ok ? g.grants.value : [];
      const glass = grant?.predicate.breakGlass;
      if (glass !== undefined)
        return unknown(`An operator broke the glass: no policy allowed this. Reason given: ${glass.reason}`);
      if (g.denial !== undefined && g.denial.predicate.policy === undefined)
        return pass('No policy was asked for this refusal.');
      if (grant !== undefined && grant.predicate.policy === undefined)
        return fail('The grant names no policy.');
      const said = g.execution?.authorization.policy;
      if (g.execution !== undefined) {
        if (said === undefined || grant?.predicate.policy === undefined)
          return fail('The record names no policy.');
        if (nameOf(said) !== nameOf(grant.predicate.policy))
          return fail('The record names another policy than the grant that it used.');
      }
      return pass('The policy that decided is one that the log brought into force.');
    }),
};

export const policySignature: CheckDefinition = {
  id: 'policy-signature',
  level: 1,
  run: (e, trust) =>
    governed(e, async (g) => {
      const decisions = decisionsOf(e, g);
      if (!decisions.ok) return blocked(decisions);
      for (const { change } of decisions.value) {
        if (!change.ok) return blocked(change);
        const { policy, manifest, signature, key } = change.value.predicate;
        if (trust.policyKeys?.includes(key) === false)
          return fail('The trust file does not name the key that signed the policy.');
        const bytes = fromBase64(manifest);
        if (toHex(sha256(bytes)) !== policy.sha256)
          return fail('The digest of a policy is not that of its manifest.');
        if (manifestId(bytes) !== policy.id)
          return fail('A policy has another name than its signer gave it.');
        const raw = ecdsaRaw(fromBase64(signature), 32);
        const signed =
          raw !== undefined &&
          (await verifyEcdsa(fromBase64(key), 'P-256', 'SHA-256', pae(POLICY_PAYLOAD_TYPE, bytes), raw));
        if (!signed) return fail('The signature of a policy does not verify under the key that is named.');
      }
      const signers = new Set(
        decisions.value.flatMap(({ change }) => (change.ok ? [change.value.predicate.key] : [])),
      );
      const keys = [...signers].map((k) => toHex(sha256(fromBase64(k))).slice(0, 16));
      return pass(
        keys.length === 0
          ? 'No policy is named.'
          : `The policy is signed by the operator's key ${keys.join(', ')}.`,
      );
    }),
};

function manifestId(bytes: Uint8Array): unknown {
  try {
    const json = parseJson(fromUtf8(bytes));
    return json !== null && typeof json === 'object' && !Array.isArray(json) ? json.id : undefined;
  } catch {
    return undefined;
  }
}

/** What was asked, in one spelling: an approval of one thing is none of another. */
export function askText(a: Asked): string {
  const { scope, holder, maxUses, seconds, delegable, environment } = a;
  return jcs([scope, holder, maxUses, seconds, delegable ?? null, environment ?? null]);
}

export const approvals: CheckDefinition = {
  id: 'approvals',
  level: 1,
  run: (e) =>
    governed(e, ({ grants }) => {
      if (!grants.ok) return blocked(grants);
      let count = 0;
      for (const { predicate: grant } of grants.value) {
        const people = new Set<number>();
        for (const { uid, ...ref } of grant.approvals ?? []) {
          const approval = resolve<Static<typeof Approval>>(e, ref, 'approval', 'an approval');
          if (!approval.ok) return blocked(approval);
          const { caller, request, notAfter } = approval.value.predicate;
          const denial = resolve<DenialPredicate>(e, request, 'denial', 'the request that was approved');
          if (!denial.ok) return blocked(denial);
          if (caller.observed.uid !== uid) return fail('An approval is by another than the grant says.');
          const asker = grant.caller.observed.uid;
          if (uid === asker || uid === denial.value.predicate.caller.observed.uid || uid === grant.holder.uid)
            return fail('Who asked for the grant, or holds it, approved it.', 'somebody else', `uid ${uid}`);
          if (people.has(uid)) return fail('One person approved twice.');
          people.add(uid);
          const { ask } = denial.value.predicate.requested;
          if (ask === undefined || askText(ask) !== askText(grant))
            return fail('What was approved is not what was granted.');
          if (parseTime(grant.time) > parseTime(notAfter)) return fail('An approval had expired.', notAfter);
          count++;
        }
      }
      return pass(count === 0 ? 'Nobody had to approve.' : `${count} approvals, each by somebody else.`);
    }),
};
