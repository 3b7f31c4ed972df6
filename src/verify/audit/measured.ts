/**
 * The measurements of a whole log: each leads from the value before it to the one that it states, and goes on where the
 * one before it in the same life of the TPM ended. A gap says that somebody else extended; it is no fault of the log, and
 * the report names it.
 */
import { fromHex, toHex } from '../../core/bytes.ts';
import { extended, measuredDigest } from '../../evidence/measured.ts';
import type { Kind, Predicate } from '../../evidence/statement.ts';
import { MAX_FINDINGS } from './finding.ts';
import type { Run } from './runs.ts';

/** Where the chain stands. */
export interface MeasuredState {
  readonly register: number;
  /** In hex. */
  readonly value: string;
  readonly resetCount: number;
  readonly restartCount: number;
}

/** A measurement, or what a gap says of the register. */
export type MeasuredStep = Predicate<'measurement'> | NonNullable<Predicate<'gap'>['measured']>;

/** What an entry says of the register; nothing where it is of another kind. */
export function measuredStep(kind: Kind, predicate: Predicate<Kind>): MeasuredStep | undefined {
  if (kind === 'measurement') return predicate as Predicate<'measurement'>;
  return kind === 'gap' ? (predicate as Predicate<'gap'>).measured : undefined;
}

type Step = { readonly state: MeasuredState; readonly fault?: string };

/** The next measurement or gap of the log. */
function nextMeasured(before: MeasuredState | undefined, run: Run, predicate: MeasuredStep): Step {
  const { register } = predicate;
  const measurement = 'event' in predicate ? predicate : undefined;
  const from = 'event' in predicate ? predicate.prev : predicate.expected;
  const to = 'event' in predicate ? predicate.expected : predicate.found;
  const { resetCount, restartCount } = run;
  const state = { register, value: to, resetCount, restartCount };
  if (measurement !== undefined) {
    const leads = toHex(extended(fromHex(measurement.prev), measuredDigest(measurement.event)));
    if (leads !== to) return { state, fault: 'it does not lead to the value that it states' };
  }
  // After a reset, and after a restart that did not keep the registers, the register begins anew.
  const same =
    before !== undefined &&
    before.register === register &&
    before.resetCount === resetCount &&
    before.restartCount === restartCount;
  if (same && before.value !== from)
    return { state, fault: 'it begins at another value than the one before it leads to' };
  return { state };
}

/** The register as the log has it so far. */
export class MeasuredRegister {
  #state: MeasuredState | undefined;
  readonly #foreign: number[] = [];

  /** Gaps, by index. */
  get foreign(): readonly number[] {
    return this.#foreign;
  }

  /** Takes the next measurement or gap. @returns why it cannot stand there */
  take(index: number, run: Run, step: MeasuredStep): string | undefined {
    const { state, fault } = nextMeasured(this.#state, run, step);
    this.#state = state;
    if (!('event' in step) && this.#foreign.length < MAX_FINDINGS) this.#foreign.push(index);
    return fault;
  }

  /** Members of a cursor; none in a log without measurements. */
  save(): { readonly register?: MeasuredState; readonly foreign?: readonly number[] } {
    return {
      ...(this.#state === undefined ? {} : { register: this.#state }),
      ...(this.#foreign.length === 0 ? {} : { foreign: [...this.#foreign] }),
    };
  }

  restore({ register, foreign }: ReturnType<MeasuredRegister['save']>): void {
    this.#state = register;
    this.#foreign.push(...(foreign ?? []));
  }
}
