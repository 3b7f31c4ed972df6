/**
 * CMS SignedData with one signer, as timestamp tokens are (RFC 5652 §5; RFC 3161 §2.4.2; RFC 5816): what is in it, no
 * judgement. Read by the strict reader of the evidence floor and not by a CMS library, because those accept BER, look
 * for the signer's certificate by position, and leave attributes, ESSCertID and purposes to their callers. Everything
 * that the signature does not cover has one spelling or is refused: there are no unsigned attributes and no CRLs.
 */
import { equal } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type HashName, type SignatureAlgorithm, signatureAlgorithm } from '../x509/algorithm.ts';
import { type Der, expect, oidText, readDer, smallInteger, TAG } from '../x509/der.ts';
import { type DigestName, digestAlgorithm } from './digest.ts';

/** Largest token, bytes. */
export const MAX_TOKEN = 32_768;
const MAX_CERTIFICATES = 8;

const SIGNED_DATA = '1.2.840.113549.1.7.2';
const RSA = '1.2.840.113549.1.1.1';
const ATTRIBUTE = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const;

/** ESSCertID or ESSCertIDv2: which certificate the signer says is its own. */
export interface SigningCertificate {
  readonly hash: DigestName;
  readonly digest: Uint8Array;
  /** Raw DER of the issuer's name and content of the serial, where given. */
  readonly issuerSerial?: { readonly issuer: Uint8Array; readonly serial: Uint8Array };
}

export interface SignedData {
  /** OID of the content, and the content. */
  readonly contentType: string;
  readonly content: Uint8Array;
  /** DER of the certificates, in the order in which they stand. */
  readonly certificates: readonly Uint8Array[];
  /** How the signer is named: by issuer and serial, or by key identifier. */
  readonly signer:
    | { readonly issuer: Uint8Array; readonly serial: Uint8Array }
    | { readonly keyId: Uint8Array };
  readonly digest: HashName;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  /** The signed attributes as they are signed: DER of the SET. */
  readonly signed: Uint8Array;
  readonly attributes: {
    readonly contentType: string | undefined;
    readonly messageDigest: Uint8Array | undefined;
    /** The first of each version that is given. */
    readonly signingCertificates: readonly SigningCertificate[];
  };
}

const malformed = (why: string) => new AttestdError('MALFORMED', `timestamp token: ${why}`);

/** Reads a ContentInfo that fills `bytes`. @throws MALFORMED, TOO_LARGE */
export function parseSignedData(bytes: Uint8Array): SignedData {
  if (bytes.length > MAX_TOKEN) throw new AttestdError('TOO_LARGE', 'a timestamp token over 32 KiB');
  const deviations: string[] = [];
  const info = expect(readDer(bytes.slice(), deviations), TAG.sequence, 'ContentInfo').children;
  if (info.length !== 2 || oidText(info[0], 'ContentInfo') !== SIGNED_DATA) throw malformed('not SignedData');
  const data = expect(only(info[1], 0xa0, 'ContentInfo'), TAG.sequence, 'SignedData').children;
  // Signers do sort their sets in other orders than DER; everything else has one encoding.
  const odd = deviations.find((d) => d !== 'a SET is not in DER order');
  if (odd !== undefined) throw malformed(odd);

  const [version, digests, encapsulated, ...rest] = data;
  // 3 for any content but plain data (RFC 5652 §5.1); signers in the field write that and nothing else.
  if (smallInteger(version, 'SignedData') !== 3) throw malformed('SignedData is not of version 3');
  const certificates = rest[0]?.tag === 0xa0 ? rest.shift()?.children : [];
  if (rest.length !== 1) throw malformed('there are lists or parts that no signature covers');
  if (certificates === undefined || certificates.length > MAX_CERTIFICATES) {
    throw malformed(`more than ${MAX_CERTIFICATES} certificates`);
  }
  const signers = expect(rest[0], TAG.set, 'signerInfos').children;
  if (signers.length !== 1) throw malformed(`${signers.length} signers instead of one`);
  const content = expect(encapsulated, TAG.sequence, 'encapContentInfo').children;
  if (content.length !== 2) throw malformed('the content is not in it');
  const signer = readSigner(expect(signers[0], TAG.sequence, 'SignerInfo'));
  const listed = expect(digests, TAG.set, 'digestAlgorithms').children;
  if (listed.length !== 1 || digestAlgorithm(listed[0], 'digestAlgorithms') !== signer.digest) {
    throw malformed('the digest algorithms are not that of the signer');
  }
  return {
    contentType: oidText(content[0], 'eContentType'),
    content: expect(only(content[1], 0xa0, 'eContent'), TAG.octetString, 'eContent').content,
    certificates: certificates.map((c) => expect(c, TAG.sequence, 'certificate').bytes),
    ...signer,
  };
}

/** The one child of an explicitly tagged part. */
function only(node: Der | undefined, tag: number, what: string): Der {
  const [child, ...more] = expect(node, tag, what).children;
  if (child === undefined || more.length > 0) throw malformed(`${what} is not one value`);
  return child;
}

