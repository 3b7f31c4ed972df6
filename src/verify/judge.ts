/** Runs every check over gathered evidence. All of them run, always: the first fault must not hide the others. */
import { type SignatureVerifier, verifySignature } from '../evidence/x509/signature.ts';
import { gather, type RawEvidence } from './gather.ts';
import type { Circumstances, Part } from './outcome.ts';
import { makeReport, type Report } from './report.ts';
import { applies, CHECKS } from './table.ts';
import type { Trust } from './trust.ts';
import type { Check } from './verdict.ts';

export interface JudgeOptions extends Circumstances {
  /** Verifies signatures; absent: WebCrypto of the platform. */
  readonly verifier?: SignatureVerifier;
}

/** The report over these parts; a fault inside a check makes it unknown and never passes. */
export async function judge(
  raw: Part<RawEvidence>,
  trust: Trust,
  options: JudgeOptions = {},
): Promise<Report> {
  const evidence = await gather(raw, trust, options.verifier ?? verifySignature);
  const checks: Check[] = [];
  for (const { id, run } of CHECKS.filter((check) => applies(check, trust))) {
    try {
      checks.push({ id, ...(await run(evidence, trust, options)) });
    } catch (e) {
      checks.push({ id, status: 'unknown', sentence: `cannot be judged: ${(e as Error).message}` });
    }
  }
  return makeReport(evidence, trust, checks);
}
