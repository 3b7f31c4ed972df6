/** Every check, in the order in which a report lists them: from the file inwards, then outwards to the machine. */
import { akAttributes, akKey } from './checks/akkey.ts';
import { anchorCertified, anchorConsistency, anchorStep } from './checks/anchor.ts';
import { appraisalSignature, appraisals } from './checks/appraisal.ts';
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
import { delegation } from './checks/delegation.ts';
import { disclosures } from './checks/disclosures.ts';
import { closure, foreignLineage } from './checks/foreign.ts';
import { foreignCheckpoint, foreignSeal } from './checks/foreigncheckpoint.ts';
import { format } from './checks/format.ts';
import { genesis } from './checks/genesis.ts';
import * as grant from './checks/grant.ts';
import { imaList } from './checks/ima.ts';
import { importContent, importRecord } from './checks/imported.ts';
import * as inclusion from './checks/inclusion.ts';
import { keyAttributes } from './checks/keyattributes.ts';
import { keyOrder } from './checks/keyorder.ts';
import { keySuccession } from './checks/keysuccession.ts';
import { lineage, measurements } from './checks/lineage.ts';
import { firmwareLog, logReplay } from './checks/logs.ts';
import { selfMeasured } from './checks/measured.ts';
import { noteShape, noteSignature } from './checks/note.ts';
import { origin } from './checks/origin.ts';
import { firmwarePcrs, pcrAllowList, sealPcrDigest } from './checks/pcr.ts';
import { approvals, grantPolicy, policySignature } from './checks/policy.ts';
import { recordKey } from './checks/recordkey.ts';
import { revocation } from './checks/revocation.ts';
import * as seal from './checks/seal.ts';
import { sealSelection } from './checks/selection.ts';
import { sealSigner } from './checks/signer.ts';
import { statement } from './checks/statement.ts';
import { TEE_CHECKS } from './checks/tee.ts';
import { recordTime, sealAge } from './checks/time.ts';
import { pathKeys, timestamp } from './checks/timestamp.ts';
import { completion, grantUses } from './checks/uses.ts';
import { witness } from './checks/witness.ts';
import { workloadKey } from './checks/workloadkey.ts';
import type { CheckDefinition, CheckFrame } from './outcome.ts';
import type { Trust } from './trust.ts';

type List = readonly CheckDefinition[];

/** What the record rests on, in its own log and in others. */
const LINEAGE: List = [lineage, foreignLineage, foreignCheckpoint, foreignSeal, closure];

/** What of other systems was imported as the record. */
const IMPORT: List = [importRecord, importContent];

/** Whether the record was allowed to be. */
const GOVERNANCE: List = [
  grant.grantGiven,
  grant.grantOrder,
  grantPolicy,
  policySignature,
  approvals,
  delegation,
  grant.grantWindow,
  grant.grantScope,
  grant.grantCaller,
  grant.grantEnvironment,
  grant.grantRevoked,
  grantUses,
  completion,
];

/** What looks at the quote over the nonce in an answer to one, and at the seal in a bundle. */
const STATE: List = [
  sealClock,
  sealSelection,
  sealPcrDigest,
  firmwarePcrs,
  pcrAllowList,
  selfMeasured,
  firmwareLog,
  logReplay,
  imaList,
  appraisalSignature,
  ...appraisals,
];

/** What the counter shows of the log before and after the record. */
const ANCHORS: List = [anchorCertified, anchorStep, anchorConsistency];

export const CHECKS: List = [
  format,
  statement,
  origin,
  inclusion.inclusionRecord,
  inclusion.inclusionGenesis,
  inclusion.inclusionBoot,
  inclusion.inclusionKeys,
  inclusion.inclusionRelated,
  genesis,
  keyOrder,
  keySuccession,
  bootLink,
  measurements,
  ...LINEAGE,
  recordTime,
  disclosures,
  ...IMPORT,
  ...GOVERNANCE,
  noteShape,
  noteSignature,
  seal.sealMagic,
  seal.sealType,
  seal.sealExtradata,
  seal.sealSignature,
  certificateEncoding,
  certificatePath,
  pathKeys,
  timestamp,
  witness,
  certificateValidity,
  certificateUsage,
  certificateHost,
  revocation,
  akKey,
  assurance,
  sealAge,
  certificatePolicies,
  akAttributes,
  keyAttributes,
  sealSigner,
  recordKey,
  workloadKey,
  bootRun,
  ...STATE,
  counter,
  genesisAnchor,
  inclusion.inclusionAnchors,
  ...ANCHORS,
  ...TEE_CHECKS,
];

const OF_THE_QUOTE: ReadonlySet<CheckDefinition> = new Set(STATE);

/**
 * What an answer is not held to, because it has no record, or because `fresh-anchor` and `fresh-counter` ask for more.
 * Whatever is not named here or above is asked of an answer too: a check is left out on purpose, never forgotten.
 */
const OF_A_RECORD: ReadonlySet<CheckDefinition> = new Set([
  inclusion.inclusionRecord,
  ...LINEAGE,
  disclosures,
  ...IMPORT,
  ...GOVERNANCE,
  workloadKey,
  ...ANCHORS,
]);

/** The nonce says when it is; what was stamped or cosigned before must hold, and none need be there yet. */
const EASED: ReadonlyMap<CheckDefinition, CheckDefinition> = new Map([
  [timestamp, { ...timestamp, concerns: (e) => e.stamps.length > 0, requiredBy: () => false }],
  [witness, { ...witness, concerns: (e) => e.witnessed.given, requiredBy: () => false }],
]);

/** What an answer to a nonce is held to: everything about log, seal, certificate and keys. */
export const FRESH_STATE: List = CHECKS.filter((c) => !OF_A_RECORD.has(c) && !OF_THE_QUOTE.has(c)).map(
  (c) => EASED.get(c) ?? c,
);

/** And what is asked of the quote over the nonce. */
export const FRESH_NOW: List = CHECKS.filter((c) => OF_THE_QUOTE.has(c));

/** Whether this check says anything under this trust file. */
export function applies(check: CheckFrame, trust: Trust): boolean {
  return check.appliesTo === undefined || check.appliesTo(trust);
}

/** Whether a level needs this check under this trust file. */
export function isRequired(check: CheckFrame, trust: Trust): boolean {
  return applies(check, trust) && (check.requiredBy === undefined || check.requiredBy(trust));
}

/** The ids of `checks` that must pass for this trust file to call evidence verified. */
export function requiredIds(checks: readonly CheckFrame[], trust: Trust): string[] {
  return checks.filter((c) => c.level <= trust.minimumLevel && isRequired(c, trust)).map((c) => c.id);
}
