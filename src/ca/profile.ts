/**
 * The certificate profiles of the authority. AK: TCG "TPM 2.0 Keys for Device Identity and Attestation" §8 and
 * Credential Profile for AIK: empty subject, so a critical SAN, which names the TPM in the vendor's own bytes, its EK
 * by digest, and the host. Root: says in a policy when its TPMs are software.
 */
import { concat, toHex, utf8 } from '../core/bytes.ts';
import {
  ASSIGNER_EK_SPKI_SHA256,
  EKU_AK,
  type EnrolmentFacts,
  EXTENSION_ENROLMENT,
  encodeEnrolmentFacts,
  hostUri,
  PERMANENT_IDENTIFIER,
  POLICY_SOFTWARE_TPM,
  POLICY_TPM_FIXED,
  POLICY_TPM_RESIDENCY,
  POLICY_TPM_RESTRICTED,
  TPM_ATTRIBUTES,
} from '../evidence/akprofile.ts';
import type { Certificate } from '../evidence/x509/certificate.ts';
import { type Der, oidText, readDer } from '../evidence/x509/der.ts';
import { OID } from '../evidence/x509/extension.ts';
import { type ExtensionValue, keyIdentifier } from './certificate.ts';
import { oid, sequence, tlv, utf8String } from './der.ts';

const ANY_POLICY = '2.5.29.32.0';
const extension = (id: string, critical: boolean, value: Uint8Array): ExtensionValue => ({
  oid: id,
  critical,
  value,
});
const policies = (ids: readonly string[]) => sequence(...ids.map((id) => sequence(oid(id))));
const octets = (b: Uint8Array) => tlv(0x04, b);
/** The issuer's own words for its key, where it has them: a certificate above was not made here. */
export const authorityKey = (issuer: Pick<Certificate, 'spki' | 'subjectKeyId'>) =>
  extension(
    OID.authorityKeyId,
    false,
    sequence(tlv(0x80, issuer.subjectKeyId ?? keyIdentifier(issuer.spki))),
  );

/** Who issues: the authority's certificate, and where its CRL can be fetched. */
export interface Issuer {
  readonly certificate: Certificate;
  readonly crlUrl?: string;
}

/**
 * Extensions of an authority: of a root, and what a subordinate asks for. One for software TPMs allows any policy
 * below it, besides saying what it is.
 */
export function authorityExtensions(spki: Uint8Array, kind: 'hardware' | 'software'): ExtensionValue[] {
  const basic = sequence(tlv(0x01, Uint8Array.of(0xff)), tlv(0x02, Uint8Array.of(0)));
  return [
    extension(OID.basicConstraints, true, basic),
    extension(OID.keyUsage, true, tlv(0x03, Uint8Array.of(1, 0x06))), // keyCertSign, cRLSign
    extension(OID.subjectKeyId, false, octets(keyIdentifier(spki))),
    ...(kind === 'software'
      ? [extension(OID.policies, false, policies([POLICY_SOFTWARE_TPM, ANY_POLICY]))]
      : []),
  ];
}

/** What an AK certificate is made from. */
export interface AkSubject {
  readonly spki: Uint8Array;
  readonly fleet: string;
  readonly host: string;
  /** SHA-256 over the EK's DER SubjectPublicKeyInfo. */
  readonly ekDigest: Uint8Array;
  /** Absent where only the operator vouches for the EK: then nothing about residency is claimed. */
  readonly ekCertificate?: Certificate;
  readonly software: boolean;
  readonly enrolment: EnrolmentFacts;
}

