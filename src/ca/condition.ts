/**
 * Why an enrolment is refused: one word per condition, so that the registry, the operator and the tests can tell the
 * refusals apart. The word stands first in the detail of ENROL_REFUSED, before a colon.
 */
import { AttestdError } from '../core/errors.ts';
import type { AttributeName } from '../evidence/tpm/attributes.ts';

/** The key whose public area a condition speaks of. */
export type EnrolKey = 'ek' | 'storage' | 'ak';

/** A word that names one condition. */
export type Condition =
  | 'ek-certificate-missing'
  | 'ek-certificate-malformed'
  | 'ek-certificate-key'
  | 'ek-certificate-purpose'
  | 'ek-certificate-usage'
  | 'ek-certificate-ca'
  | 'ek-chain'
  | 'ek-revoked'
  | 'ek-auth-policy'
  | 'software-tpm'
  | 'ak-auth-policy'
  | `${EnrolKey}-malformed`
  | `${EnrolKey}-kind`
  | `${EnrolKey}-name-algorithm`
  | `${EnrolKey}-scheme`
  | `${EnrolKey}-symmetric`
  | `${EnrolKey}-attributes.${AttributeName | 'reserved'}`
  | `${'creation' | 'quote' | 'rotation'}-${'malformed' | 'magic' | 'type' | 'signer' | 'extra-data' | 'signature'}`
  | 'creation-name'
  | 'creation-hash'
  | 'creation-parent'
  | 'creation-hierarchy'
  | 'quote-pcrs'
  | 'rotation-name'
  | 'rotation-origin'
  | 'rotation-unknown'
  | 'challenge-unknown'
  | 'response-request'
  | 'response-mac'
  | 'ek-bound-to-other-host'
  | 'ek-has-live-ak'
  | 'name-has-other-ek'
  | 'ak-known'
  | 'not-approved';

/** The refusal of an enrolment. */
export function refusal(condition: Condition, sentence: string, cause?: unknown): AttestdError {
  return new AttestdError('ENROL_REFUSED', `${condition}: ${sentence}`, cause === undefined ? {} : { cause });
}

/** The condition of an ENROL_REFUSED error; undefined for anything else. */
export function conditionOf(e: unknown): Condition | undefined {
  if (!(e instanceof AttestdError) || e.code !== 'ENROL_REFUSED') return undefined;
  return e.message.slice(0, e.message.indexOf(':')) as Condition;
}
