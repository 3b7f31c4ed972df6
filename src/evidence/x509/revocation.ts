/**
 * Which revocation list speaks for an issuer, and what it says of a certificate at a time (RFC 5280 §6.3). Lists are
 * given, never fetched. The newest one that the issuer signed counts, whoever brought it: an older one may be older
 * than the revocation.
 */
import { equal, toHex } from '../../core/bytes.ts';
import type { Certificate } from './certificate.ts';
import type { Crl, Revocation } from './crl.ts';
import type { SignatureVerifier } from './signature.ts';

/** CRLReason keyCompromise and cACompromise, aACompromise: from then on nothing signed by the key can be told apart. */
const COMPROMISE: readonly number[] = [1, 2, 10];

/** Whether `issuer` signed this list and may sign lists. Partial and delta lists never count. */
export async function signedCrl(crl: Crl, issuer: Certificate, verify: SignatureVerifier): Promise<boolean> {
  if (!equal(crl.issuer, issuer.subject) || crl.unknownCritical.length > 0) return false;
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.includes('cRLSign')) return false;
  return verify({ spki: issuer.spki, facts: issuer.key }, crl.algorithm, crl.tbs, crl.signature);
}

/** The newest list that this issuer signed. */
export async function newestCrl(
  issuer: Certificate,
  lists: readonly Crl[],
  verify: SignatureVerifier,
): Promise<Crl | undefined> {
  let best: Crl | undefined;
  for (const crl of lists) {
    if (best !== undefined && crl.thisUpdate <= best.thisUpdate) continue;
    if (await signedCrl(crl, issuer, verify)) best = crl;
  }
  return best;
}

/** The entry of a certificate in a list. */
export const revocationOf = (crl: Crl, subject: Certificate): Revocation | undefined =>
  crl.revoked.get(toHex(subject.serial));

/** From when on the certificate no longer counts: its revocation, or the earlier date since which it may be bad. */
export const badSince = (r: Revocation): number => Math.min(r.at, r.invalid ?? r.at);

/** Whether the key itself may be in other hands, so that only proof of time helps, never the word of its holder. */
export const isCompromise = (r: Revocation): boolean =>
  r.reason !== undefined && COMPROMISE.includes(r.reason);
