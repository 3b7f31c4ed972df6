/**
 * The verdict algebra (design: Verdicts). A check is pass, fail or unknown. Evidence is verified only when every check
 * that the policy requires is present and passes; one fail rejects; everything else is indeterminate. A check that
 * did not run never counts as passed, so an empty list is indeterminate.
 */

export type Status = 'pass' | 'fail' | 'unknown';
export type Verdict = 'verified' | 'rejected' | 'indeterminate';

/** What an auditor can ask for, and what evidence can reach; 0 is nothing. */
export type Level = 0 | 1 | 2 | 3 | 4;

/** The outcome of one check, as it stands in the report. */
export interface Check {
  /** Stable name, kebab-case. */
  readonly id: string;
  readonly status: Status;
  /** One sentence that stands alone. */
  readonly sentence: string;
  /** Which of its conditions is broken, where a check has several. */
  readonly fault?: string;
  /** What was wanted and what was there, where that says more than the sentence. */
  readonly expected?: string;
  readonly actual?: string;
}

/**
 * The verdict over these checks.
 * @param required ids that must be present and pass; none at all gives indeterminate
 */
export function verdictOf(checks: readonly Check[], required: readonly string[]): Verdict {
  if (checks.some((c) => c.status === 'fail')) return 'rejected';
  if (required.length === 0) return 'indeterminate';
  const passed = (id: string) => {
    const found = checks.filter((c) => c.id === id);
    return found.length === 1 && found[0]?.status === 'pass';
  };
  return required.every(passed) ? 'verified' : 'indeterminate';
}

/**
 * The highest level of which every check, and every check of the levels below, passes.
 * @param levelOf the level that a check belongs to; undefined for one that no level needs
 */
export function levelOf(
  checks: readonly Check[],
  ids: readonly (readonly [string, Level | undefined])[],
): Level {
  let reached: Level = 0;
  for (const level of [1, 2, 3, 4] as const) {
    const needed = ids.filter(([, l]) => l === level).map(([id]) => id);
    if (needed.length === 0 || verdictOf(checks, needed) !== 'verified') break;
    reached = level;
  }
  return reached;
}
