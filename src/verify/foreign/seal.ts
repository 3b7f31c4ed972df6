/**
 * Judges the seal of another host's checkpoint by that host's certificate alone: no genesis entry, no quoted state, no
 * record is at hand. So it shows as much as level 1 does: the certified attestation key of that host, under the roots of
 * the trust file, signed this checkpoint; and of level 2 what the certificate says of the key.
 */
import { toBase64 } from '../../core/bytes.ts';
import { parseAttest } from '../../evidence/tpm/attest.ts';
import { parseSignature } from '../../evidence/tpm/signature.ts';
import {
  certificateEncoding,
  certificateHost,
  certificatePath,
  certificatePolicies,
  certificateUsage,
  certificateValidity,
} from '../checks/certificate.ts';
import { revocation } from '../checks/revocation.ts';
import { sealExtradata, sealMagic, sealSignature, sealType } from '../checks/seal.ts';
import { pathKeys } from '../checks/timestamp.ts';
import type { Evidence } from '../evidence.ts';
import { gather, type Tools } from '../gather.ts';
import { absent, type CheckDefinition, derive, fail, got, type Outcome } from '../outcome.ts';
import { findPath } from '../path.ts';
import { timeOf } from '../stamp.ts';
import type { Trust } from '../trust.ts';
import { judgeWitnesses } from '../witness.ts';
import type { Certified } from './certified.ts';
import type { ForeignProof } from './proof.ts';

/** Everything that the seal is held to. */
export const SEAL_CHECKS: readonly CheckDefinition[] = [
  sealMagic,
  sealType,
  sealExtradata,
  sealSignature,
  certificateEncoding,
  certificatePath,
  pathKeys,
  certificateValidity,
  certificateUsage,
  certificateHost,
  revocation,
  certificatePolicies,
];

/** What may fail of a seal that the certified key of that host made all the same: it speaks of the certificate's time and worth. */
const OF_THE_CERTIFICATE: readonly CheckDefinition[] = [
  pathKeys,
  certificateValidity,
  revocation,
  certificatePolicies,
];

/** What came of a seal. */
export interface Judged {
  /** Nothing speaks against it, or only that the certificate is of another time than it. */
  readonly signed: boolean;
  /** Every fault, or else the first open question that this trust file does not leave open. */
  readonly fault?: Outcome;
  /** Whether all that is wrong is the time of the certificate: it may have been renewed since. */
  readonly otherTime: boolean;
}

type SealLine = ForeignProof['seals'][number];

/** Judges the seal of a proof by a chain; the same seal by the same chain at the same time once. */
export type SealJudge = (proof: ForeignProof, line: SealLine, by: Certified) => Promise<Judged>;

export function createSealJudge(trust: Trust, tools: Tools): SealJudge {
  const kit: Tools = { ...tools, verify: remembering(tools.verify) };
  const known = new WeakMap<Certified, Map<string, Promise<Judged>>>();
  let nothing: Promise<Evidence> | undefined;
  return async ({ proof }, { line, seal }, by) => {
    const note = got(proof.signed);
    const checkpoint = got(proof.checkpoint);
    const witnessed = await judgeWitnesses(note, checkpoint, undefined, trust.witnesses);
    const time = timeOf([], witnessed, got(seal), trust);
    const when = time.ok ? `${time.value.source} ${time.value.ms}` : '';
    const id = `${when}\n${toBase64(line.signature)}\n${proof.signed.text}`;
    const answers = known.get(by) ?? new Map<string, Promise<Judged>>();
    known.set(by, answers);
    const judge = async (): Promise<Judged> => {
      nothing ??= gather(absent('of this log a checkpoint alone is given'), trust, kit);
      const e: Evidence = {
        ...(await nothing),
        format: got(true as const),
        note,
        checkpoint,
        sealLine: got(line),
        seal: got(seal),
        attest: derive(got(seal), (s) => parseAttest(s.attest)),
        signature: derive(got(seal), (s) => parseSignature(s.signature)),
        certificates: by.certificates,
        crls: by.crls,
        ...(await findPath(by.certificates, trust, time, kit.verify)),
        time,
        witnessed,
      };
      return judgeSeal(e, trust);
    };
    const answer = answers.get(id) ?? judge();
    answers.set(id, answer);
    return answer;
  };
}

async function judgeSeal(e: Evidence, trust: Trust): Promise<Judged> {
  const failed: string[] = [];
  let open: Outcome | undefined;
  let signed = true;
  let timeless = true;
  for (const check of SEAL_CHECKS) {
    if (check.appliesTo?.(trust) === false) continue;
    const outcome = await check.run(e, trust, {});
    const sentence = `${check.id}: ${outcome.sentence}`;
    const ofTime = check === certificateValidity;
    if (outcome.status === 'fail') {
      failed.push(sentence);
      if (!ofTime) timeless = false;
    }
    if (outcome.status !== 'pass' && !OF_THE_CERTIFICATE.includes(check)) signed = false;
    const required = check.level <= trust.minimumLevel && (check.requiredBy?.(trust) ?? true);
    if (outcome.status === 'unknown' && required) open ??= { ...outcome, sentence };
  }
  const fault = failed.length > 0 ? fail(failed.join(' ')) : open;
  return {
    signed: signed && timeless,
    otherTime: failed.length > 0 && timeless,
    ...(fault === undefined ? {} : { fault }),
  };
}

/**
 * The same answer for the same bytes in the same place: a list of revocations of megabytes is hashed once, and not again
 * for each seal by its chain.
 */
function remembering(verify: Tools['verify']): Tools['verify'] {
  const known = new WeakMap<
    Uint8Array,
    { readonly by: Parameters<Tools['verify']>; answer: Promise<boolean> }[]
  >();
  return (...by) => {
    const [key, algorithm, message, signature] = by;
    const answers = known.get(message) ?? [];
    known.set(message, answers);
    const found = answers.find(
      ({ by: [k, a, , s] }) => k.spki === key.spki && a === algorithm && s === signature,
    );
    if (found !== undefined) return found.answer;
    const answer = verify(...by);
    answers.push({ by, answer });
    return answer;
  };
}
