/** Runs every check over gathered evidence. All of them run, always: the first fault must not hide the others. */
import { readStatement } from '../evidence/statement.ts';
import { verifySignature } from '../evidence/x509/signature.ts';
import { freshChecks } from './checks/fresh.ts';
import { gatherFresh, type RawFresh } from './fresh.ts';
import { gather, type RawEvidence, type Tools } from './gather.ts';
import type { Attachments } from './ima/facts.ts';
import type { CheckDefinition, CheckFrame, Circumstances, Outcome, Part } from './outcome.ts';
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
  const e = await gather(raw, trust, options.tools ?? TOOLS, options);
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
    checks.filter((c) => applies(c, trust)).map((c) => ({ ...c, ask: () => c.run(e, trust, options) }));
  const fresh = freshChecks(nonce).map((c) => ({ ...c, ask: () => c.run(f) }));
  const bound = [...bind(FRESH_STATE, f.state), ...fresh, ...bind(FRESH_NOW, f.now)];
  return makeReport(f.state, trust, bound, await outcomes(bound));
}
