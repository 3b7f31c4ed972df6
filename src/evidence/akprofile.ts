/**
 * The AK certificate profile in names and numbers: TCG object identifiers (TCG OID Registry 1.00), our own arc, and
 * the enrolment extension that says when and on what proof the certificate was issued. Our arc comes from a random
 * GUID under Microsoft's open prefix for that purpose: it needs no registration, and every component is below 2^24,
 * which a 2.25 arc is not (Go's parser refuses certificates with larger ones).
 */
import { concat, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { type Der, expect, readDer, smallInteger, TAG, timeValue } from './x509/der.ts';

const ARC = '1.2.840.113556.1.8000.2554.27591.4923.34292.19314.33858.2873831.13739089';

/** TCG key purposes. */
export const EKU_EK = '2.23.133.8.1';
export const EKU_AK = '2.23.133.8.3';
/** TCG certificate policies: what the authority verified about the AK (TPM 2.0 Keys for Device Identity, §8). */
export const POLICY_TPM_RESIDENCY = '2.23.133.11.1.1';
export const POLICY_TPM_FIXED = '2.23.133.11.1.2';
export const POLICY_TPM_RESTRICTED = '2.23.133.11.1.3';
/** TCG attributes that name a TPM: manufacturer, model, version. */
export const TPM_ATTRIBUTES: readonly string[] = ['2.23.133.2.1', '2.23.133.2.2', '2.23.133.2.3'];
/** otherName permanentIdentifier (RFC 4043). */
export const PERMANENT_IDENTIFIER = '1.3.6.1.5.5.7.8.3';

/** Our certificate policy: the TPM is software. In a software root and in every certificate issued under it. */
export const POLICY_SOFTWARE_TPM = `${ARC}.1.1`;
/** Our extension of AK certificates: `EnrolmentFacts`. Never critical. */
export const EXTENSION_ENROLMENT = `${ARC}.2.1`;
/** Our assigner of permanent identifiers: lower-case hex of SHA-256 over the EK's DER SubjectPublicKeyInfo. */
export const ASSIGNER_EK_SPKI_SHA256 = `${ARC}.3.1`;

/** The URI in an AK certificate; its two segments are the first two of every origin of that host. */
export const hostUri = (fleet: string, host: string): string => `attestd://${fleet}/${host}`;

/** What the authority saw when it issued. */
export interface EnrolmentFacts {
  /** The authority's clock, milliseconds since 1970, whole seconds. */
  readonly timeMs: number;
  /** clockInfo of the enrolment quote: a lower bound for every later signature of this AK. */
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  readonly safe: boolean;
  /** `transcriptDigest` of the three files. */
  readonly transcript: Uint8Array;
}

const TRANSCRIPT_TAG = utf8('attestd.dev/enrolment-transcript/v1\n');

/** SHA-256(tag ‖ SHA-256(request) ‖ SHA-256(challenge) ‖ SHA-256(response)): reopens how a certificate was earned. */
export function transcriptDigest(
  request: Uint8Array,
  challenge: Uint8Array,
  response: Uint8Array,
): Uint8Array {
  return sha256(concat(TRANSCRIPT_TAG, request, challenge, response));
}

const der = (tag: number, body: Uint8Array): Uint8Array => {
  if (body.length > 127) throw new AttestdError('INTERNAL', 'the enrolment extension has short parts only');
  return concat(Uint8Array.of(tag, body.length), body);
};

function integer(n: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = n; rest > 0n || bytes.length === 0; rest >>= 8n) bytes.unshift(Number(rest & 255n));
  if ((bytes[0] as number) >= 0x80) bytes.unshift(0);
  return der(TAG.integer, Uint8Array.from(bytes));
}

/**
 * DER of the extension value:
 * `SEQUENCE { version INTEGER (1), time GeneralizedTime, clock INTEGER, resetCount INTEGER, restartCount INTEGER,
 * safe BOOLEAN, transcript OCTET STRING }`, clock in milliseconds as in TPMS_CLOCK_INFO.
 */
export function encodeEnrolmentFacts(f: EnrolmentFacts): Uint8Array {
  const time = new Date(f.timeMs).toISOString().replace(/[-:T]|\.\d{3}/g, '');
  return der(
    TAG.sequence,
    concat(
      integer(1n),
      der(TAG.generalizedTime, utf8(time)),
      integer(f.clock),
      integer(BigInt(f.resetCount)),
      integer(BigInt(f.restartCount)),
      der(TAG.boolean, Uint8Array.of(f.safe ? 0xff : 0)),
      der(TAG.octetString, f.transcript),
    ),
  );
}

/** Strict inverse of `encodeEnrolmentFacts`. @throws MALFORMED */
export function parseEnrolmentFacts(value: Uint8Array): EnrolmentFacts {
  const deviations: string[] = [];
  const parts = expect(readDer(value, deviations), TAG.sequence, 'enrolment').children;
  const [version, time, clock, resetCount, restartCount, safe, transcript] = parts;
  if (parts.length !== 7 || deviations.length > 0 || smallInteger(version, 'version') !== 1) {
    throw new AttestdError('MALFORMED', 'the enrolment extension is not version 1 in DER');
  }
  const digest = expect(transcript, TAG.octetString, 'transcript').content.slice();
  if (digest.length !== 32) throw new AttestdError('MALFORMED', 'the enrolment transcript is not 32 bytes');
  return {
    timeMs: timeValue(expect(time, TAG.generalizedTime, 'time'), 'time'),
    clock: unsigned64(clock),
    resetCount: unsigned32(resetCount, 'resetCount'),
    restartCount: unsigned32(restartCount, 'restartCount'),
    safe: expect(safe, TAG.boolean, 'safe').content[0] === 0xff,
    transcript: digest,
  };
}

function unsigned32(node: Der | undefined, what: string): number {
  const n = smallInteger(node, what);
  if (n > 0xffff_ffff) throw new AttestdError('MALFORMED', `${what} is over 32 bits`);
  return n;
}

function unsigned64(node: Der | undefined): bigint {
  const c = expect(node, TAG.integer, 'clock').content;
  const value = c.reduce((n, x) => (n << 8n) | BigInt(x), 0n);
  if ((c[0] as number) >= 0x80 || value >= 1n << 64n) {
    throw new AttestdError('MALFORMED', 'clock is not an unsigned 64-bit number');
  }
  return value;
}