function readSigner(info: Der) {
  const parts = [...info.children];
  const version = smallInteger(parts.shift(), 'SignerInfo');
  const sid = parts.shift();
  if (version !== (sid?.tag === 0x80 ? 3 : 1))
    throw malformed('the version of SignerInfo is not that of its name');
  const digest = digestAlgorithm(parts.shift(), 'digestAlgorithm');
  const attributes = expect(parts.shift(), 0xa0, 'signedAttrs');
  const algorithm = expect(parts.shift(), TAG.sequence, 'signatureAlgorithm');
  const signature = expect(parts.shift(), TAG.octetString, 'signature').content;
  if (parts.length > 0) throw malformed('there are unsigned attributes');
  // Signed is the SET OF itself, not its implicit tag in SignerInfo (RFC 5652 §5.4).
  const signed = attributes.bytes.slice();
  signed[0] = TAG.set;
  return {
    signer: readIdentifier(sid),
    digest,
    algorithm: readAlgorithm(algorithm, digest),
    signature,
    signed,
    attributes: readAttributes(attributes.children),
  };
}

function readIdentifier(sid: Der | undefined): SignedData['signer'] {
  if (sid?.tag === 0x80) return { keyId: sid.content };
  const [issuer, serial, ...more] = expect(sid, TAG.sequence, 'issuerAndSerialNumber').children;
  if (more.length > 0) throw malformed('issuerAndSerialNumber');
  return {
    issuer: expect(issuer, TAG.sequence, 'issuer').bytes,
    serial: expect(serial, TAG.integer, 'serialNumber').content,
  };
}

/** In CMS the algorithm may be rsaEncryption, the hash being that of the digest (RFC 3370 §3.2). */
function readAlgorithm(node: Der, digest: HashName): SignatureAlgorithm {
  const [oid, parameters] = node.children;
  const plain = parameters === undefined || parameters.tag === TAG.null;
  if (oidText(oid, 'signatureAlgorithm') === RSA && plain) return { kind: 'rsassa', hash: digest };
  return signatureAlgorithm(node);
}

function readAttributes(list: readonly Der[]): SignedData['attributes'] {
  const seen = new Set<string>();
  const signingCertificates: SigningCertificate[] = [];
  let contentType: string | undefined;
  let messageDigest: Uint8Array | undefined;
  for (const attribute of list) {
    const [type, values, ...more] = expect(attribute, TAG.sequence, 'attribute').children;
    const oid = oidText(type, 'attribute');
    const set = expect(values, TAG.set, `attribute ${oid}`).children;
    if (more.length > 0 || seen.has(oid)) throw malformed(`the attribute ${oid} stands twice`);
    seen.add(oid);
    if (!Object.values<string>(ATTRIBUTE).includes(oid)) continue;
    const [value] = set;
    if (value === undefined || set.length !== 1) throw malformed(`the attribute ${oid} is not one value`);
    if (oid === ATTRIBUTE.contentType) contentType = oidText(value, 'contentType');
    else if (oid === ATTRIBUTE.messageDigest) {
      messageDigest = expect(value, TAG.octetString, 'messageDigest').content;
    } else signingCertificates.push(readSigningCertificate(value, oid === ATTRIBUTE.signingCertificateV2));
  }
  return { contentType, messageDigest, signingCertificates };
}

/** SigningCertificate(V2): of its certificates the first is the signer's (RFC 2634 §5.4, RFC 5035 §5.4). */
function readSigningCertificate(value: Der, v2: boolean): SigningCertificate {
  const ids = expect(expect(value, TAG.sequence, 'SigningCertificate').children[0], TAG.sequence, 'certs');
  const parts = [...expect(ids.children[0], TAG.sequence, 'ESSCertID').children];
  let hash: DigestName = v2 ? 'SHA-256' : 'SHA-1';
  if (v2 && parts[0]?.tag === TAG.sequence) hash = digestAlgorithm(parts.shift(), 'ESSCertIDv2');
  const digest = expect(parts.shift(), TAG.octetString, 'certHash').content;
  const issuerSerial = parts.shift();
  if (parts.length > 0) throw malformed('ESSCertID has more than three parts');
  if (issuerSerial === undefined) return { hash, digest };
  const [names, serial] = expect(issuerSerial, TAG.sequence, 'issuerSerial').children;
  const name = only(only(names, TAG.sequence, 'issuer'), 0xa4, 'issuer');
  return {
    hash,
    digest,
    issuerSerial: { issuer: name.bytes, serial: expect(serial, TAG.integer, 'serial').content },
  };
}

/** Whether the signer is named as this certificate. */
export function namesSigner(
  signer: SignedData['signer'],
  c: { readonly issuer: Uint8Array; readonly serial: Uint8Array; readonly subjectKeyId?: Uint8Array },
): boolean {
  if ('keyId' in signer) return c.subjectKeyId !== undefined && equal(signer.keyId, c.subjectKeyId);
  return equal(signer.issuer, c.issuer) && equal(signer.serial, c.serial);
}
