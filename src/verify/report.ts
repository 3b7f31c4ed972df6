/**
 * The report: what a verifier says, the same from command line, library and page. Every sentence comes from a check
 * that ran; nothing here states success on its own.
 */
import { toHex } from '../core/bytes.ts';
import { ERRORS } from '../core/errors.ts';
import { type JsonObject, jcs } from '../core/json.ts';
import { formatTime } from '../core/time.ts';
import { importOf } from './checks/imported.ts';
import { matchingLaunch } from './checks/tee.ts';
import type { Evidence } from './evidence.ts';
import type { CheckFrame } from './outcome.ts';
import { type SoftwareFacts, softwareOf } from './software.ts';
import { isRequired, requiredIds } from './table.ts';
import type { Trust } from './trust.ts';
import { type Check, type Level, levelOf, type Verdict, verdictOf } from './verdict.ts';

export const REPORT_SCHEMA = 'attestd.dev/report/v1';

/** What the record is, as far as it could be read; says nothing about whether it is true. */
export interface RecordFacts {
  readonly digest: string;
  readonly index: number;
  readonly kind?: string;
  readonly id?: string;
  readonly log?: string;
  /** Times by the host's clock. */
  readonly time?: string;
  readonly sealed?: string;
  /** Of a record of others that was imported: what it proves by itself, never more. */
  readonly imported?: { readonly format: string; readonly proved: string; readonly certificateHash: string };
  /** Entries in the sealed tree. */
  readonly size?: number;
}

/** A check in the report, with the level that needs it. */
export interface ReportedCheck extends Check {
  readonly level: Exclude<Level, 0>;
  /** Whether this verdict needed it. */
  readonly required: boolean;
}

export interface Report {
  readonly schema: typeof REPORT_SCHEMA;
  readonly verdict: Verdict;
  /** The file is no bundle at all. */
  readonly malformed: boolean;
  /** A software root vouches for this: it shows how evidence looks, not what a machine did. */
  readonly simulated: boolean;
  /** The highest level reached. */
  readonly level: Level;
  readonly minimumLevel: Level;
  readonly record?: RecordFacts;
  /** There only where every check of the machine passed: the TPM key lives inside this confidential machine. */
  readonly confidential?: { readonly platform: string; readonly measurement: string };
  /** The software that the record was made under; absent where the evidence does not show it. */
  readonly software?: SoftwareFacts;
  readonly checks: readonly ReportedCheck[];
  /** What not even a verified bundle shows. */
  readonly notClaimed: readonly string[];
}

const NOT_CLAIMED: readonly string[] = [
  'That a permitted caller told the truth about what it did.',
  'That nothing happened between two seals.',
  'That no newer record exists in this log.',
  'That the machine in front of you is the one whose TPM signed.',
];

/**
 * Puts the report together.
 * @param table the checks that belong to this kind of evidence
 * @param checks their outcomes
 */
export function makeReport(
  e: Evidence,
  trust: Trust,
  table: readonly CheckFrame[],
  checks: readonly Check[],
): Report {
  const required = requiredIds(table, trust);
  const levels = table.map((c) => [c.id, isRequired(c, trust) ? c.level : undefined] as const);
  const record = recordFacts(e);
  return {
    schema: REPORT_SCHEMA,
    verdict: verdictOf(checks, required),
    malformed: !e.format.ok,
    simulated: e.path.ok && e.path.value.root.kind === 'software',
    level: levelOf(checks, levels),
    minimumLevel: trust.minimumLevel,
    ...(record === undefined ? {} : { record }),
    ...confidential(e, trust, checks),
    ...software(e, trust, checks),
    checks: checks.map((c) => {
      const definition = table.find((d) => d.id === c.id);
      return { ...c, level: definition?.level ?? 1, required: required.includes(c.id) };
    }),
    notClaimed: NOT_CLAIMED,
  };
}

/** Named only where nothing speaks against the seal, the machine or the measurements themselves. */
function software(e: Evidence, trust: Trust, checks: readonly Check[]): Pick<Report, 'software'> {
  const found = checks.some((c) => c.status === 'fail') ? undefined : softwareOf(e, trust);
  return found === undefined ? {} : { software: found };
}

function confidential(e: Evidence, trust: Trust, checks: readonly Check[]): Pick<Report, 'confidential'> {
  if (!e.tee.ok || trust.tee === undefined) return {};
  // The binding names the key in force at the boot entry: that it is the certified one, or that the certified one took
  // its place, is what these say.
  const keys = ['ak-key', 'key-order', 'key-succession', 'key-attributes'];
  const asked = checks.filter(
    (c) => keys.includes(c.id) || (c.id.startsWith('tee-') && c.id !== 'tee-revocation'),
  );
  const withdrawn = checks.some((c) => c.id === 'tee-revocation' && c.status === 'fail');
  const launch = matchingLaunch(e.tee.value, trust.tee);
  if (withdrawn || launch === undefined || !asked.every((c) => c.status === 'pass')) return {};
  return { confidential: { platform: launch.platform, measurement: launch.name } };
}

function recordFacts(e: Evidence): RecordFacts | undefined {
  if (!e.record.ok) return undefined;
  const { digest, index, statement } = e.record.value;
  const imported = importOf(e)?.predicate;
  return {
    digest: toHex(digest),
    index,
    ...(statement.ok ? { kind: statement.value.kind, ...named(statement.value.predicate) } : {}),
    ...(imported === undefined
      ? {}
      : {
          imported: {
            format: imported.format,
            proved: imported.proved,
            certificateHash: imported.source.certificateHash,
          },
        }),
    ...(e.seal.ok ? { sealed: formatTime(e.seal.value.header.timeMs) } : {}),
    ...(e.checkpoint.ok ? { size: e.checkpoint.value.size } : {}),
  };
}

function named(p: JsonObject): { id?: string; log?: string; time?: string } {
  const out: { id?: string; log?: string; time?: string } = {};
  for (const name of ['id', 'log', 'time'] as const) {
    const value = p[name];
    if (typeof value === 'string') out[name] = value;
  }
  return out;
}

/** The exit status of a command that printed this report (one table: core/errors.ts). */
export function exitStatus(report: Report): number {
  if (report.malformed) return ERRORS.MALFORMED.exit;
  if (report.verdict === 'rejected') return ERRORS.REJECTED.exit;
  return report.verdict === 'verified' ? 0 : ERRORS.INDETERMINATE.exit;
}

/** One JSON document, RFC 8785, with a newline. */
export function printReport(report: Report): string {
  return `${jcs(report)}\n`;
}
