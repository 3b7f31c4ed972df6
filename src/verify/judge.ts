/** Runs every check over gathered evidence. All of them run, always: the first fault must not hide the others. */
import { readStatement } from '../evidence/statement.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import { parseCheckpoint } from '../log/checkpoint.ts';
import type { Inclusion } from '../log/inclusion.ts';
import { leafHash } from '../log/merkle.ts';
import { parseNote } from '../log/note.ts';
import { edgesIn } from './checks/foreign.ts';
import { freshChecks } from './checks/fresh.ts';
import type { Evidence, ForeignFacts, ForeignProofs } from './evidence.ts';
import { foreignProof } from './foreign/proof.ts';
import { judgeForeignProofs } from './foreign/seal.ts';
import { gatherFresh, type RawFresh } from './fresh.ts';
import { gather, type RawChain, type RawEvidence, type Tools } from './gather.ts';
import type { Attachments } from './ima/facts.ts';
import {
  attempt,
  type CheckDefinition,
  type CheckFrame,
  type Circumstances,
  type Outcome,
  type Part,
} from './outcome.ts';
import { readBundle } from './read.ts';
import { makeReport, type Report } from './report.ts';
import { applies, CHECKS, FRESH_NOW, FRESH_STATE } from './table.ts';
import type { Trust } from './trust.ts';
import type { Check } from './verdict.ts';

export interface JudgeOptions extends Circumstances {
  /** Files beside the bundle, by digest; absent: there are none. */
  readonly attachments?: Attachments;
  /** Absent: WebCrypto of the platform, and the reader of the evidence floor. */
  readonly tools?: Tools;
}

/** What is used where nothing is passed in. */
const TOOLS: Tools = { verify: verifySignature, readStatement };

/** A check with its evidence at hand. */
interface Bound extends CheckFrame {
  readonly ask: () => Outcome | Promise<Outcome>;
}

/** The outcomes; a fault inside a check makes it unknown and never passes. */
async function outcomes(checks: readonly Bound[]): Promise<Check[]> {
  const out: Check[] = [];
  for (const { id, ask } of checks) {
    try {
      out.push({ id, ...(await ask()) });
    } catch (e) {
      out.push({ id, status: 'unknown', sentence: `cannot be judged: ${(e as Error).message}` });
    }
  }
  return out;
}

/** The report over the parts of a bundle. */
export async function judge(
  raw: Part<RawEvidence>,
  trust: Trust,
  options: JudgeOptions = {},
): Promise<Report> {
  return judgeAt(raw, trust, options, 0);
}

/** How deep bundles of other logs may stand in each other. */
const MAX_DEPTH = 8;

/** What bundles of other logs come to, one after the other, so that only one is open at a time. */
async function judgeForeign(
  bundles: readonly Uint8Array[],
  trust: Trust,
  options: JudgeOptions,
  depth: number,
): Promise<ForeignFacts[]> {
  const out: ForeignFacts[] = [];
  for (const bytes of bundles) {
    if (depth > MAX_DEPTH) {
      out.push({ verdict: 'indeterminate', why: `bundles stand in each other deeper than ${MAX_DEPTH}` });
      continue;
    }
    const raw = attempt(() => readBundle(bytes));
    const { record, verdict, checks } = await judgeAt(raw, trust, options, depth);
    const status = verdict === 'rejected' ? 'fail' : 'unknown';
    const first = checks.find((c) => c.status === status && (status === 'fail' || c.required));
    out.push({
      ...(record === undefined ? {} : { digest: record.digest }),
      ...(record?.log === undefined ? {} : { log: record.log }),
      verdict,
      why: first === undefined ? 'no check of it speaks' : `${first.id}: ${first.sentence}`,
      ...(raw.ok ? { inclusions: inclusionsOf(raw.value), chain: chainOf(raw.value) } : {}),
    });
  }
  return out;
}

const chainOf = ({ chain, crls }: RawEvidence): RawChain => ({ chain, crls });

/** The proofs of a bundle, each under its one checkpoint; none where that cannot be read. */
function inclusionsOf(raw: RawEvidence): Inclusion[] {
  const head = attempt(() => parseCheckpoint(parseNote(raw.note).text));
  if (!head.ok) return [];
  return [raw.record, raw.genesis, raw.boot, ...raw.related].map(({ entry, index, hashes }) => ({
    index,
    size: head.value.size,
    leafHash: leafHash(entry),
    proof: hashes,
  }));
}

/** The parents of other logs that are known by a checkpoint. */
async function judgeProofs(
  e: Evidence,
  raw: Part<RawEvidence>,
  trust: Trust,
  tools: Tools,
): Promise<ForeignProofs> {
  const read = edgesIn(e).flatMap((edge) => foreignProof(edge) ?? []);
  const proofs = read.flatMap((p) => (p.ok ? [p.value] : []));
  const broken = read.flatMap((p) => (p.ok ? [] : [p.why]));
  const chains = raw.ok ? (raw.value.foreignChains ?? []) : [];
  return { broken, ...(await judgeForeignProofs(proofs, chains, e.foreign, trust, tools)) };
}

async function judgeAt(
  raw: Part<RawEvidence>,
  trust: Trust,
  options: JudgeOptions,
  depth: number,
): Promise<Report> {
  const foreign = raw.ok ? await judgeForeign(raw.value.foreign ?? [], trust, options, depth + 1) : [];
  const tools = options.tools ?? TOOLS;
  const gathered = { ...(await gather(raw, trust, tools, options)), foreign };
  const e = { ...gathered, foreignProofs: await judgeProofs(gathered, raw, trust, tools) };
  const bound = CHECKS.filter((c) => applies(c, trust) && (c.concerns?.(e, trust) ?? true)).map((c) => ({
    ...c,
    ask: () => c.run(e, trust, options),
  }));
  return makeReport(e, trust, CHECKS, await outcomes(bound));
}

/** The report over the parts of an answer to `nonce`. */
export async function judgeFresh(
  raw: Part<RawFresh>,
  nonce: Uint8Array,
  trust: Trust,
  options: JudgeOptions = {},
): Promise<Report> {
  const f = await gatherFresh(raw, trust, options.tools ?? TOOLS, options);
  const bind = (checks: readonly CheckDefinition[], e: typeof f.state): Bound[] =>
    checks
      .filter((c) => applies(c, trust) && (c.concerns?.(e, trust) ?? true))
      .map((c) => ({ ...c, ask: () => c.run(e, trust, options) }));
  const fresh = freshChecks(nonce).map((c) => ({ ...c, ask: () => c.run(f) }));
  const bound = [...bind(FRESH_STATE, f.state), ...fresh, ...bind(FRESH_NOW, f.now)];
  return makeReport(f.state, trust, bound, await outcomes(bound));
}
