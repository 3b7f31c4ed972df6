/** The result of a soak: what was done to the host, what it had promised, and what of that it did not keep. */
import type { Kind } from './faults.ts';

export interface SoakReport {
  readonly schema: 'attestd.dev/soak/v1';
  readonly seed: number;
  readonly seconds: number;
  /** Faults of the TPM by kind; power cycles of it; ends of the daemon. */
  readonly faults: Readonly<Record<Kind, number>>;
  readonly resets: number;
  readonly kills: number;
  readonly stops: number;
  /** Ends that a watchdog would have brought about, because the TPM had swallowed a command. */
  readonly watchdog: number;
  /** Ends that nobody asked for. */
  readonly crashes: readonly string[];
  readonly acknowledged: number;
  readonly entries: number;
  readonly seals: number;
  readonly flows: number;
  readonly quotes: number;
  readonly bundles: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly lost: readonly string[];
  readonly forks: readonly string[];
  /** Proofs and bundles that do not hold, and answers that name a fault of the daemon. */
  readonly wrong: readonly string[];
  /** Objects and sessions found in the TPM that nobody needed any more. */
  readonly leaked: readonly string[];
  /** Findings of the audit of the whole log. */
  readonly findings: readonly string[];
  /** Largest resident set of any life of the daemon, bytes. */
  readonly peak: number;
}

/** What must be nothing at all. */
const NOTHING = ['lost', 'forks', 'leaked', 'wrong', 'findings', 'crashes'] as const;

/** What must be something: a soak in which nobody was answered, or nothing went wrong for the host, shows nothing. */
const tried = (r: SoakReport): boolean => {
  const troubles = Object.values(r.faults).reduce((a, b) => a + b, 0) + r.resets + r.kills + r.stops;
  return r.acknowledged > 0 && troubles > 0;
};

/** Whether nothing was lost and nothing was wrong, and there was something to lose. */
export const isClean = (r: SoakReport): boolean => tried(r) && NOTHING.every((what) => r[what].length === 0);

/** The report as a table. */
export function table(r: SoakReport): string {
  const n = (x: number) => x.toLocaleString('en');
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} ${n(count)}`)
      .join(', ') || 'none';
  const injected = Object.values(r.faults).reduce((a, b) => a + b, 0);
  const rows: (readonly [string, string])[] = [
    ['time', `${Math.round(r.seconds)} s, seed ${r.seed}`],
    ['faults of the TPM injected', `${n(injected)} (${counts(r.faults)})`],
    ['power cycles of the TPM', n(r.resets)],
    ['daemon killed', `${n(r.kills)} by SIGKILL, ${n(r.stops)} by SIGTERM, ${n(r.watchdog)} by the watchdog`],
    ['records acknowledged', n(r.acknowledged)],
    ['entries, seals', `${n(r.entries)}, ${n(r.seals)}`],
    ['governed executions, quotes', `${n(r.flows)}, ${n(r.quotes)}`],
    ['bundles verified', n(r.bundles)],
    ['refused meanwhile', counts(r.refused)],
    ['peak memory', `${n(Math.round(r.peak / 1e6))} MB`],
    ['records lost', n(r.lost.length)],
    ['forks', n(r.forks.length)],
    ['handles leaked', n(r.leaked.length)],
    ['wrong answers, proofs or bundles', n(r.wrong.length)],
    ['findings of the audit', n(r.findings.length)],
    ['ends that nobody asked for', n(r.crashes.length)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const sentences = NOTHING.flatMap((what) => r[what].slice(0, 20).map((text) => `${what}: ${text}`));
  if (!tried(r)) sentences.push('nothing was tried: no record was acknowledged, or no trouble was made');
  return `${[...lines, ...sentences].join('\n')}\n`;
}
