/** Every check, in the order in which a report lists them: from the file inwards, then outwards to the machine. */
import { akAttributes, akKey } from './checks/akkey.ts';
import { anchorCertified, anchorConsistency, anchorStep } from './checks/anchor.ts';
import { assurance } from './checks/assurance.ts';
import { bootLink, bootRun } from './checks/boot.ts';
import {
  certificateEncoding,
  certificateHost,
  certificatePath,
  certificatePolicies,
  certificateUsage,
  certificateValidity,
} from './checks/certificate.ts';
import { sealClock } from './checks/clock.ts';
import { counter, genesisAnchor } from './checks/counter.ts';
import { disclosures } from './checks/disclosures.ts';
import { format } from './checks/format.ts';
import { genesis } from './checks/genesis.ts';
import * as inclusion from './checks/inclusion.ts';
import { noteShape, noteSignature } from './checks/note.ts';
import { origin } from './checks/origin.ts';
import { firmwarePcrs, pcrAllowList, sealPcrDigest } from './checks/pcr.ts';
import { recordKey } from './checks/recordkey.ts';
import { revocation } from './checks/revocation.ts';
import * as seal from './checks/seal.ts';
import { sealSelection } from './checks/selection.ts';
import { sealSigner } from './checks/signer.ts';
import { statement } from './checks/statement.ts';
import { recordTime, sealAge } from './checks/time.ts';
import type { CheckDefinition } from './outcome.ts';
import type { Trust } from './trust.ts';

export const CHECKS: readonly CheckDefinition[] = [
  format,
  statement,
  origin,
  inclusion.inclusionRecord,
  inclusion.inclusionGenesis,
  inclusion.inclusionBoot,
  inclusion.inclusionRelated,
  genesis,
  bootLink,
  recordTime,
  disclosures,
  noteShape,
  noteSignature,
  seal.sealMagic,
  seal.sealType,
  seal.sealExtradata,
  seal.sealSignature,
  certificateEncoding,
  certificatePath,
  certificateValidity,
  certificateUsage,
  certificateHost,
  revocation,
  akKey,
  assurance,
  sealAge,
  certificatePolicies,
  akAttributes,
  sealSigner,
  recordKey,
  bootRun,
  sealClock,
  sealSelection,
  sealPcrDigest,
  firmwarePcrs,
  pcrAllowList,
  counter,
  genesisAnchor,
  inclusion.inclusionAnchors,
  anchorCertified,
  anchorStep,
  anchorConsistency,
];

/** Whether this check says anything under this trust file. */
export function applies(check: CheckDefinition, trust: Trust): boolean {
  return check.appliesTo === undefined || check.appliesTo(trust);
}

/** Whether a level needs this check under this trust file. */
export function isRequired(check: CheckDefinition, trust: Trust): boolean {
  return applies(check, trust) && (check.requiredBy === undefined || check.requiredBy(trust));
}

/** The ids that must pass for this trust file to call evidence verified. */
export function requiredIds(trust: Trust): string[] {
  return CHECKS.filter((c) => c.level <= trust.minimumLevel && isRequired(c, trust)).map((c) => c.id);
}
