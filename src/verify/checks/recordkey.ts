/**
 * `record-key`: the AK certified the record key under the tag for that role and this origin, so what the record key
 * signs is the host's own. TPM 2.0 Library part 2 §10.12.3 (TPMS_CERTIFY_INFO).
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
  run: async (e) => {
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
    return isBound(key.public)
      ? pass(
          `${certifiedIt}. Its TPM lets it sign only in states approved under the policy ${toHex(key.public.authPolicy)}.`,
        )
      : pass(`${certifiedIt}.`);
  },
};
