/**
 * What signs certificates: a WebCrypto provider and a private key of it. The root key in a file uses Node's own; a
 * provider whose keys live in a TPM (a @peculiar/webcrypto subclass) fits in the same place, because pkijs asks only
 * for `subtle.sign` and the algorithm of the key.
 */
import { webcrypto } from 'node:crypto';
import * as pkijs from 'pkijs';
import { AttestdError } from '../core/errors.ts';

/** Curves of a root key. */
export type RootCurve = 'P-256' | 'P-384';
/** The hash that goes with each curve. */
export const CURVE_HASH = { 'P-256': 'SHA-256', 'P-384': 'SHA-384' } as const;

/** A key that signs certificates and CRLs. */
export interface Signer {
  readonly engine: pkijs.CryptoEngine;
  readonly privateKey: webcrypto.CryptoKey;
  readonly curve: RootCurve;
  /** DER SubjectPublicKeyInfo of the key. */
  readonly spki: Uint8Array;
}

/** A provider of WebCrypto: Node's, or one over TPM keys. */
export interface SubtleProvider {
  readonly subtle: webcrypto.SubtleCrypto;
}

/**
 * A signer over any WebCrypto provider.
 * @param spki DER SubjectPublicKeyInfo of the key
 * @throws INTERNAL when the key is not ECDSA on a curve that is served
 */
export function makeSigner(
  provider: SubtleProvider,
  privateKey: webcrypto.CryptoKey,
  spki: Uint8Array,
): Signer {
  const { namedCurve } = privateKey.algorithm as unknown as { namedCurve?: string };
  if (namedCurve !== 'P-256' && namedCurve !== 'P-384') {
    throw new AttestdError('INTERNAL', 'a root key is ECDSA on P-256 or P-384');
  }
  const crypto = provider as unknown as ConstructorParameters<typeof pkijs.CryptoEngine>[0]['crypto'];
  return { engine: new pkijs.CryptoEngine({ name: 'attestd', crypto }), privateKey, curve: namedCurve, spki };
}

/** A signer of a PKCS#8 key in memory. */
export async function importSigner(pkcs8: Uint8Array, spki: Uint8Array, curve: RootCurve): Promise<Signer> {
  const key = await webcrypto.subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve: curve }, false, [
    'sign',
  ]);
  return makeSigner(webcrypto as SubtleProvider, key, spki);
}
