/**
 * `record-key`: the AK certified the record key under the tag for that role and this origin, so what the record key
 * signs is the host's own; where the trust file accepts certain policies only, the key is bound to one of them. TPM 2.0 Library part 2 §10.12.3 (TPMS_CERTIFY_INFO).
 */
import { toHex } from '../../core/bytes.ts';
import { KEY_ROLES, keyExtraData } from '../../evidence/binding.ts';
import { attestors } from '../evidence.ts';
import { certificationFault, recordKeyAt } from '../keys.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';
import { isBound, recordKeyFault } from './akkey.ts';

export const recordKey: CheckDefinition = {
  id: 'record-key',
  level: 2,
  run: async (e, trust) => {
    const parts = together({ attestor: attestors(e), keys: e.keys, checkpoint: e.checkpoint });
    if (!parts.ok) return blocked(parts);
    const { attestor, keys, checkpoint } = parts.value;
    const { key, certified, index } = recordKeyAt(keys, checkpoint.size);
    const fault = recordKeyFault(key.public);
    if (fault !== undefined) return fail(`The record key is not what it should be: ${fault}.`);
    const extraData = keyExtraData(KEY_ROLES.record, checkpoint.origin);
    const claim = { certified, extraData, key };
    const why = await certificationFault(e.verify, attestor(index), keys.genesis, claim);
    if (why !== undefined) return fail(`The certification of the record key does not hold: ${why}.`);
    const certifiedIt = 'The attestation key certified the record key for this log';
    const accepted = trust.recordKeyPolicies;
    if (!isBound(key.public)) {
      if (accepted !== undefined)
        return fail(
          'The trust file asks for a policy of the record key, and its auth value is enough to use it.',
        );
      return pass(`${certifiedIt}.`);
    }
    const policy = toHex(key.public.authPolicy);
    if (accepted !== undefined && !accepted.includes(policy))
      return fail(
        'The record key is bound to a policy that the trust file does not accept.',
        accepted.join(' '),
        policy,
      );
    // A policy is a hash: whether it asks for approved states, or for anything at all, only its maker can say.
    const what =
      accepted === undefined ? '; what that is does not stand here' : ', which the trust file accepts';
    return pass(`${certifiedIt}. Its TPM lets it sign only as the policy ${policy} allows${what}.`);
  },
};