/** Extensions of an AK certificate. */
export function akExtensions(ak: AkSubject, issuer: Issuer): ExtensionValue[] {
  const claimed = [
    ...(ak.ekCertificate === undefined
      ? []
      : [POLICY_TPM_RESIDENCY, POLICY_TPM_FIXED, POLICY_TPM_RESTRICTED]),
    ...(ak.software ? [POLICY_SOFTWARE_TPM] : []),
  ];
  return [
    extension(OID.alternativeName, true, akNames(ak)),
    extension(OID.basicConstraints, true, sequence()),
    extension(OID.keyUsage, true, tlv(0x03, Uint8Array.of(7, 0x80))), // digitalSignature
    extension(OID.extendedKeyUsage, false, sequence(oid(EKU_AK))),
    ...(claimed.length > 0 ? [extension(OID.policies, false, policies(claimed))] : []),
    authorityKey(issuer.certificate),
    extension(OID.subjectKeyId, false, octets(keyIdentifier(ak.spki))),
    ...(issuer.crlUrl === undefined ? [] : [distribution(issuer.crlUrl)]),
    extension(EXTENSION_ENROLMENT, false, encodeEnrolmentFacts(ak.enrolment)),
  ];
}

/** One distribution point by its URL (RFC 5280 §4.2.1.13). */
const distribution = (url: string): ExtensionValue =>
  extension(OID.crlDistribution, false, sequence(sequence(tlv(0xa0, tlv(0xa0, tlv(0x86, utf8(url)))))));

/** Extensions of a certificate for the authority's HTTPS server. @param names DNS names or IPv4/IPv6 addresses */
export function serverExtensions(
  spki: Uint8Array,
  names: readonly ServerName[],
  issuer: Issuer,
): ExtensionValue[] {
  const san = names.map((n) => (n.kind === 'dns' ? tlv(0x82, utf8(n.name)) : tlv(0x87, n.address)));
  return [
    extension(OID.alternativeName, true, sequence(...san)),
    extension(OID.basicConstraints, true, sequence()),
    extension(OID.keyUsage, true, tlv(0x03, Uint8Array.of(7, 0x80))), // digitalSignature
    extension(OID.extendedKeyUsage, false, sequence(oid(EKU_SERVER))),
    authorityKey(issuer.certificate),
    extension(OID.subjectKeyId, false, octets(keyIdentifier(spki))),
  ];
}

/** What a server is called. */
export type ServerName =
  | { readonly kind: 'dns'; readonly name: string }
  | { readonly kind: 'ip'; readonly address: Uint8Array };
const EKU_SERVER = '1.3.6.1.5.5.7.3.1';

/** Extensions of a CRL (RFC 5280 §5.2.1, §5.2.3). */
export function crlExtensions(number: bigint, issuer: Certificate): ExtensionValue[] {
  const digits = number.toString(16);
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  const body = Uint8Array.from(even.match(/../g) ?? [], (h) => Number.parseInt(h, 16));
  const value = (body[0] as number) >= 0x80 ? concat(Uint8Array.of(0), body) : body;
  return [authorityKey(issuer), extension(OID.crlNumber, false, tlv(0x02, value))];
}

/** GeneralNames: TPM attributes, permanentIdentifier, URI of the host. */
function akNames(ak: AkSubject): Uint8Array {
  const tpm = ak.ekCertificate === undefined ? [] : tpmAttributes(ak.ekCertificate);
  const identifier = sequence(utf8String(toHex(ak.ekDigest)), oid(ASSIGNER_EK_SPKI_SHA256));
  return sequence(
    ...(tpm.length > 0 ? [tlv(0xa4, sequence(...tpm.map((pair) => tlv(0x31, pair))))] : []),
    tlv(0xa0, oid(PERMANENT_IDENTIFIER), tlv(0xa0, identifier)),
    tlv(0x86, utf8(hostUri(ak.fleet, ak.host))),
  );
}

/** AttributeTypeAndValue of manufacturer, model and version, as the vendor encoded them. */
function tpmAttributes(ek: Certificate): Uint8Array[] {
  const san = ek.extensions.find((e) => e.oid === OID.alternativeName);
  if (san === undefined) return [];
  const pairs: Der[] = readDer(san.value, [])
    .children.filter((n) => n.tag === 0xa4)
    .flatMap((n) => n.children[0]?.children ?? [])
    .flatMap((rdn) => rdn.children);
  return TPM_ATTRIBUTES.flatMap((wanted) => {
    const pair = pairs.find((p) => oidText(p.children[0], 'name attribute') === wanted);
    return pair === undefined ? [] : [pair.bytes];
  });
}
