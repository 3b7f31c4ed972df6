/**
 * Judges the seal of another host's checkpoint by that host's certificate alone: no genesis entry, no quoted state, no
 * record is at hand. So it shows as much as level 1 does: the certified attestation key of that host, under the roots of
 * the trust file, signed this checkpoint; and of level 2 what the certificate says of the key.
 */
import { equal } from '../../core/bytes.ts';
import { sealKeyId } from '../../evidence/seal.ts';
import { parseAttest } from '../../evidence/tpm/attest.ts';
import { parseSignature } from '../../evidence/tpm/signature.ts';
import { parseCertificate } from '../../evidence/x509/certificate.ts';
import { parseCrl } from '../../evidence/x509/crl.ts';
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
import type { Evidence, ForeignCheckpoint, ForeignFacts } from '../evidence.ts';
import { gather, type RawChain, type Tools } from '../gather.ts';
import { absent, attempt, type CheckDefinition, derive, got, type Outcome } from '../outcome.ts';
import { findPath } from '../path.ts';
import { timeOf } from '../stamp.ts';
import type { Trust } from '../trust.ts';
import { judgeWitnesses } from '../witness.ts';
import type { ForeignProof } from './proof.ts';

const CHECKS: readonly CheckDefinition[] = [
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

/** The chain whose AK sealed the checkpoint of a proof, and the line; undefined where none of them did. */
function sealedBy({ log, seals }: ForeignProof, chains: readonly RawChain[]) {
  for (const [at, chain] of chains.entries()) {
    const leaf = attempt(() => parseCertificate(chain.chain[0] as Uint8Array));
    if (!leaf.ok) continue;
    const id = sealKeyId(log, leaf.value.spki);
    const found = seals.find(({ line }) => equal(line.keyId, id));
    if (found !== undefined) return { ...found, at, chain };
  }
  return undefined;
}

/** What of a seal can be read without the log: everything else is absent. */
async function evidenceOf(
  { proof }: ForeignProof,
  { line, seal, chain }: NonNullable<ReturnType<typeof sealedBy>>,
  trust: Trust,
  tools: Tools,
): Promise<Evidence> {
  const { verify } = tools;
  const note = got(proof.signed);
  const checkpoint = got(proof.checkpoint);
  const certificates = attempt(() => chain.chain.map(parseCertificate));
  const witnessed = await judgeWitnesses(note, checkpoint, undefined, trust.witnesses);
  const time = timeOf([], witnessed, got(seal), trust);
  const nothing = await gather(absent('of this log a checkpoint alone is given'), trust, tools);
  return {
    ...nothing,
    format: got(true as const),
    note,
    checkpoint,
    sealLine: got(line),
    seal: got(seal),
    attest: derive(got(seal), (s) => parseAttest(s.attest)),
    signature: derive(got(seal), (s) => parseSignature(s.signature)),
    certificates,
    crls: attempt(() => chain.crls.map(parseCrl)),
    ...(await findPath(certificates, trust, time, verify)),
    time,
    witnessed,
  };
}

/** The first fault, or else the first open question that this trust file does not leave open. */
async function judgeSeal(e: Evidence, trust: Trust): Promise<Outcome | undefined> {
  let open: Outcome | undefined;
  for (const check of CHECKS) {
    if (check.appliesTo?.(trust) === false) continue;
    const outcome = await check.run(e, trust, {});
    const said = { ...outcome, sentence: `${check.id}: ${outcome.sentence}` };
    if (outcome.status === 'fail') return said;
    const required = check.level <= trust.minimumLevel && (check.requiredBy?.(trust) ?? true);
    if (outcome.status === 'unknown' && required) open ??= said;
  }
  return open;
}

/**
 * Judges every proof. The certificates of bundles of other logs serve as well; of those that are given for checkpoints
 * alone, each must serve.
 * @returns what came of each proof, and how many certificates served none
 */
export async function judgeForeignProofs(
  proofs: readonly ForeignProof[],
  chains: readonly RawChain[],
  bundles: readonly ForeignFacts[],
  trust: Trust,
  tools: Tools,
): Promise<{ readonly checkpoints: ForeignCheckpoint[]; readonly spare: number }> {
  const all = [...chains, ...bundles.flatMap((b) => (b.chain === undefined ? [] : [b.chain]))];
  const used = new Set<number>();
  const checkpoints: ForeignCheckpoint[] = [];
  for (const proof of proofs) {
    const sealed = sealedBy(proof, all);
    if (sealed === undefined) {
      checkpoints.push({ ...proof, status: 'open' });
      continue;
    }
    used.add(sealed.at);
    const fault = await judgeSeal(await evidenceOf(proof, sealed, trust, tools), trust);
    checkpoints.push({
      ...proof,
      status: fault === undefined ? 'sealed' : fault.status === 'fail' ? 'bad' : 'unknown',
      ...(fault === undefined ? {} : { why: fault.sentence }),
    });
  }
  return { checkpoints, spare: chains.filter((_, i) => !used.has(i)).length };
}
