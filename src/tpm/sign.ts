/**
 * Signatures of the record key over our own messages. The digest is always made here, so nobody can have the key sign
 * a digest of their choice, and a message can never be mistaken for something that the TPM itself made.
 */
import { createHash } from 'node:crypto';
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { ecdsaP1363, parseSignature } from '../evidence/tpm/signature.ts';
import { approvalsFor, inApprovedState } from './approved.ts';
import { bytes, type Key } from './key.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions } from './work.ts';

/** TPM_GENERATED_VALUE: what only a TPM may sign. */
const GENERATED = Uint8Array.of(0xff, 0x54, 0x43, 0x47);

export interface TpmSigned {
  /** TPMT_SIGNATURE. */
  readonly signature: Uint8Array;
  /** r ‖ s, 64 bytes (IEEE P1363). */
  readonly p1363: Uint8Array;
}

/**
 * ECDSA-P256-SHA256 over a message that this daemon made.
 * @throws INTERNAL when the message starts like a TPM structure, RECORD_KEY_UNAPPROVED
 */
export async function signMessage(
  tpm: Tpm,
  key: Key,
  message: Uint8Array,
  o?: RunOptions,
): Promise<TpmSigned> {
  if (equal(message.subarray(0, 4), GENERATED)) {
    throw new AttestdError('INTERNAL', 'a message that starts like a TPMS_ATTEST is never signed');
  }
  const { bound } = key;
  const approvals = bound === undefined ? undefined : await approvalsFor(bound);
  const digest = createHash('sha256').update(message).digest();
  const signature = await tpm.run(
    async (w) => {
      const signing = { key: await w.key(key), digest };
      if (bound !== undefined && approvals !== undefined)
        return inApprovedState(w, bound, approvals, (by) => w.ctx.sign(signing, by));
      return w.ctx.sign(signing, await w.authorised());
    },
    { urgency: 'sign', ...o },
  );
  return { signature: bytes(signature), p1363: ecdsaP1363(parseSignature(signature), 32) };
}
