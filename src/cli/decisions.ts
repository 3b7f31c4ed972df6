/** What was decided while a policy was made, as a table; and registers as a person names them. */
import { AttestdError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import type { Decision } from '../verify/appraisal/learn.ts';

/** A line for each decision, for a terminal. */
export function decisionTable(decisions: readonly Decision[]): string {
  const width = Math.max(...decisions.map((d) => d.decided.length));
  return decisions
    .map((d) => `PCR ${String(d.pcr).padStart(2)}  ${d.decided.padEnd(width)}  ${printable(d.why)}\n`)
    .join('');
}

/** @param field the option that it stands in @throws USAGE */
export function pcrOf(word: string, field: string): number {
  const pcr = Number(word);
  if (!/^\d{1,2}$/.test(word) || pcr > 23) {
    throw new AttestdError('USAGE', `not a register: ${word}`, { field });
  }
  return pcr;
}
