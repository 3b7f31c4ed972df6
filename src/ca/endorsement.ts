/**
 * Is this the EK of a real TPM? Its certificate is built to the vendor roots that the operator trusts, and must be for
 * exactly this key and this purpose (TCG EK Credential Profile §3; RFC 5280 §6). Encoding faults of vendors are
 * forgiven here and only here: the chain's signatures cover the raw bytes either way.
 */
import { equal, toHex } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { EKU_EK, TPM_ATTRIBUTES } from '../evidence/akprofile.ts';
import type { EnrolRequest } from '../evidence/enrolment.ts';
import { publicSpki, type TpmPublic } from '../evidence/tpm/public.ts';
import { type Certificate, isCritical } from '../evidence/x509/certificate.ts';
import type { Crl } from '../evidence/x509/crl.ts';
import { readDer } from '../evidence/x509/der.ts';
import { parseEndorsement } from '../evidence/x509/endorsement.ts';
import { OID } from '../evidence/x509/extension.ts';
import { buildPath } from '../evidence/x509/path.ts';
import { badSince, newestCrl, revocationOf } from '../evidence/x509/revocation.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import { type Condition, conditionOf, refusal } from './condition.ts';
import { readEk } from './template.ts';

/** What the authority trusts about endorsement keys. */
export interface EkTrust {
  /** Vendor roots and intermediates; the self-issued ones are roots. */
  readonly certificates: readonly Certificate[];
  /** Revocation lists of their issuers, where the operator keeps some. */
  readonly crls?: readonly Crl[];
  /** Hex of `ekDigest` for keys without a certificate that the operator vouches for. */
  readonly allowed: readonly string[];
  /** Whether software TPMs may be enrolled: only under a root that says so. */
  readonly software: boolean;
}

/** A checked EK. */
export interface EkFacts {
  readonly public: TpmPublic;
  /** SHA-256 over the DER SubjectPublicKeyInfo: the one name of the EK, whatever template it was shown under. */
  readonly digest: Uint8Array;
  /** Present where a vendor vouches for it; absent where only the operator does. */
  readonly certificate?: Certificate;
}

/** SHA-256 over the EK's DER SubjectPublicKeyInfo. */
export const ekDigest = (ek: TpmPublic): Uint8Array => sha256(publicSpki(ek));

/**
 * Checks the EK of a request.
 * @param at milliseconds since 1970 at which the chain must be valid
 * @throws ENROL_REFUSED
 */
export async function examineEk(ek: EnrolRequest['ek'], trust: EkTrust, at: number): Promise<EkFacts> {
  const key = readEk(ek.public);
  const digest = ekDigest(key);
  const hex = toHex(digest);
  const facts = { public: key, digest };
  if (ek.certificate === undefined) {
    if (trust.allowed.includes(hex)) return facts;
    throw refusal(
      'ek-certificate-missing',
      `the TPM has no EK certificate, and ${hex} is not allowed by name`,
    );
  }
  let certificate: Certificate;
  try {
    certificate = await examineCertificate(key, ek.certificate, ek.chain, trust, at);
  } catch (e) {
    // A certificate that no root here vouches for counts as none: then the operator's word may stand in for it.
    if (trust.allowed.includes(hex) && UNVOUCHED.includes(conditionOf(e))) return facts;
    throw e;
  }
  if (!trust.software && isSoftware(certificate)) {
    throw refusal('software-tpm', 'a software TPM is enrolled only under a software root');
  }
  return { ...facts, certificate };
}

const UNVOUCHED: readonly (Condition | undefined)[] = [
  'ek-certificate-malformed',
  'ek-certificate-purpose',
  'ek-certificate-usage',
  'ek-chain',
];

