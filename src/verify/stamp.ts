/**
 * What the timestamps of a bundle prove about its seal. A token over the seal itself shows that the seal was made before
 * the token. A token over a later seal of the same log shows it too, if both are quotes of the same AK, the later tree
 * has the sealed one as its beginning, and the TPM's own clock says that the bundle's seal came first: resets only grow,
 * and within one reset the clock only runs forward. How much earlier counts only by leave of the trust file (`clockRate`):
 * an owner can set that clock forward (part 3, TPM2_ClockSet). By itself it may be off by 15 % (part 1, accuracy of Clock;
 * the reference code names that tolerance at CLOCK_ADJUST_LIMIT and lets TPM2_ClockRateAdjust go a fifth faster, from 30000
 * to 25000 ticks), so an auditor who excludes the owner writes 1.2, or more for a platform that promises less.
 */
import { equal } from '../core/bytes.ts';
import { sealExtraData } from '../evidence/binding.ts';
import { parseSeal, type Seal, sealKeyId } from '../evidence/seal.ts';
import {
  ATTEST_MAGIC,
  ATTEST_QUOTE,
  type Attest,
  type ClockInfo,
  parseAttest,
} from '../evidence/tpm/attest.ts';
import { parseSignature } from '../evidence/tpm/signature.ts';
import type { Certificate } from '../evidence/x509/certificate.ts';
import type { SignatureVerifier } from '../evidence/x509/signature.ts';
import { type Checkpoint, parseCheckpoint } from '../log/checkpoint.ts';
import { verifyConsistency } from '../log/consistency.ts';
import { type NoteSignature, parseNote } from '../log/note.ts';
import type { StampFacts, TimeFacts } from './evidence.ts';
import type { RawTimestamp } from './gather.ts';
import { absent, derive, got, type Part } from './outcome.ts';
import { attestSigned } from './signed.ts';
import { judgeToken } from './timestamp.ts';
import type { Trust } from './trust.ts';
import type { WitnessFacts } from './witness.ts';

/** The bundle's own seal, taken apart. */
export interface SealedParts {
  readonly sealLine: NoteSignature;
  readonly seal: Seal;
  readonly attest: Attest;
  readonly checkpoint: Checkpoint;
  readonly certificates: readonly Certificate[];
}

/** Judges every timestamp. Never throws for what they say. */
export async function judgeStamps(
  raws: readonly RawTimestamp[],
  parts: Part<SealedParts>,
  trust: Trust,
  verify: SignatureVerifier,
): Promise<StampFacts[]> {
  const out: StampFacts[] = [];
  for (const raw of raws) out.push(await judgeStamp(raw, parts, trust, verify));
  return out;
}

async function judgeStamp(
  raw: RawTimestamp,
  parts: Part<SealedParts>,
  trust: Trust,
  verify: SignatureVerifier,
): Promise<StampFacts> {
  const bad = (fault: string, why: string): StampFacts => ({ status: 'bad', fault, why });
  if (!parts.ok) return { status: 'untrusted', fault: 'timestamp-seal', why: parts.why };
  const authorities = trust.timestamps?.authorities ?? [];
  let message = parts.value.sealLine.signature;
  let earlier = 0;
  if (raw.later !== undefined) {
    const later = await readLater(raw.later, parts.value, trust.timestamps?.clockRate, verify);
    if ('why' in later) return bad(later.fault, later.why);
    message = later.message;
    earlier = later.earlier;
  }
  const verdict = await judgeToken({ token: raw.token, message, authorities, crls: trust.crls, verify });
  if (!verdict.ok) {
    const strange = authorities.length === 0 && verdict.fault === 'timestamp-path-issuer-missing';
    return { status: strange ? 'untrusted' : 'bad', fault: verdict.fault, why: verdict.why };
  }
  const { latest, authority } = verdict.time;
  return { status: 'good', latest: latest - earlier, authority: authority.name ?? 'of the trust file' };
}

