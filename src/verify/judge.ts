/** Runs every check over gathered evidence. All of them run, always: the first fault must not hide the others. */
import { readStatement } from '../evidence/statement.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import { edgesIn } from './checks/foreign.ts';
import { freshChecks } from './checks/fresh.ts';
import type { Evidence, ForeignFacts, ForeignProofs } from './evidence.ts';
import { createForeignJudge, type ForeignJudge } from './foreign/checkpoints.ts';
import { foreignProof } from './foreign/proof.ts';
import { sightingsOf } from './foreign/sighting.ts';
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
  const tools = options.tools ?? TOOLS;
  const frame = { trust, options, tools, ask: createForeignJudge(trust, tools), depth: 0 };
  return (await judgeAt(raw, frame)).report;
}

/** What stays the same from a bundle to those that stand in it, and how deep they do. */
interface Frame {
  readonly trust: Trust;
  readonly options: JudgeOptions;
  readonly tools: Tools;
  readonly ask: ForeignJudge;
  readonly depth: number;
}

/** How deep bundles of other logs may stand in each other. */
const MAX_DEPTH = 8;

/** What is handed from a bundle to the one in which it stands. */
interface Judged {
  readonly report: Report;
  readonly found: Pick<ForeignFacts, 'seen' | 'open' | 'chains'>;
}

const NOTHING: Judged['found'] = { seen: [], open: [], chains: [] };

/** What bundles of other logs come to, one after the other, so that only one is open at a time. */
async function judgeForeign(bundles: readonly Uint8Array[], frame: Frame): Promise<ForeignFacts[]> {
  const out: ForeignFacts[] = [];
  for (const bytes of bundles) {
    if (frame.depth > MAX_DEPTH) {
      const why = `bundles stand in each other deeper than ${MAX_DEPTH}`;
      out.push({ verdict: 'indeterminate', why, ...NOTHING });
      continue;
    }
    const raw = attempt(() => readBundle(bytes));
    const { report, found } = await judgeAt(raw, frame);
    const { record, verdict, checks } = report;
    const status = verdict === 'rejected' ? 'fail' : 'unknown';
    const first = checks.find((c) => c.status === status && (status === 'fail' || c.required));
    out.push({
      ...(record === undefined ? {} : { digest: record.digest }),
      ...(record?.log === undefined ? {} : { log: record.log }),
      verdict,
      why: first === undefined ? 'no check of it speaks' : `${first.id}: ${first.sentence}`,
      ...(raw.ok ? { chain: chainOf(raw.value) } : {}),
      // Where nothing fails, the certified key of that host made the seal: a seal that is not shown to be its own rejects.
      ...(verdict === 'rejected' ? NOTHING : found),
    });
  }
  return out;
}

const chainOf = ({ chain, crls }: RawEvidence): RawChain => ({ chain, crls });

/** The parents of other logs that are known by a checkpoint, and what the file shows of logs beside them. */
async function judgeProofs(e: Evidence, raw: Part<RawEvidence>, { ask }: Frame) {
  const read = edgesIn(e).flatMap((edge) => foreignProof(edge) ?? []);
  const proofs = read.flatMap((p) => (p.ok ? [p.value] : []));
  const broken = read.flatMap((p) => (p.ok ? [] : [p.why]));
  const chains = raw.ok ? (raw.value.foreignChains ?? []) : [];
  const own = raw.ok ? { own: chainOf(raw.value) } : {};
  const { checkpoints, spare, seen, open } = await ask({ proofs, chains, ...own, bundles: e.foreign });
  const all = [...(raw.ok ? sightingsOf(raw.value) : []), ...seen];
  const deeper = e.foreign.flatMap((f) => [...(f.chain === undefined ? [] : [f.chain]), ...f.chains]);
  const foreignProofs: ForeignProofs = { broken, checkpoints, spare, seen: all };
  return { foreignProofs, found: { seen: all, open, chains: [...chains, ...deeper] } };
}

async function judgeAt(raw: Part<RawEvidence>, frame: Frame): Promise<Judged> {
  const { trust, options, tools } = frame;
  const inside = { ...frame, depth: frame.depth + 1 };
  const foreign = raw.ok ? await judgeForeign(raw.value.foreign ?? [], inside) : [];
  const gathered = { ...(await gather(raw, trust, tools, options)), foreign };
  const { foreignProofs, found } = await judgeProofs(gathered, raw, frame);
  const e = { ...gathered, foreignProofs };
  const bound = CHECKS.filter((c) => applies(c, trust) && (c.concerns?.(e, trust) ?? true)).map((c) => ({
    ...c,
    ask: () => c.run(e, trust, options),
  }));
  return { report: makeReport(e, trust, CHECKS, await outcomes(bound)), found };
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
