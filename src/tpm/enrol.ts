/**
 * The host's side of enrolment (the four files of evidence/enrolment.ts): ask with the EK, the AK and how the AK came
 * to be; prove by credential activation and a quote; take the certificate only when it is for this AK.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { equal, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { type Clock, formatTime, parseTime } from '../core/time.ts';
import { creationExtraData, enrolExtraData } from '../evidence/binding.ts';
import {
  activationMac,
  ENROLMENT_NONCE_BYTES,
  type EnrolRequest,
  enrolmentDigest,
  parseChallenge,
  parseRequest,
  printRequest,
  printResponse,
  type Rotates,
} from '../evidence/enrolment.ts';
import type { PcrSelection } from '../evidence/tpm/pcr.ts';
import { activateCredential } from './activate.ts';
import { certifyCreation } from './certify.ts';
import { certificateSpki, readSpki, sameKey } from './der.ts';
import type { Ek } from './ek.ts';
import type { Random } from './key.ts';
import type { Identity } from './keys.ts';
import { readProperties } from './property.ts';
import { takeQuote } from './quote.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions } from './work.ts';

/** How often, and after how long, a quote is taken again whose registers moved while they were read. */
const STILL_TRIES = 20;
const STILL_MS = 500;

export interface RequestInput {
  /** First two segments of the origin. */
  readonly fleet: string;
  readonly host: string;
  readonly identity: Pick<Identity, 'storage' | 'ak' | 'akCreation'>;
  readonly ek: Ek;
  /** Where this AK takes the place of one that has a certificate: that one signs for it. */
  readonly rotates?: Rotates;
  /** Certificates of the EK's chain that the TPM holds. */
  readonly chain: readonly Uint8Array[];
  readonly random: Random;
  readonly clock: Clock;
}

/** request.json. @throws as Tpm.run; MALFORMED when fleet or host do not fit */
export async function makeRequest(tpm: Tpm, input: RequestInput, o?: RunOptions): Promise<Uint8Array> {
  const { identity, ek } = input;
  const nonce = input.random(ENROLMENT_NONCE_BYTES);
  const creation = await certifyCreation(tpm, identity.ak, identity.akCreation, creationExtraData(nonce), o);
  const { manufacturer, vendor, firmwareVersion, revision } = await readProperties(tpm, o);
  const request: EnrolRequest = {
    fleet: input.fleet,
    host: input.host,
    nonce,
    time: formatTime(input.clock()),
    ek: { public: ek.public, certificate: ek.certificate, chain: input.chain },
    storage: { public: identity.storage.public },
    ak: {
      public: identity.ak.public,
      creationData: identity.akCreation.data,
      creationAttest: creation.attest,
      creationSignature: creation.signature,
    },
    tpm: { manufacturer, vendor, firmwareVersion, revision },
    ...(input.rotates === undefined ? {} : { rotates: input.rotates }),
  };
  return printRequest(request);
}

export interface ResponseInput {
  /** The request.json that was sent, byte for byte. */
  readonly request: Uint8Array;
  readonly challenge: Uint8Array;
  readonly identity: Pick<Identity, 'ak'>;
  readonly ek: Ek;
  readonly selection: readonly PcrSelection[];
  readonly clock: Clock;
}

/**
 * response.json of a challenge.
 * @throws ENROL_REFUSED when the challenge answers another request or the request speaks of other keys,
 *   CHALLENGE_EXPIRED, MALFORMED, TPM_ERROR when it was made for another TPM
 */
export async function respond(tpm: Tpm, input: ResponseInput, o?: RunOptions): Promise<Uint8Array> {
  const { identity, ek } = input;
  const request = enrolmentDigest(input.request);
  const challenge = parseChallenge(input.challenge);
  if (!equal(challenge.request, request)) {
    throw new AttestdError('ENROL_REFUSED', 'the challenge answers another request', { field: '/request' });
  }
  const asked = parseRequest(input.request);
  if (!equal(asked.ak.public, identity.ak.public) || !equal(asked.ek.public, ek.public)) {
    throw new AttestdError('ENROL_REFUSED', 'the request was made with other keys than this host has now');
  }
  if (input.clock() >= parseTime(challenge.expires)) {
    throw new AttestdError('CHALLENGE_EXPIRED', `the challenge expired at ${challenge.expires}`);
  }
  const { credentialBlob, encryptedSecret } = challenge;
  const digest = enrolmentDigest(input.challenge);
  const secret = await activateCredential(tpm, identity.ak, ek, credentialBlob, encryptedSecret, o);
  const mac = activationMac(secret, request, digest);
  secret.fill(0);
  const extraData = enrolExtraData(request, digest);
  let quote = await takeQuote(tpm, identity.ak, extraData, input.selection, o);
  // A daemon that begins beside this extends a register for every file that it runs from.
  for (let again = 0; quote.pcrs === undefined && again < STILL_TRIES; again++) {
    await sleep(STILL_MS);
    quote = await takeQuote(tpm, identity.ak, extraData, input.selection, o);
  }
  const sha256 = quote.pcrs?.sha256;
  if (sha256 === undefined) throw new AttestdError('TPM_UNAVAILABLE', 'the PCRs kept changing: try again');
  return printResponse({
    request,
    challenge: digest,
    mac,
    quote: { attest: quote.attest, signature: quote.signature },
    pcrs: { sha256: { ...sha256 } },
  });
}

/**
 * Whether a certificate is for this AK; the chain is for the verifier.
 * @param certificate DER
 * @throws ENROL_REFUSED when it is for another key, MALFORMED when it is no certificate
 */
export function checkIssued(certificate: Uint8Array, identity: Pick<Identity, 'ak'>): void {
  const issued = certificateSpki(certificate);
  const ours = readSpki(identity.ak.spki);
  if (issued === null) throw new AttestdError('MALFORMED', 'not a DER certificate');
  if (ours === null || !sameKey(issued, ours)) {
    throw new AttestdError(
      'ENROL_REFUSED',
      `the certificate is for another key than AK ${toHex(identity.ak.name)}`,
    );
  }
}
