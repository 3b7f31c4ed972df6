/**
 * The checkpoints by which records of other logs are known, in a bundle and in those that stand in it, and what came of
 * the seal of each by the certificates that are in the file.
 */
import { equal } from '../../core/bytes.ts';
import type { ForeignCheckpoint, ForeignFacts } from '../evidence.ts';
import type { RawChain, Tools } from '../gather.ts';
import type { Trust } from '../trust.ts';
import { type Candidate, createFinder, createReader } from './certified.ts';
import type { ForeignProof } from './proof.ts';
import { createSealJudge } from './seal.ts';
import type { Sighting } from './sighting.ts';

/** What there is to judge at one place: a bundle and the facts of those that stand in it. */
export interface ForeignQuestion {
  /** The proofs that records of this bundle hold. */
  readonly proofs: readonly ForeignProof[];
  /** Certificates that are given for such proofs. */
  readonly chains: readonly RawChain[];
  /** The certificates of the host of this bundle. */
  readonly own?: RawChain;
  readonly bundles: readonly ForeignFacts[];
}

export interface ForeignAnswer {
  readonly checkpoints: readonly ForeignCheckpoint[];
  /** Certificates that are given and serve no checkpoint. */
  readonly spare: number;
  /** What stands under good seals: by these proofs, and by those of bundles that stand in this one. */
  readonly seen: readonly Sighting[];
  /** Proofs of which no certificate at hand says anything; one further out may. */
  readonly open: readonly ForeignProof[];
}

export type ForeignJudge = (question: ForeignQuestion) => Promise<ForeignAnswer>;

/** Judges proofs of one file, at whatever place in it; what it has read and judged it does not again. */
export function createForeignJudge(trust: Trust, tools: Tools): ForeignJudge {
  const read = createReader();
  const judgeSeal = createSealJudge(trust, tools);
  return async ({ proofs, chains, own, bundles }) => {
    const direct = bundles.flatMap((b) => (b.chain === undefined ? [] : [b.chain]));
    const deeper = bundles.flatMap((b) => b.chains);
    const find = createFinder(
      [...chains, ...direct].map(read),
      [...(own === undefined ? [] : [own]), ...deeper].map(read),
    );
    /** The first chain of which the checkpoint has a line, and the line. */
    const sealedBy = ({
      log,
      seals,
    }: ForeignProof): (Candidate & { seal: (typeof seals)[number] }) | undefined => {
      for (const candidate of find(log)) {
        const seal = seals.find(({ line }) => equal(line.keyId, candidate.keyId()));
        if (seal !== undefined) return { ...candidate, seal };
      }
      return undefined;
    };
    const used = new Set<RawChain>();
    const seen = bundles.flatMap((b) => b.seen);
    const open: ForeignProof[] = [];
    const judge = async (proof: ForeignProof): Promise<ForeignCheckpoint> => {
      const by = sealedBy(proof);
      if (by === undefined) {
        open.push(proof);
        return { ...proof, status: 'open' };
      }
      used.add(by.certified.raw);
      const { signed, otherTime, fault } = await judgeSeal(proof, by.seal, by.certified);
      if (signed) seen.push({ log: proof.log, inclusion: proof.inclusion });
      if (fault === undefined) return { ...proof, status: 'sealed' };
      const why = fault.sentence;
      // A certificate that is here for another reason may be of another time than the seal, and says nothing of it then.
      if (!by.given && (otherTime || fault.status === 'unknown')) return { ...proof, status: 'open', why };
      return { ...proof, status: fault.status === 'fail' ? 'bad' : 'unknown', why };
    };
    const checkpoints: ForeignCheckpoint[] = [];
    for (const proof of proofs) checkpoints.push(await judge(proof));
    // What bundles in this one hold was judged there; here it is only looked at for another side of a log.
    for (const proof of bundles.flatMap((b) => b.open)) await judge(proof);
    return { checkpoints, spare: chains.filter((c) => !used.has(c)).length, seen, open };
  };
}
