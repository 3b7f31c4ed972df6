/**
 * The verifier: a bundle or an answer to a nonce, a trust file, and a report. It reads no clock, no file and no
 * network, gives the same report for the same input everywhere, and never throws for what evidence says.
 *
 * @example
 * const report = await verifyBundle(bundleBytes, parseTrust(trustBytes));
 * console.log(report.verdict, report.level); // 'verified' 3
 */
import { fromBase64, utf8 } from '../core/bytes.ts';
import { type ProvedBytes, parseBundle, readLogs, readProved } from '../evidence/bundle.ts';
import type { BundleTimestamp, ProvedAnchor } from '../evidence/schema/bundle.ts';
import { splitProof } from '../log/proof.ts';
import { readFresh } from './fresh.ts';
import type { RawAnchor, RawEvidence, RawTimestamp } from './gather.ts';
import { type JudgeOptions, judge, judgeFresh } from './judge.ts';
import { attempt } from './outcome.ts';
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

/** The parts of a bundle in bytes. @throws MALFORMED, TOO_LARGE */
export function readBundle(bytes: Uint8Array): RawEvidence {
  const bundle = parseBundle(bytes);
  const { index, hashes, note } = splitProof(utf8(bundle.record.proof));
  const record: ProvedBytes = { entry: fromBase64(bundle.record.entry), index, hashes };
  const { anchors } = bundle;
  return {
    note,
    record,
    genesis: readProved(bundle.genesis),
    boot: readProved(bundle.boot),
    measurements: bundle.measurements.map(readProved),
    related: bundle.related.map(readProved),
    ...(anchors === undefined ? {} : { anchor: readAnchor(anchors.covering) }),
    ...(anchors?.previous === undefined ? {} : { previousAnchor: readAnchor(anchors.previous) }),
    ...(bundle.pcrs === undefined ? {} : { pcrs: bundle.pcrs }),
    ...(bundle.logs === undefined ? {} : { logs: readLogs(bundle.logs) }),
    chain: bundle.chain.map(fromBase64),
    crls: bundle.crls.map(fromBase64),
    ...(bundle.timestamps === undefined ? {} : { timestamps: bundle.timestamps.map(readTimestamp) }),
    disclosures: bundle.disclosures,
  };
}

const readTimestamp = ({ token, later }: BundleTimestamp): RawTimestamp => ({
  token: fromBase64(token),
  ...(later === undefined
    ? {}
    : { later: { note: utf8(later.note), consistency: later.consistency.map(fromBase64) } }),
});

const readAnchor = (anchor: ProvedAnchor): RawAnchor => ({
  ...readProved(anchor),
  consistency: anchor.consistency.map(fromBase64),
});
