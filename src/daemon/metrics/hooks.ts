/** What the parts of an engine call so that their work is counted; each takes the ones that it knows. */
import type { DenialCode } from '../../evidence/schema/governance.ts';
import { raise, type Tally } from './tally.ts';

export interface Hooks {
  readonly outcomes: Tally['records'];
  readonly onSynced: (ms: number) => void;
  readonly onIncrement: () => void;
  readonly onDenial: (code: DenialCode) => void;
  readonly onGap: () => void;
}

export function hooksOf(tally: Tally): Hooks {
  return {
    outcomes: tally.records,
    onSynced: (ms) => tally.durable.observe(ms / 1000),
    onIncrement: () => void tally.nvIncrements++,
    onDenial: (code) => raise(tally.denials, code),
    onGap: () => void tally.gaps++,
  };
}
