/**
 * Policy digests as a TPM computes them (TPM 2.0 Library part 3 §23), in SHA-256: the state of registers, and a policy
 * that takes whatever its owner signs.
 */
import { concat, u32 } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { ALG_SHA256 } from './algorithm.ts';
import { type PcrSelection, type PcrValues, pcrDigest, printPcrSelections } from './pcr.ts';

const CC_POLICY_AUTHORIZE = 0x16a;
const CC_POLICY_AUTH_VALUE = 0x16b;
const CC_POLICY_PCR = 0x17f;
const START = new Uint8Array(32);

/** TPM2_PolicyPCR alone: registers of the SHA-256 bank have these values (§23.7). @throws MALFORMED */
export function policyPcr(selection: PcrSelection, values: PcrValues): Uint8Array {
  const list = printPcrSelections([selection]);
  return sha256(concat(START, u32(CC_POLICY_PCR), list, pcrDigest([selection], values, ALG_SHA256)));
}

/**
 * TPM2_PolicyAuthorize, then TPM2_PolicyAuthValue (§23.16, §23.17): any policy that the key signed for this purpose, and
 * besides the auth value of the object, so that an approval, which is no secret, is never enough by itself.
 * @param keyName Name of the key that signs approvals
 */
export function policyApproved(keyName: Uint8Array, policyRef: Uint8Array): Uint8Array {
  const named = sha256(concat(START, u32(CC_POLICY_AUTHORIZE), keyName));
  return sha256(concat(sha256(concat(named, policyRef)), u32(CC_POLICY_AUTH_VALUE)));
}
