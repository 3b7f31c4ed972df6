/**
 * `seal-signer`: the TPM itself names the key that signed. Its qualified Name is recomputed from the public areas in
 * the log: the AK in force under a storage primary in the endorsement hierarchy, where quotes show the true reset counters
 * and the key does not outlive TPM2_Clear. TPM 2.0 Library part 1 §26.5.
 */
import { equal, toHex } from '../../core/bytes.ts';
import { akOf } from '../evidence.ts';
import { attempt, blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';
import { akQualifiedName } from '../signed.ts';

export const sealSigner: CheckDefinition = {
  id: 'seal-signer',
  level: 2,
  run: (e) => {
    const parts = together({ attest: e.attest, genesis: e.genesisFacts, ak: akOf(e) });
    if (!parts.ok) return blocked(parts);
    const { attest, genesis, ak } = parts.value;
    const wanted = attempt(() => akQualifiedName(genesis, ak));
    if (!wanted.ok) return fail(`The Name of the attestation key cannot be computed: ${wanted.why}.`);
    return equal(wanted.value, attest.qualifiedSigner)
      ? pass('The TPM says that the key in force signed, a child of its endorsement hierarchy.')
      : fail('The TPM says that another key signed.', toHex(wanted.value), toHex(attest.qualifiedSigner));
  },
};
