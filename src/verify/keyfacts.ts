/** Reads keys and signed structures as predicates carry them. Decides nothing. */
import { fromBase64 } from '../core/bytes.ts';
import { parseAttest } from '../evidence/tpm/attest.ts';
import { parsePublic, publicName, publicSpki } from '../evidence/tpm/public.ts';
import { parseSignature } from '../evidence/tpm/signature.ts';
import type { KeyFacts, SignedAttest } from './evidence.ts';

/** What the AK signed, with its signature. @throws MALFORMED */
export const signedAttest = (bytes: Uint8Array, signature: Uint8Array): SignedAttest => ({
  bytes,
  attest: parseAttest(bytes),
  signature: parseSignature(signature),
});

/** The same out of a predicate. @throws MALFORMED */
export const signedOf = (v: { readonly attest: string; readonly signature: string }): SignedAttest =>
  signedAttest(fromBase64(v.attest), fromBase64(v.signature));

/** A key by its TPMT_PUBLIC. @throws MALFORMED */
export function keyOf(v: { readonly public: string }): KeyFacts {
  const bytes = fromBase64(v.public);
  const parsed = parsePublic(bytes);
  return { public: parsed, spki: publicSpki(parsed), name: publicName(bytes) };
}
