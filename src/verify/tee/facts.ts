/** The confidential machine of a bundle: its report, the way to the vendor's root, and what it should have named. */
import { type JsonObject, jcsBytes } from '../../core/json.ts';
import type { Predicate } from '../../evidence/statement.ts';
import type { SignatureVerifier } from '../../evidence/x509/signature.ts';
import type { EntryFacts, TimeFacts } from '../evidence.ts';
import { absent, attempt, broken, derive, got, type Part } from '../outcome.ts';
import { findTeePath, type TeePath } from './path.ts';
import { readTeeReport, type TeeReport } from './report.ts';
import type { TeeTrust } from './trust.ts';

export interface TeeFacts {
  readonly report: TeeReport;
  readonly path: Part<TeePath>;
  /** Milliseconds since 1970 that count as the time of the report, and whose word that is. */
  readonly time: Part<{ readonly ms: number; readonly by: string }>;
  /** Canonical JSON of the boot predicate without the report. */
  readonly boot: Uint8Array;
}

/** Reads it out of the boot entry, for an auditor who asks. Never throws. */
export async function gatherTee(
  boot: Part<EntryFacts>,
  time: Part<TimeFacts>,
  trust: TeeTrust | undefined,
  verify: SignatureVerifier,
): Promise<Part<TeeFacts>> {
  if (trust === undefined) return absent('the trust file says nothing about confidential machines');
  if (!boot.ok) return boot;
  const { statement } = boot.value;
  if (!statement.ok) return statement;
  if (statement.value.kind !== 'boot') return absent('what is given as boot entry is none');
  const { tee, ...rest } = statement.value.predicate as Predicate<'boot'>;
  if (tee === undefined) return absent('the boot entry carries no report of a confidential machine');
  if (tee === 'unreadable') return absent('the daemon could not read the report of its confidential machine');
  const report = attempt(() => readTeeReport(tee, trust));
  if (!report.ok) return broken(report.why);
  return got({
    report: report.value,
    path: await findTeePath(report.value, trust, verify),
    time: timeOf(report.value, time),
    boot: jcsBytes(rest as JsonObject),
  });
}

/** A Nitro document states its time under the vendor's signature; for the others the time of the seal counts. */
function timeOf({ source }: TeeReport, time: Part<TimeFacts>): TeeFacts['time'] {
  if (source.platform === 'nitro')
    return got({ ms: source.document.timeMs, by: 'the clock of the hypervisor' });
  return derive(time, ({ ms, source: by }) => ({
    ms,
    by: by === 'host' ? 'the clock of the host, which the trust file accepts' : String(by),
  }));
}
