/** What was decided while a policy was made, as a table; and registers as a person names them. */
import { AttestdError } from '../core/errors.ts';
import type { Decision } from '../verify/appraisal/learn.ts';

/** A line for each decision, for a terminal. */
export function decisionTable(decisions: readonly Decision[]): string {
  const width = Math.max(...decisions.map((d) => d.decided.length));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a log says ends up on a terminal
  const tame = (s: string): string => s.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
  return decisions
    .map((d) => `PCR ${String(d.pcr).padStart(2)}  ${d.decided.padEnd(width)}  ${tame(d.why)}\n`)
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
