/** Certifications by the AK: that a key lives in the same TPM, and under what it was made (TPM 2.0 Part 3 §18). */
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { ATTEST_CERTIFY, ATTEST_CREATION } from '../evidence/tpm/attest.ts';
import { bytes, type Key, type KeyCreation } from './key.ts';
import { checkAttest } from './quote.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions } from './work.ts';

export interface Certified {
  /** TPMS_ATTEST. */
  readonly attest: Uint8Array;
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
}

/**
 * TPM2_Certify of `key` by `ak`.
 * @param extraData `keyExtraData(role, origin)` of evidence/binding.ts
 */
export function certifyKey(
  tpm: Tpm,
  ak: Key,
  key: Key,
  extraData: Uint8Array,
  o?: RunOptions,
): Promise<Certified> {
  return tpm.run(async (w) => {
    const input = { object: await w.key(key), key: await w.key(ak), qualifyingData: extraData };
    const { attest, signature } = await w.ctx.certify(input, await w.authorisedTwice());
    const { attested } = checkAttest(attest, ak, ATTEST_CERTIFY, extraData);
    if (attested.kind !== 'certify' || !equal(attested.name, key.name)) {
      throw new AttestdError('TPM_ERROR', 'the TPM certified another key');
    }
    return { attest: bytes(attest), signature: bytes(signature) };
  }, o);
}

/**
 * TPM2_CertifyCreation of the AK by itself: its parent and hierarchy are what the creation data says.
 * @param extraData `creationExtraData(hostNonce)` of evidence/binding.ts
 */
export function certifyCreation(
  tpm: Tpm,
  ak: Key,
  creation: KeyCreation,
  extraData: Uint8Array,
  o?: RunOptions,
): Promise<Certified> {
  return tpm.run(async (w) => {
    const object = await w.key(ak);
    const { attest, signature } = await w.ctx.certifyCreation(
      {
        key: object,
        object,
        qualifyingData: extraData,
        creationHash: creation.hash,
        creationTicket: creation.ticket,
      },
      await w.authorised(),
    );
    checkAttest(attest, ak, ATTEST_CREATION, extraData);
    return { attest: bytes(attest), signature: bytes(signature) };
  }, o);
}
