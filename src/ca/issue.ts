/**
 * Turns a response into a certificate. Order matters: everything is checked, the operator approves, the checks run
 * again under the lock, the challenge is burnt durably, and only then is anything signed. A crash in between costs a
 * challenge and never leaves two certificates for one.
 */
import { timingSafeEqual } from 'node:crypto';
import { equal, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { formatTime } from '../core/time.ts';
import { transcriptDigest } from '../evidence/akprofile.ts';
import { printCertificateFile } from '../evidence/certfile.ts';
import {
  activationMac,
  type EnrolResponse,
  enrolmentDigest,
  parseRequest,
  parseResponse,
} from '../evidence/enrolment.ts';
import type { ClockInfo } from '../evidence/tpm/attest.ts';
import { examineQuote } from './attestation.ts';
import { type Authority, chainOf, holdSigner, wholeSecond } from './authority.ts';
import { examineBinding, type Succession } from './binding.ts';
import { EMPTY_NAME, serialNumber, signCertificate } from './certificate.ts';
import { type Examined, examineRequest, identityOf, recordingRefusals } from './challenge.ts';
import { refusal } from './condition.ts';
import { ekDigest } from './endorsement.ts';
import { withLock } from './folder.ts';
import { burnPending, findPending, type Pending } from './pending.ts';
import { akExtensions } from './profile.ts';
import { appendRegistry, type Issued, type RegistryLine, readRegistry } from './registry.ts';
import { keepCrl, makeCrl } from './revocation.ts';
import type { Signer } from './signer.ts';
import { readEk } from './template.ts';

const DAY = 24 * 3600 * 1000;
/** Days an AK certificate is valid, by default and at most. */
export const AK_DAYS = 365;
/** How far notBefore lies before the authority's clock: hosts' clocks are never quite the same. */
export const SKEW = 10 * 60 * 1000;

/** What the operator is asked to approve. */
export interface Approval {
  readonly fleet: string;
  readonly host: string;
  /** Hex SHA-256 over the EK's DER SubjectPublicKeyInfo. */
  readonly ekDigest: string;
  /** Whether a vendor's certificate vouches for the EK. */
  readonly certified: boolean;
  /** As the TPM states them, unauthenticated. */
  readonly tpm: { readonly manufacturer: string; readonly vendor: string; readonly firmwareVersion: string };
  /** Serials of live certificates that this one replaces. */
  readonly replaces: readonly string[];
}

/** How a response is treated. */
export interface IssueOptions {
  readonly signer: Signer;
  /** Called once, with everything checked but nothing done. False refuses. */
  readonly approve: (facts: Approval) => boolean | Promise<boolean>;
  /** 1 to 365; default 365. */
  readonly days?: number;
  /** Revoke the live certificate of the same EK and name in the same step. */
  readonly replace?: boolean;
  /** Let the same AK have a new certificate in the last third of its old one's life. */
  readonly renewal?: boolean;
}

/** An issued certificate. */
export interface IssueAnswer {
  /** Exact bytes of the certificate file: chain and CRL, PEM. */
  readonly certificateFile: Uint8Array;
  readonly serial: string;
  readonly notAfter: string;
}

interface Checked extends Examined {
  readonly response: EnrolResponse;
  readonly pending: Pending;
  readonly clockInfo: ClockInfo;
  readonly lines: readonly RegistryLine[];
  readonly replaced: readonly Issued[];
  readonly revokes: boolean;
}

/**
 * Checks a response and issues.
 * @param file exact bytes of response.json
 * @throws MALFORMED, TOO_LARGE, USAGE, ENROL_REFUSED, CHALLENGE_EXPIRED, CHALLENGE_USED, AUTHORITY_LOCKED,
 *   AUTHORITY_CORRUPT
 */
export async function issue(
  authority: Authority,
  file: Uint8Array,
  options: IssueOptions,
): Promise<IssueAnswer> {
  const days = options.days ?? AK_DAYS;
  if (!(days >= 1 && days <= AK_DAYS))
    throw new AttestdError('USAGE', `a certificate lives 1 to ${AK_DAYS} days`);
  holdSigner(authority, options.signer);
  const response = parseResponse(file);
  const how = { replace: options.replace ?? false, renewal: options.renewal ?? false };
  const first = await withLock(authority.dir, () => examineResponse(authority, response, how));
  // The operator may take minutes: no lock is held, and nothing seen before counts afterwards.
  const approved = await options.approve(approvalOf(first));
  return withLock(authority.dir, async () => {
    const checked = await examineResponse(authority, response, how);
    await recordingRefusals(authority, checked.request, async () => {
      const asked = approvalOf(first).replaces;
      if (!approved || checked.replaced.some((r) => !asked.includes(r.serial))) {
        throw refusal('not-approved', 'the operator did not approve this name and EK');
      }
    });
    return certify(authority, checked, file, options.signer, days);
  });
}

const approvalOf = ({ request, ek, replaced }: Checked): Approval => ({
  fleet: request.fleet,
  host: request.host,
  ekDigest: toHex(ek.digest),
  certified: ek.certificate !== undefined,
  tpm: request.tpm,
  replaces: replaced.map((r) => r.serial),
});

async function examineResponse(
  authority: Authority,
  response: EnrolResponse,
  how: Succession,
): Promise<Checked> {
  const { dir, deps } = authority;
  const lines = await readRegistry(dir);
  const pending = await findPending(dir, response.challenge);
  if (pending === undefined) throw notOpen(lines, toHex(response.challenge));
  const request = parseRequest(pending.request);
  return recordingRefusals(authority, request, async () => {
    const now = deps.clock();
    if (wasBurnt(lines, toHex(response.challenge))) throw used();
    if (now > pending.expiresMs) throw expired();
    const requestDigest = enrolmentDigest(pending.request);
    const challengeDigest = enrolmentDigest(pending.challenge);
    if (!equal(response.request, requestDigest)) {
      throw refusal('response-request', 'the response names another request than its challenge');
    }
    const mac = activationMac(pending.secret, requestDigest, challengeDigest);
    if (!timingSafeEqual(mac, response.mac)) {
      throw refusal('response-mac', 'the secret of the challenge was not activated');
    }
    const allowed = pending.allowed ? [toHex(ekDigest(readEk(request.ek.public)))] : [];
    const examined = await examineRequest(authority, request, allowed);
    const clockInfo = await examineQuote(examined.ak, response, requestDigest, challengeDigest);
    const bound = examineBinding(lines, identityOf(examined), now, how);
    return { ...examined, response, pending, clockInfo, lines, ...bound };
  });
}

const used = () =>
  new AttestdError('CHALLENGE_USED', 'a certificate was issued for this challenge, or failed after it');
const expired = () => new AttestdError('CHALLENGE_EXPIRED', 'the time of this challenge is over');
const wasBurnt = (lines: readonly RegistryLine[], challenge: string): boolean =>
  lines.some((l) => l.event === 'burnt' && l.challenge === challenge);

/** Why a challenge is not open: used, out of time and swept away, or never made here. */
function notOpen(lines: readonly RegistryLine[], challenge: string): AttestdError {
  if (wasBurnt(lines, challenge)) return used();
  if (lines.some((l) => l.event === 'challenged' && l.challenge === challenge)) return expired();
  return refusal('challenge-unknown', 'this authority made no such challenge');
}

async function certify(
  authority: Authority,
  checked: Checked,
  file: Uint8Array,
  signer: Signer,
  days: number,
): Promise<IssueAnswer> {
  const { dir, certificate: root, deps } = authority;
  const { request, ek, ak, pending, response, clockInfo, lines, replaced } = checked;
  const identity = identityOf(checked);
  const who = { fleet: request.fleet, host: request.host, ek: toHex(ek.digest) };
  const challenge = toHex(response.challenge);
  const responseDigest = enrolmentDigest(file);
  await appendRegistry(dir, deps.clock(), {
    event: 'burnt',
    ...who,
    challenge,
    response: toHex(responseDigest),
  });
  await burnPending(dir, response.challenge);

  const now = wholeSecond(deps.clock());
  const transcript = transcriptDigest(enrolmentDigest(pending.request), response.challenge, responseDigest);
  const subject = {
    spki: ak.spki,
    fleet: request.fleet,
    host: request.host,
    ekDigest: ek.digest,
    ...(ek.certificate === undefined ? {} : { ekCertificate: ek.certificate }),
    software: authority.kind === 'software',
    enrolment: {
      timeMs: now,
      clock: clockInfo.clock,
      resetCount: clockInfo.resetCount,
      restartCount: clockInfo.restartCount,
      safe: clockInfo.safe,
      transcript,
    },
  };
  const certificate = await signCertificate(
    {
      serial: serialNumber(deps.random(16)),
      issuer: root.subject,
      subject: EMPTY_NAME,
      notBefore: Math.max(root.notBefore, now - SKEW),
      notAfter: Math.min(root.notAfter, now + days * DAY),
      spki: ak.spki,
      extensions: akExtensions(subject, authority),
    },
    signer,
  );
  const serials = replaced.map((r) => r.serial);
  const serial = toHex(certificate.serial);
  const { crl, event } = await makeCrl(authority, signer, lines, checked.revokes ? serials : []);
  const notAfter = formatTime(certificate.notAfter);
  await appendRegistry(
    dir,
    deps.clock(),
    ...serials.map((s) =>
      checked.revokes
        ? { event: 'revoked' as const, serial: s, reason: 'superseded' }
        : { event: 'superseded' as const, serial: s, by: serial },
    ),
    {
      event: 'issued',
      ...who,
      ak: toHex(identity.akDigest),
      serial,
      notAfter,
      challenge,
      transcript: toHex(transcript),
      certificate: toBase64(certificate.der),
    },
    event,
  );
  await keepCrl(dir, crl.der);
  const chain = [certificate.der, ...chainOf(authority)];
  return { certificateFile: printCertificateFile({ chain, crl: crl.der }), serial, notAfter };
}
