/** What several checks ask of a structure that the AK signed: by whom, and under which Name. */

import { ALG_SHA256 } from '../evidence/tpm/algorithm.ts';
import { RH_ENDORSEMENT } from '../evidence/tpm/names.ts';
import { qualifiedName } from '../evidence/tpm/public.ts';
import { ecdsaP1363, type TpmSignature } from '../evidence/tpm/signature.ts';
import type { Certificate } from '../evidence/x509/certificate.ts';
import { ecdsaDer, type SignatureVerifier } from '../evidence/x509/signature.ts';
import type { GenesisFacts, KeyFacts } from './evidence.ts';

/** Qualified Name of a storage primary of the endorsement hierarchy. @throws MALFORMED */
export const storageQualifiedName = (g: GenesisFacts): Uint8Array =>
  qualifiedName(RH_ENDORSEMENT, g.storage.name);
/** Qualified Name of an AK, as the TPM writes it into what that key signs. @throws MALFORMED */
export const akQualifiedName = (g: GenesisFacts, ak: KeyFacts): Uint8Array =>
  qualifiedName(storageQualifiedName(g), ak.name);

/** The part of a certificate that says which key it certifies. */
export type SigningKey = Pick<Certificate, 'key' | 'spki'>;

/** An attestation key as signatures are held against it. */
export interface Attestor extends SigningKey {
  readonly qualifiedName: Uint8Array;
}

/** An attestation key by what the log says of it. @throws MALFORMED */
export const attestor = (g: GenesisFacts, ak: KeyFacts): Attestor => ({
  spki: ak.spki,
  key: { kind: 'ec', curve: 'P-256' },
  qualifiedName: akQualifiedName(g, ak),
});

/**
 * Whether the key of `leaf` signed these bytes; undefined when it did, else why not. The AK is ECDSA P-256 with
 * SHA-256 (design: Keys), so nothing else is tried whatever the signature calls itself.
 */
export async function attestSigned(
  verify: SignatureVerifier,
  leaf: SigningKey,
  bytes: Uint8Array,
  signature: TpmSignature,
): Promise<string | undefined> {
  if (leaf.key.kind !== 'ec' || leaf.key.curve !== 'P-256') return 'the certified key is not ECDSA P-256';
  if (signature.alg !== 'ecdsa') return 'the signature is not ECDSA';
  if (signature.hash !== ALG_SHA256) return 'the signature is not over SHA-256';
  let der: Uint8Array;
  try {
    der = ecdsaDer(ecdsaP1363(signature, 32));
  } catch {
    return 'the signature is too long';
  }
  const key = { spki: leaf.spki, facts: leaf.key };
  const good = await verify(key, { kind: 'ecdsa', hash: 'SHA-256' }, bytes, der);
  return good ? undefined : 'the signature does not verify';
}
