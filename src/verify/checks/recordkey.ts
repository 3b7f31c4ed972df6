/**
 * `record-key`: the AK certified the record key under the tag for that role and this origin, so what the record key
 * signs is the host's own. TPM 2.0 Library part 2 §10.12.3 (TPMS_CERTIFY_INFO).
 */
import { equal } from '../../core/bytes.ts';
import { KEY_ROLES, keyExtraData } from '../../evidence/binding.ts';
import { ATTEST_CERTIFY, ATTEST_MAGIC } from '../../evidence/tpm/attest.ts';
import { qualifiedName } from '../../evidence/tpm/public.ts';
import { leafOf } from '../evidence.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';
import { akQualifiedName, attestSigned, storageQualifiedName } from '../signed.ts';
import { recordKeyFault } from './akkey.ts';

export const recordKey: CheckDefinition = {
  id: 'record-key',
  level: 2,
  run: async (e) => {
    const parts = together({ leaf: leafOf(e), genesis: e.genesisFacts, checkpoint: e.checkpoint });
    if (!parts.ok) return blocked(parts);
    const { leaf, genesis, checkpoint } = parts.value;
    const { bytes, attest, signature } = genesis.recordKeyCertified;
    if (attest.magic !== ATTEST_MAGIC)
      return fail('The certification of the record key was not made by a TPM.');
    if (attest.type !== ATTEST_CERTIFY || attest.attested.kind !== 'certify') {
      return fail('What stands as certification of the record key is another structure.');
    }
    if (!equal(attest.qualifiedSigner, akQualifiedName(genesis))) {
      return fail('Another key than the attestation key certified the record key.');
    }
    if (!equal(attest.extraData, keyExtraData(KEY_ROLES.record, checkpoint.origin))) {
      return fail('The record key was certified for another role or log.');
    }
    const { name } = genesis.recordKey;
    if (!equal(attest.attested.name, name))
      return fail('Another key was certified than the record key in genesis.');
    if (!equal(attest.attested.qualifiedName, qualifiedName(storageQualifiedName(genesis), name))) {
      return fail('The record key has another parent than genesis says.');
    }
    const fault = recordKeyFault(genesis.recordKey.public);
    if (fault !== undefined) return fail(`The record key is not what it should be: ${fault}.`);
    const why = await attestSigned(e.verify, leaf, bytes, signature);
    return why === undefined
      ? pass('The attestation key certified the record key for this log.')
      : fail(`The certification of the record key does not hold: ${why}.`);
  },
};