async function examineCertificate(
  key: TpmPublic,
  bytes: Uint8Array,
  chain: readonly Uint8Array[],
  trust: EkTrust,
  at: number,
): Promise<Certificate> {
  const certificate = read(bytes);
  if (!equal(certificate.spki, publicSpki(key)) && !sameKey(certificate, key)) {
    throw refusal('ek-certificate-key', 'the EK certificate is for another key');
  }
  if (certificate.basicConstraints?.ca === true) {
    throw refusal('ek-certificate-ca', 'the EK certificate is a CA');
  }
  holdPurpose(certificate);
  const given = [...trust.certificates, ...chain.flatMap(readLoose)];
  const path = await buildPath({
    leaf: certificate,
    // A root counts only from the operator's set; whatever the host sends is an intermediate at most.
    roots: trust.certificates.filter(selfIssued),
    intermediates: given.filter((c) => !selfIssued(c)),
    at,
    purpose: EKU_EK,
    verify: verifySignature,
  });
  if (!path.found) throw refusal('ek-chain', path.reasons.join('; '));
  await holdRevocation(path.path, trust.crls ?? [], at);
  return certificate;
}

/**
 * An EK decrypts and an AK signs; vendors tell them apart by key usage first, for there are AK certificates with the
 * purpose of an EK, and EK certificates with no purpose at all (both from one cloud). A certificate without a purpose
 * is for any (RFC 5280 §4.2.1.12), so it must say, as critical, that its key is for nothing but encipherment.
 */
function holdPurpose(c: Certificate): void {
  const usage = c.keyUsage ?? [];
  const enciphers = usage.includes('keyEncipherment') || usage.includes('keyAgreement');
  if (!enciphers || usage.includes('keyCertSign') || usage.includes('cRLSign')) {
    throw refusal(
      'ek-certificate-usage',
      'the key usage of the EK certificate is not that of a decryption key',
    );
  }
  if (c.extendedKeyUsage?.includes(EKU_EK) === true) return;
  const bare = !usage.includes('digitalSignature') && isCritical(c, OID.keyUsage);
  if (c.extendedKeyUsage !== undefined || !bare) {
    throw refusal('ek-certificate-purpose', `the extended key usage is not ${EKU_EK} (EK certificate)`);
  }
}

/** No certificate of the path is revoked by a list that the operator keeps. A missing list is no refusal. */
async function holdRevocation(path: readonly Certificate[], crls: readonly Crl[], at: number): Promise<void> {
  for (const [i, issuer] of path.slice(1).entries()) {
    const list = await newestCrl(issuer, crls, verifySignature);
    const entry = list === undefined ? undefined : revocationOf(list, path[i] as Certificate);
    if (entry !== undefined && badSince(entry) <= at) {
      const when = new Date(entry.at).toISOString();
      throw refusal('ek-revoked', `a certificate of the EK's chain was revoked on ${when}`);
    }
  }
}

const selfIssued = (c: Certificate): boolean => equal(c.subject, c.issuer);

function read(bytes: Uint8Array): Certificate {
  try {
    return parseEndorsement(bytes);
  } catch (cause) {
    throw refusal('ek-certificate-malformed', (cause as Error).message, cause);
  }
}

/** A hint from the host: what cannot be read is no hint. */
function readLoose(bytes: Uint8Array): Certificate[] {
  try {
    return [parseEndorsement(bytes)];
  } catch {
    return [];
  }
}

/** Some vendors write id-RSAES-OAEP or odd parameters into the algorithm; the key bits decide. */
function sameKey(certificate: Certificate, key: TpmPublic): boolean {
  const own = publicSpki(key);
  const bits = (spki: Uint8Array) => lastChild(spki);
  return key.type === 'rsa' && certificate.key.kind !== 'ec' && equal(bits(certificate.spki), bits(own));
}

function lastChild(spki: Uint8Array): Uint8Array {
  const children = readDer(spki, []).children;
  return children[children.length - 1]?.bytes ?? new Uint8Array();
}

/** Vendor string of swtpm; unauthenticated, so it only guards against a mistake. */
export const SWTPM_VENDOR = 'SW   TPM';

/** swtpm says so in its EK certificate: manufacturer id:00001014 or model swtpm. */
function isSoftware(c: Certificate): boolean {
  const value = (oid: string | undefined) => c.alternativeNames?.directory.find((a) => a.oid === oid)?.value;
  const [manufacturer, model] = TPM_ATTRIBUTES;
  return value(model) === 'swtpm' || value(manufacturer) === 'id:00001014';
}
