/** What goes wrong with the TPM while the daemon works: one fault at a time, each of a kind, chosen by chance. */
import type { Fault, FaultProxy } from '../test/kit/proxy.ts';
import type { Dice } from './dice.ts';

export const KINDS = ['delay', 'response code', 'truncation', 'EOF', 'hang'] as const;
export type Kind = (typeof KINDS)[number];

/**
 * RETRY, YIELDED, TESTING, NV_RATE, OBJECT_MEMORY, SESSION_MEMORY, CONTEXT_GAP, SESSION_HANDLES, REFERENCE_H0
 * (TPM 2.0 Part 2 §6.6.3): what a TPM or a resource manager says in passing.
 */
const CODES = [0x922, 0x908, 0x90a, 0x920, 0x902, 0x903, 0x901, 0x905, 0x910];
const CUTS = [0, 2, 5, 9, 10, 12, 30];
const DELAYS_MS = [20, 100, 400, 900];

const FAULTS: Readonly<Record<Kind, (dice: Dice) => Fault>> = {
  delay: (dice) => ({ delayMs: dice.of(DELAYS_MS) }),
  'response code': (dice) => ({ rc: dice.of(CODES) }),
  truncation: (dice) => ({ truncate: dice.of(CUTS) }),
  EOF: (dice) => ({ eof: dice.of(['before', 'after'] as const) }),
  hang: () => ({ hang: true }),
};
/** Out of twelve: a TPM that hangs takes seconds, everything else is over at once. */
const ODDS: readonly Kind[] = [
  ...(['delay', 'delay', 'delay', 'response code', 'response code', 'response code'] as const),
  ...(['truncation', 'truncation', 'EOF', 'EOF', 'EOF', 'hang'] as const),
];

/** Injects one fault that hits one of the next commands. @returns its kind */
export function injectFault(proxy: FaultProxy, dice: Dice): Kind {
  const kind = dice.of(ODDS);
  proxy.inject({ ...FAULTS[kind](dice), times: 1, after: dice.below(6) });
  return kind;
}
