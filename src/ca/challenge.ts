/**
 * Answers a request with a challenge: everything that the request alone can prove is checked here, before a secret
 * is spent on it, and a second time when the response comes.
 */
import { toHex } from '../core/bytes.ts';
import { AttestdError, isAttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { formatTime } from '../core/time.ts';
import {
  ENROLMENT_NONCE_BYTES,
  type EnrolRequest,
  enrolmentDigest,
  parseRequest,
  printChallenge,
} from '../evidence/enrolment.ts';
import { type AkFacts, examineAk, examineRotation } from './attestation.ts';
import { type Authority, ekRootsOf } from './authority.ts';
import { examineBinding } from './binding.ts';
import { refusal } from './condition.ts';
import { makeCredential } from './credential.ts';
import { ekCrlsOf } from './ekcrls.ts';
import { type EkFacts, ekDigest, examineEk, SWTPM_VENDOR } from './endorsement.ts';
import { withLock } from './folder.ts';
import { dropExpired, keepPending } from './pending.ts';
import { appendRegistry, readRegistry } from './registry.ts';
import { readEk } from './template.ts';

/** How long a challenge lives by default and at most, milliseconds. */
export const CHALLENGE_LIFE = 24 * 3600 * 1000;
export const MAX_CHALLENGE_LIFE = 30 * CHALLENGE_LIFE;

/** What the operator may say about a request. */
export interface ChallengeOptions {
  /** Hex EK digests that the operator vouches for, for TPMs without an EK certificate. */
  readonly allowEk?: readonly string[];
  /** Milliseconds; default 24 hours, at most 30 days. */
  readonly lifeMs?: number;
}

/** What a checked request says. */
export interface Examined {
  readonly request: EnrolRequest;
  readonly ek: EkFacts;
  readonly ak: AkFacts;
  /** SHA-256 of the AK that hands over to this one; absent in a first enrolment. */
  readonly rotates?: Uint8Array;
}

/** A challenge and what the operator should see beside it. */
export interface ChallengeAnswer {
  /** Exact bytes of challenge.json. */
  readonly challenge: Uint8Array;
  readonly fleet: string;
  readonly host: string;
  /** Hex SHA-256 of the EK's SubjectPublicKeyInfo: compare it with the machine's papers. */
  readonly ekDigest: string;
  /** Whether a vendor's certificate vouches for the EK. */
  readonly certified: boolean;
  /** Serials of live certificates of this EK and name: issuing will need `replace`. */
  readonly replaces: readonly string[];
}

/**
 * Checks a request and makes its challenge.
 * @param file exact bytes of request.json
 * @throws MALFORMED, TOO_LARGE, ENROL_REFUSED, AUTHORITY_LOCKED, AUTHORITY_CORRUPT
 */
export async function makeChallenge(
  authority: Authority,
  file: Uint8Array,
  options: ChallengeOptions = {},
): Promise<ChallengeAnswer> {
  const { dir, deps } = authority;
  const life = options.lifeMs ?? CHALLENGE_LIFE;
  if (!(life > 0 && life <= MAX_CHALLENGE_LIFE)) {
    throw new AttestdError('USAGE', 'a challenge lives more than no time and at most 30 days');
  }
  const request = parseRequest(file);
  return withLock(dir, async () => {
    const now = deps.clock();
    await dropExpired(dir, now);
    return recordingRefusals(authority, request, async () => {
      const examined = await examineRequest(authority, request, options.allowEk ?? []);
      const { ek, ak } = examined;
      // Whether a live certificate of the same pair may be replaced is decided once, when it is issued.
      const { replaced } = examineBinding(await readRegistry(dir), identityOf(examined), now, {
        replace: true,
      });
      const secret = deps.random(ENROLMENT_NONCE_BYTES);
      const digest = enrolmentDigest(file);
      const expiresMs = now + life;
      const challenge = printChallenge({
        request: digest,
        ...makeCredential(ek.public, ak.name, secret, { bytes: deps.random }),
        nonce: deps.random(ENROLMENT_NONCE_BYTES),
        expires: formatTime(expiresMs),
      });
      const challengeDigest = enrolmentDigest(challenge);
      const who = { fleet: request.fleet, host: request.host, ek: toHex(ek.digest) };
      await appendRegistry(dir, now, {
        event: 'challenged',
        ...who,
        challenge: toHex(challengeDigest),
        request: toHex(digest),
      });
      const allowed = ek.certificate === undefined;
      await keepPending(dir, challengeDigest, { secret, request: file, challenge, expiresMs, allowed });
      return {
        challenge,
        fleet: who.fleet,
        host: who.host,
        ekDigest: who.ek,
        certified: ek.certificate !== undefined,
        replaces: replaced.map((r) => r.serial),
      };
    });
  });
}

/** Everything about a request that does not depend on earlier enrolments. @throws ENROL_REFUSED */
export async function examineRequest(
  authority: Authority,
  request: EnrolRequest,
  allowed: readonly string[],
): Promise<Examined> {
  const trust = {
    certificates: await ekRootsOf(authority),
    crls: await ekCrlsOf(authority),
    allowed,
    software: authority.kind === 'software',
  };
  const ek = await examineEk(request.ek, trust, authority.deps.clock());
  if (!trust.software && request.tpm.vendor === SWTPM_VENDOR) {
    throw refusal('software-tpm', 'the TPM calls itself software; it is enrolled only under a software root');
  }
  const ak = await examineAk(request);
  const rotates = await examineRotation(request, ak);
  return { request, ek, ak, ...(rotates === undefined ? {} : { rotates }) };
}

/** The identity that a checked request claims. */
export const identityOf = ({ request, ek, ak, rotates }: Examined) => ({
  fleet: request.fleet,
  host: request.host,
  ekDigest: ek.digest,
  akDigest: sha256(ak.spki),
  ...(rotates === undefined ? {} : { rotates }),
});

/** Runs `work` and writes into the registry when it is refused. The caller holds the lock. */
export async function recordingRefusals<T>(
  authority: Authority,
  request: EnrolRequest,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (e) {
    if (!isAttestdError(e)) throw e;
    if (e.code === 'ENROL_REFUSED' || e.code === 'CHALLENGE_EXPIRED' || e.code === 'CHALLENGE_USED') {
      await appendRegistry(authority.dir, authority.deps.clock(), {
        event: 'refused',
        fleet: request.fleet,
        host: request.host,
        ek: toHex(claimedEk(request)),
        code: e.code,
        detail: e.message.slice(0, 500),
      });
    }
    throw e;
  }
}

/** The EK's digest where the EK can be read, else that of its bytes. */
function claimedEk(request: EnrolRequest): Uint8Array {
  try {
    return ekDigest(readEk(request.ek.public));
  } catch {
    return sha256(request.ek.public);
  }
}
