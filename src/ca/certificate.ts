/**
 * Certificates and CRLs of the authority, put together by pkijs and signed through WebCrypto. Extensions come in as
 * their DER, because what stands in them is the profile's business. Nothing leaves before our own strict reader has
 * read it back (RFC 5280 §4, §5).
 */
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { type Certificate, parseCertificate } from '../evidence/x509/certificate.ts';
import { type Crl, parseCrl } from '../evidence/x509/crl.ts';
import { readDer, wholeBits } from '../evidence/x509/der.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import { oid, sequence, tlv, utf8String } from './der.ts';
import { CURVE_HASH, type Signer } from './signer.ts';

/** One extension: OID, criticality, DER of its value. */
export interface ExtensionValue {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** What a certificate says. Names are DER; times are milliseconds since 1970, whole seconds. */
export interface CertificateBody {
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly spki: Uint8Array;
  readonly extensions: readonly ExtensionValue[];
}

/** DER Name with nothing in it: the TCG profile's subject. */
export const EMPTY_NAME: Uint8Array = sequence();

/** DER Name of one common name. */
export const commonName = (text: string): Uint8Array =>
  sequence(tlv(0x31, sequence(oid('2.5.4.3'), utf8String(text))));

/** Key identifier of a key: the first 160 bits of SHA-256 over its bits (RFC 7093 §2, method 1). */
export function keyIdentifier(spki: Uint8Array): Uint8Array {
  return sha256(wholeBits(readDer(spki, []).children[1], 'public key')).subarray(0, 20);
}

/** 128-bit serial number that is positive and never short. @param random at least 16 bytes */
export function serialNumber(random: Uint8Array): Uint8Array {
  const serial = random.slice(0, 16);
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  return serial;
}

const asn1 = (der: Uint8Array) => asn1js.fromBER(der).result;
const pkijsExtension = (e: ExtensionValue) =>
  new pkijs.Extension({ extnID: e.oid, critical: e.critical, extnValue: e.value.slice().buffer });
/** UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5). */
const pkijsTime = (ms: number) => {
  const value = new Date(ms);
  return new pkijs.Time({ type: value.getUTCFullYear() < 2050 ? 0 : 1, value });
};
const name = (der: Uint8Array) => new pkijs.RelativeDistinguishedNames({ schema: asn1(der) });

/** Signs a certificate. @throws INTERNAL when it does not read back as it was meant */
export async function signCertificate(body: CertificateBody, signer: Signer): Promise<Certificate> {
  const made = new pkijs.Certificate();
  made.version = 2;
  made.serialNumber = new asn1js.Integer({ valueHex: body.serial.slice().buffer });
  made.issuer = name(body.issuer);
  made.subject = name(body.subject);
  made.notBefore = pkijsTime(body.notBefore);
  made.notAfter = pkijsTime(body.notAfter);
  made.subjectPublicKeyInfo = new pkijs.PublicKeyInfo({ schema: asn1(body.spki) });
  made.extensions = body.extensions.map(pkijsExtension);
  await made.sign(signer.privateKey as never, CURVE_HASH[signer.curve], signer.engine);
  const read = parseCertificate(new Uint8Array(made.toSchema(true).toBER()));
  await holdSigned(read, signer);
  return read;
}

/** One revoked certificate. */
export interface Revoked {
  readonly serial: Uint8Array;
  readonly timeMs: number;
}

/** Signs a complete CRL of the issuer. Times as in `CertificateBody`. @throws INTERNAL */
export async function signCrl(
  body: {
    readonly issuer: Uint8Array;
    readonly number: bigint;
    readonly thisUpdate: number;
    readonly nextUpdate: number;
    readonly revoked: readonly Revoked[];
    readonly extensions: readonly ExtensionValue[];
  },
  signer: Signer,
): Promise<Crl> {
  const made = new pkijs.CertificateRevocationList();
  made.version = 1;
  made.issuer = name(body.issuer);
  made.thisUpdate = pkijsTime(body.thisUpdate);
  made.nextUpdate = pkijsTime(body.nextUpdate);
  if (body.revoked.length > 0) {
    made.revokedCertificates = body.revoked.map(
      (r) =>
        new pkijs.RevokedCertificate({
          userCertificate: new asn1js.Integer({ valueHex: r.serial.slice().buffer }),
          revocationDate: pkijsTime(r.timeMs),
        }),
    );
  }
  made.crlExtensions = new pkijs.Extensions({ extensions: body.extensions.map(pkijsExtension) });
  await made.sign(signer.privateKey as never, CURVE_HASH[signer.curve], signer.engine);
  const read = parseCrl(new Uint8Array(made.toSchema(true).toBER()));
  await holdSigned(read, signer);
  return read;
}

/** What a signer gave back is checked: a key in hardware can fail, a provider can be wired to the wrong key. */
async function holdSigned(read: Certificate | Crl, signer: Signer): Promise<void> {
  const key = { spki: signer.spki, facts: { kind: 'ec', curve: signer.curve } as const };
  const good = await verifySignature(key, read.algorithm, read.tbs, read.signature);
  if (!good || read.deviations.length > 0) {
    throw new AttestdError(
      'INTERNAL',
      `a signature of the authority does not verify: ${read.deviations.join()}`,
    );
  }
}
