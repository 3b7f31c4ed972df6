/**
 * X.509 certificates as facts (RFC 5280 §4): what is in them, no judgement whether it is good. What lies outside the
 * signed part is held to the one spelling it can have: the outer algorithm equals the inner, the signature has no
 * unused bits. `deviations` lists what is readable but not DER; the verifier refuses such a certificate, the reader
 * of endorsement certificates may forgive some of it.
 */
import { equal } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type KeyFacts, keyFacts, type SignatureAlgorithm, signatureAlgorithm } from './algorithm.ts';
import { type NameConstraints, readNameConstraints } from './constraints.ts';
import { expect, outerLength, readDer, TAG, timeValue, wholeBits } from './der.ts';
import * as extension from './extension.ts';
import { type AlternativeNames, alternativeNames, type NameAttribute, nameAttributes } from './name.ts';

/** Largest certificate that is read, in bytes. */
export const MAX_CERTIFICATE = 16_384;

export interface Certificate {
  /** The bytes as given. */
  readonly der: Uint8Array;
  /** The signed part. */
  readonly tbs: Uint8Array;
  readonly version: number;
  /** Content octets of the serial number. */
  readonly serial: Uint8Array;
  /** Raw DER of the names. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly subjectAttributes: readonly NameAttribute[];
  /** Milliseconds since 1970, both inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DER SubjectPublicKeyInfo and what kind of key it holds. */
  readonly spki: Uint8Array;
  readonly key: KeyFacts;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  readonly extensions: readonly extension.Extension[];
  readonly keyUsage?: readonly extension.KeyUsage[];
  readonly extendedKeyUsage?: readonly string[];
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength: number | undefined };
  readonly alternativeNames?: AlternativeNames;
  readonly policies?: readonly string[];
  readonly nameConstraints?: NameConstraints;
  readonly crlUris?: readonly string[];
  readonly subjectKeyId?: Uint8Array;
  readonly authorityKeyId?: Uint8Array;
  /** OIDs of critical extensions that nothing here understands: a path through them must fail. */
  readonly unknownCritical: readonly string[];
  readonly deviations: readonly string[];
}

const UNDERSTOOD: readonly string[] = [
  extension.OID.keyUsage,
  extension.OID.alternativeName,
  extension.OID.basicConstraints,
  extension.OID.policies,
  extension.OID.nameConstraints,
  extension.OID.extendedKeyUsage,
  extension.OID.crlDistribution,
  extension.OID.subjectKeyId,
  extension.OID.authorityKeyId,
];

/** Cuts what follows the outer SEQUENCE: TPM NV indices are padded (ST33 with 0xFF to 1,600 bytes). @throws MALFORMED */
export function trimCertificate(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, outerLength(bytes));
}

/** Reads one certificate that fills `bytes`. @throws MALFORMED, TOO_LARGE */
export function parseCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > MAX_CERTIFICATE) throw new AttestdError('TOO_LARGE', 'a certificate over 16 KiB');
  const deviations: string[] = [];
  const der = bytes.slice();
  const outer = expect(readDer(der, deviations), TAG.sequence, 'certificate');
  const tbs = expect(outer.children[0], TAG.sequence, 'tbsCertificate');
  if (outer.children.length !== 3) throw new AttestdError('MALFORMED', 'DER: a certificate has three parts');

  const parts = [...tbs.children];
  let version = 1;
  if (parts[0]?.tag === 0xa0) version = 1 + (parts.shift()?.children[0]?.content[0] ?? 0);
  const [serial, inner, issuer, validity, subject, spki, ...rest] = parts;
  const algorithm = expect(inner, TAG.sequence, 'signature');
  const outerAlgorithm = expect(outer.children[1], TAG.sequence, 'signatureAlgorithm');
  if (!equal(algorithm.bytes, outerAlgorithm.bytes)) {
    throw new AttestdError('MALFORMED', 'DER: the outer signature algorithm is not the signed one');
  }
  const times = expect(validity, TAG.sequence, 'validity').children;
  const key = expect(spki, TAG.sequence, 'subjectPublicKeyInfo');
  if (version !== 1 && version !== 3 && rest.length > 0) throw new AttestdError('MALFORMED', 'DER: version');
  const list = rest.find((n) => n.tag === 0xa3)?.children[0];
  if (rest.some((n) => n.tag !== 0xa3 && (n.tag & 0xdf) !== 0x81 && (n.tag & 0xdf) !== 0x82)) {
    throw new AttestdError('MALFORMED', 'DER: an unknown part of a certificate');
  }
  const extensions = extension.readExtensions(list, deviations);
  return {
    der,
    tbs: tbs.bytes,
    version,
    serial: expect(serial, TAG.integer, 'serialNumber').content,
    issuer: expect(issuer, TAG.sequence, 'issuer').bytes,
    subject: expect(subject, TAG.sequence, 'subject').bytes,
    subjectAttributes: nameAttributes(expect(subject, TAG.sequence, 'subject')),
    notBefore: timeValue(times[0], 'notBefore'),
    notAfter: timeValue(times[1], 'notAfter'),
    spki: key.bytes,
    key: keyFacts(key),
    algorithm: signatureAlgorithm(algorithm),
    signature: wholeBits(outer.children[2], 'signatureValue'),
    extensions,
    ...decode(extensions, deviations),
    unknownCritical: extensions.filter((e) => e.critical && !UNDERSTOOD.includes(e.oid)).map((e) => e.oid),
    deviations,
  };
}

/** The extensions that are understood, decoded. */
function decode(extensions: readonly extension.Extension[], deviations: string[]) {
  const get = <T>(oid: string, read: (value: Uint8Array, deviations: string[]) => T): T | undefined => {
    const e = extensions.find((x) => x.oid === oid);
    return e === undefined ? undefined : read(e.value, deviations);
  };
  const found = {
    keyUsage: get(extension.OID.keyUsage, extension.readKeyUsage),
    extendedKeyUsage: get(extension.OID.extendedKeyUsage, extension.readOids),
    basicConstraints: get(extension.OID.basicConstraints, extension.readBasicConstraints),
    alternativeNames: get(extension.OID.alternativeName, (v, d) => alternativeNames(readDer(v, d))),
    policies: get(extension.OID.policies, extension.readPolicies),
    nameConstraints: get(extension.OID.nameConstraints, readNameConstraints),
    crlUris: get(extension.OID.crlDistribution, extension.readCrlUris),
    subjectKeyId: get(extension.OID.subjectKeyId, (v, d) => readDer(v, d).content),
    authorityKeyId: get(extension.OID.authorityKeyId, extension.readAuthorityKeyId),
  };
  return Object.fromEntries(Object.entries(found).filter(([, v]) => v !== undefined)) as Partial<
    Pick<
      Certificate,
      | 'keyUsage'
      | 'extendedKeyUsage'
      | 'basicConstraints'
      | 'alternativeNames'
      | 'policies'
      | 'nameConstraints'
      | 'crlUris'
      | 'subjectKeyId'
      | 'authorityKeyId'
    >
  >;
}

/** Whether the certificate has this extension, and marked critical. */
export function isCritical(certificate: Certificate, oid: string): boolean {
  return certificate.extensions.some((e) => e.oid === oid && e.critical);
}
