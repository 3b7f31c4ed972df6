/**
 * The verifier: a bundle or an answer to a nonce, a trust file, and a report. It reads no clock, no file and no
 * network, gives the same report for the same input everywhere, and never throws for what evidence says.
 *
 * @example
 * const report = await verifyBundle(bundleBytes, parseTrust(trustBytes));
 * console.log(report.verdict, report.level); // 'verified' 3
 */
import { readFresh } from './fresh.ts';
import { type JudgeOptions, judge, judgeFresh } from './judge.ts';
import { attempt } from './outcome.ts';
import { readBundle } from './read.ts';
import type { Report } from './report.ts';
import type { Trust } from './trust.ts';

/**
 * Verifies an evidence bundle.
 * @param bytes the file as it is
 * @param trust see `parseTrust`
 * @returns the whole report, whatever the bytes
 */
export async function verifyBundle(
  bytes: Uint8Array,
  trust: Trust,
  options: JudgeOptions = {},
): Promise<Report> {
  return judge(
    attempt(() => readBundle(bytes)),
    trust,
    options,
  );
}

/**
 * Verifies the answer to an auditor's nonce: that the host has the newest state of its log, and what state it is in.
 * @param bytes the file as it is
 * @param nonce what the auditor sent, 16 to 64 random bytes used once
 */
export async function verifyFresh(
  bytes: Uint8Array,
  nonce: Uint8Array,
  trust: Trust,
  options: JudgeOptions = {},
): Promise<Report> {
  return judgeFresh(
    attempt(() => readFresh(bytes)),
    nonce,
    trust,
    options,
  );
}