type Later = { readonly message: Uint8Array; readonly earlier: number };
type Refused = { readonly fault: string; readonly why: string };

/** The later seal of a chained timestamp, held against the bundle's own. */
async function readLater(
  { note, consistency }: NonNullable<RawTimestamp['later']>,
  own: SealedParts,
  clockRate: number | undefined,
  verify: SignatureVerifier,
): Promise<Later | Refused> {
  const refuse = (fault: string, why: string): Refused => ({ fault, why });
  const [leaf] = own.certificates;
  try {
    const parsed = parseNote(note);
    const checkpoint = parseCheckpoint(parsed.text);
    const [line, ...more] = parsed.signatures;
    if (line === undefined || more.length > 0 || leaf === undefined) {
      return refuse('later-seal-shape', 'the later note is not one seal');
    }
    const { origin } = own.checkpoint;
    const named = line.name === origin && equal(line.keyId, sealKeyId(origin, leaf.spki));
    if (checkpoint.origin !== origin || !named) {
      return refuse('later-seal-shape', 'the later note is not a seal of the same log and key');
    }
    const seal = parseSeal(line.signature);
    const attest = parseAttest(seal.attest);
    const quote = attest.magic === ATTEST_MAGIC && attest.type === ATTEST_QUOTE;
    if (!quote || !equal(attest.extraData, sealExtraData(seal.header, parsed.text))) {
      return refuse('later-seal-quote', 'the later seal is no quote over its checkpoint');
    }
    const why = await attestSigned(verify, leaf, seal.attest, parseSignature(seal.signature));
    if (why !== undefined) return refuse('later-seal-signature', why);
    if (seal.header.seq <= own.seal.header.seq) {
      return refuse('later-seal-order', 'the later seal does not come after that of the bundle');
    }
    if (!verifyConsistency(own.checkpoint, checkpoint, consistency)) {
      return refuse('later-seal-consistency', 'the later log is not a continuation of the sealed one');
    }
    return order(own.attest.clockInfo, attest.clockInfo, line.signature, clockRate);
  } catch (e) {
    return refuse('later-seal-shape', (e as Error).message);
  }
}

/** By the TPM's clock: whether the bundle's seal came first, and by how many milliseconds at least. */
function order(own: ClockInfo, later: ClockInfo, message: Uint8Array, clockRate?: number): Later | Refused {
  const sameReset = own.resetCount === later.resetCount;
  const back =
    own.resetCount > later.resetCount ||
    (sameReset && own.restartCount > later.restartCount) ||
    (sameReset && own.clock > later.clock);
  if (back) return { fault: 'later-seal-clock', why: 'by the clock of the TPM the later seal came first' };
  // Whoever has owner authorisation can set this clock forward (part 3, TPM2_ClockSet), and so make a seal look older than
  // it is: how much older it is, is believed only where the auditor said so.
  const known = sameReset && own.safe && later.safe && clockRate !== undefined;
  return { message, earlier: known ? Math.floor(Number(later.clock - own.clock) / clockRate) : 0 };
}

/** The time that counts: the earliest that is proven, or the host's word where the trust file takes it. */
export function timeOf(
  stamps: readonly StampFacts[],
  witnessed: WitnessFacts,
  seal: Part<Seal>,
  trust: Trust,
): Part<TimeFacts> {
  const proven: TimeFacts[] = stamps.flatMap((s) =>
    s.status === 'good' ? [{ ms: s.latest, source: 'timestamp' as const }] : [],
  );
  if (witnessed.latest !== undefined) proven.push({ ms: witnessed.latest, source: 'witness' });
  const [first] = proven.sort((a, b) => a.ms - b.ms);
  if (first !== undefined) return got(first);
  return trust.acceptHostTime
    ? derive(seal, (s) => ({ ms: s.header.timeMs, source: 'host' as const }))
    : absent('no time is proven, and the trust file does not accept that of the host');
}
