/**
 * A Sigstore bundle v0.3 around our envelope, and the trusted root that goes with it (sigstore/protobuf-specs, JSON
 * form). In key mode the verifier has the record key already; in certificate mode the bundle carries a certificate of
 * it, and then an RFC 3161 token over the signature, because such a certificate is judged at the token's time.
 */
import { type Static, Type } from 'typebox';
import { fromBase64, toBase64 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { formatTime } from '../../core/time.ts';
import { parseFile, printFile } from '../jsonfile.ts';
import { base64, closed, list } from '../schema/field.ts';
import { type Certificate, MAX_CERTIFICATE, parseCertificate } from '../x509/certificate.ts';
import {
  EnvelopeSchema,
  envelopeOf,
  KeyId,
  MAX_ENVELOPE,
  openEnvelope,
  type SignedEntry,
} from './envelope.ts';

export const SIGSTORE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
export const TRUSTED_ROOT_MEDIA_TYPE = 'application/vnd.dev.sigstore.trustedroot+json;version=0.1';

const MAX_TOKEN = 65_536;
const MAX_FILE = MAX_ENVELOPE + 4 * MAX_TOKEN;

const timestamps = closed({ rfc3161Timestamps: list(closed({ signedTimestamp: base64(MAX_TOKEN) }), 4) });
const evidence = { tlogEntries: list(closed({}), 0), timestampVerificationData: timestamps };

/** What we write of the format, and read back: one key or one certificate, no public log. */
const SigstoreSchema = closed({
  mediaType: Type.Literal(SIGSTORE_MEDIA_TYPE),
  verificationMaterial: Type.Union([
    closed({ publicKey: closed({ hint: KeyId }), ...evidence }),
    closed({ certificate: closed({ rawBytes: base64(MAX_CERTIFICATE) }), ...evidence }),
  ]),
  dsseEnvelope: EnvelopeSchema,
});

/** A signed record with what a Sigstore verifier needs beside it. */
export interface SigstoreBundle {
  readonly signed: SignedEntry;
  /** DER certificate of the record key; absent in key mode. */
  readonly certificate?: Uint8Array;
  /** RFC 3161 TimeStampResp over the signature, DER. */
  readonly timestamps: readonly Uint8Array[];
}

/** The bytes of a bundle. @throws MALFORMED */
export function printSigstore({ signed, certificate, timestamps: tokens }: SigstoreBundle): Uint8Array {
  const both: Static<typeof timestamps> = {
    rfc3161Timestamps: tokens.map((t) => ({ signedTimestamp: toBase64(t) })),
  };
  const beside = { tlogEntries: [], timestampVerificationData: both };
  return printFile('Sigstore bundle', SigstoreSchema, {
    mediaType: SIGSTORE_MEDIA_TYPE,
    verificationMaterial:
      certificate === undefined
        ? { publicKey: { hint: signed.keyId }, ...beside }
        : { certificate: { rawBytes: toBase64(certificate) }, ...beside },
    dsseEnvelope: envelopeOf(signed),
  });
}

/** Reads a bundle that `printSigstore` wrote. @throws MALFORMED, TOO_LARGE */
export function parseSigstore(bytes: Uint8Array): SigstoreBundle {
  const { verificationMaterial, dsseEnvelope } = parseFile(
    'Sigstore bundle',
    SigstoreSchema,
    bytes,
    MAX_FILE,
  );
  const { rfc3161Timestamps } = verificationMaterial.timestampVerificationData;
  const tokens = rfc3161Timestamps.map((t) => fromBase64(t.signedTimestamp));
  const signed = openEnvelope(dsseEnvelope);
  if ('certificate' in verificationMaterial) {
    return { signed, certificate: fromBase64(verificationMaterial.certificate.rawBytes), timestamps: tokens };
  }
  if (verificationMaterial.publicKey.hint !== signed.keyId) {
    throw new AttestdError('MALFORMED', 'Sigstore bundle: the hint and the envelope name two keys');
  }
  return { signed, timestamps: tokens };
}

/** Whom a trusted root trusts: DER certificates, each chain with its root last. */
export interface TrustedAuthorities {
  /** Chains that issue certificates of record keys: no leaf in them. */
  readonly issuers: readonly (readonly Uint8Array[])[];
  /** Chains of timestamping authorities: the certificate that signs tokens first. */
  readonly timestamping: readonly (readonly Uint8Array[])[];
}

/** The bytes of a trusted_root.json: no public logs, only these authorities. @throws MALFORMED */
export function printTrustedRoot({ issuers, timestamping }: TrustedAuthorities): Uint8Array {
  const text = JSON.stringify(
    {
      mediaType: TRUSTED_ROOT_MEDIA_TYPE,
      tlogs: [],
      certificateAuthorities: issuers.map(authority),
      ctlogs: [],
      timestampAuthorities: timestamping.map(authority),
    },
    null,
    2,
  );
  return new TextEncoder().encode(`${text}\n`);
}

const ORGANIZATION = '2.5.4.10';
const COMMON_NAME = '2.5.4.3';

/** An authority is good for as long as the certificate at the top of its chain is. */
function authority(chain: readonly Uint8Array[]) {
  const certificates = chain.map(parseCertificate);
  const root = certificates.at(-1);
  if (root === undefined) throw new AttestdError('MALFORMED', 'a chain of no certificate');
  return {
    subject: {
      organization: attribute(root, ORGANIZATION),
      commonName: attribute(certificates[0] as Certificate, COMMON_NAME),
    },
    uri: '',
    certChain: { certificates: certificates.map((c) => ({ rawBytes: toBase64(c.der) })) },
    validFor: { start: formatTime(root.notBefore), end: formatTime(root.notAfter) },
  };
}

const attribute = (c: Certificate, oid: string): string =>
  c.subjectAttributes.find((a) => a.oid === oid)?.value ?? '';
