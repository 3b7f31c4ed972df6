/**
 * Signatures of COSE messages (RFC 9053 §2, RFC 9864) by a given key. The curve comes from the key, and an algorithm that
 * does not fit it verifies nothing.
 */
import { equal } from '../core/bytes.ts';
import { verifyEd25519 } from './ed25519.ts';
import { type HashName, keyFacts } from './x509/algorithm.ts';
import { readDer } from './x509/der.ts';
import { verifyEcdsa, verifySignature } from './x509/signature.ts';

interface Form {
  readonly kind: 'ecdsa' | 'pss' | 'ed25519';
  readonly hash: HashName;
  /** Where the algorithm names a curve. */
  readonly curve?: string;
}

const FORMS: ReadonlyMap<number, Form> = new Map([
  [-7, { kind: 'ecdsa', hash: 'SHA-256' }],
  [-35, { kind: 'ecdsa', hash: 'SHA-384' }],
  [-36, { kind: 'ecdsa', hash: 'SHA-512' }],
  [-9, { kind: 'ecdsa', hash: 'SHA-256', curve: 'P-256' }],
  [-51, { kind: 'ecdsa', hash: 'SHA-384', curve: 'P-384' }],
  [-52, { kind: 'ecdsa', hash: 'SHA-512', curve: 'P-521' }],
  [-37, { kind: 'pss', hash: 'SHA-256' }],
  [-38, { kind: 'pss', hash: 'SHA-384' }],
  [-39, { kind: 'pss', hash: 'SHA-512' }],
  [-8, { kind: 'ed25519', hash: 'SHA-512' }],
  [-19, { kind: 'ed25519', hash: 'SHA-512' }],
]);
const SALT: Readonly<Record<HashName, number>> = { 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 };
/** SubjectPublicKeyInfo of Ed25519 up to the key (RFC 8410 §4). */
const ED25519 = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

/** Whether an algorithm of COSE is one that is verified here. */
export const isKnownCose = (algorithm: number): boolean => FORMS.has(algorithm);

/**
 * Whether the signature is by this key. Never throws.
 * @param spki DER SubjectPublicKeyInfo
 * @param signature r ‖ s for ECDSA
 */
export async function coseSigned(
  algorithm: number,
  spki: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const form = FORMS.get(algorithm);
  if (form === undefined) return false;
  try {
    if (form.kind === 'ed25519') {
      const isOne = spki.length === 44 && equal(spki.subarray(0, ED25519.length), ED25519);
      return isOne && (await verifyEd25519(spki.subarray(ED25519.length), signature, message));
    }
    const deviations: string[] = [];
    const facts = keyFacts(readDer(spki, deviations));
    if (deviations.length > 0) return false;
    if (form.kind === 'pss') {
      const algorithm = { kind: 'rsapss', hash: form.hash, saltLength: SALT[form.hash] } as const;
      return await verifySignature({ spki, facts }, algorithm, message, signature);
    }
    if (facts.kind !== 'ec' || (form.curve !== undefined && form.curve !== facts.curve)) return false;
    return await verifyEcdsa(spki, facts.curve, form.hash, message, signature);
  } catch {
    return false;
  }
}
