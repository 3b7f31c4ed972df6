/**
 * A key that signs messages of ours, and holds every signature against its own public half before anybody sees it: a
 * TPM can fail, and a signature that does not verify would be found out by an auditor only.
 */
import { createPublicKey, verify as verifySignature } from 'node:crypto';
import { AttestdError } from '../core/errors.ts';
import type { Key } from './key.ts';
import { signMessage } from './sign.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions } from './work.ts';

export interface MessageSigner {
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** ECDSA-P256-SHA256 over a message of ours as r ‖ s. @throws what the TPM throws, TPM_ERROR */
  sign(message: Uint8Array, o?: RunOptions): Promise<Uint8Array>;
}

export function createSigner(tpm: Tpm, key: Key): MessageSigner {
  // Parsed once: for each signature it would take as long as to verify one.
  const own = {
    key: createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' }),
    dsaEncoding: 'ieee-p1363',
  } as const;
  return {
    spki: key.spki,
    async sign(message, o) {
      const { p1363 } = await signMessage(tpm, key, message, o);
      if (verifySignature('sha256', message, own, p1363)) return p1363;
      throw new AttestdError('TPM_ERROR', 'the TPM gave a signature that does not verify');
    },
  };
}
