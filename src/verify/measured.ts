/**
 * What the daemon measured into its own register: the entries replayed from where they begin to where the quote says
 * they end (design: Measured state). That the daemon told the truth about the files is its own word, so each stands as
 * self-reported until something that it does not control, the kernel's IMA list, says the same.
 */
import { equal, fromHex, toHex, ZERO32 } from '../core/bytes.ts';
import { extended, measuredDigest, OWN_PCR, RESETTABLE_PCR } from '../evidence/measured.ts';
import type { GapPredicate, MeasuredEvent, MeasurementPredicate } from '../evidence/schema/predicates.ts';
import { proven } from './checks/pcr.ts';
import type { EntryFacts, Evidence, Unlisted } from './evidence.ts';
import { absent, broken, got, type Part } from './outcome.ts';

/** A measured event in its place. */
export interface MeasuredItem {
  readonly index: number;
  readonly event: MeasuredEvent;
  /** Of the record's own run; else of an earlier one in the same life of the TPM. */
  readonly own: boolean;
}

/** A value that no entry leads to. */
export interface MeasuredGap {
  readonly index: number;
  readonly expected: string;
  readonly found: string;
}

export interface MeasuredChain {
  readonly register: number;
  /** Any process can reset this register, so it shows less. */
  readonly resettable: boolean;
  readonly items: readonly MeasuredItem[];
  readonly gaps: readonly MeasuredGap[];
  /** Value in front of the first item. */
  readonly begins: Uint8Array;
  /** Value behind the last one. */
  readonly ends: Uint8Array;
}

/** The register that the run measures into. */
export function ownRegister(e: Evidence): number | undefined {
  return e.bootFacts.ok ? e.bootFacts.value.register : undefined;
}

/**
 * Why an entry has no place among the measurements; undefined where all have. One that cannot be read is the fault of
 * another check.
 */
export function strangerIn(e: Evidence, boot: EntryFacts): string | undefined {
  const digest = toHex(boot.digest);
  for (const { role, statement, index } of e.measurements) {
    if (!statement.ok) continue;
    const { kind, predicate } = statement.value;
    if (kind !== 'measurement' && (kind !== 'gap' || predicate.measured === undefined))
      return `What is given as ${role} is none.`;
    // What was extended before this run began is still in the register.
    if (predicate.boot !== digest && index > boot.index)
      return `The run of ${role} is another than that of the record.`;
  }
  return undefined;
}

/** The entries as one chain; broken where they contradict each other, absent where there are none. */
export function measuredChain(e: Unlisted): Part<MeasuredChain> {
  const [first] = e.measurements;
  if (first === undefined) return absent('no measurement is given');
  if (!e.boot.ok) return e.boot;
  if (!e.bootFacts.ok) return e.bootFacts;
  const boot = toHex(e.boot.value.digest);
  const { register, registerValue } = e.bootFacts.value;
  if (register === undefined) return broken('the boot entry names no register');
  if (register !== OWN_PCR && register !== RESETTABLE_PCR)
    return broken(`PCR ${register} is no register for the daemon`);
  const items: MeasuredItem[] = [];
  const gaps: MeasuredGap[] = [];
  let begins: Uint8Array | undefined;
  let value: Uint8Array | undefined;
  let entered = false;
  for (const { index, statement } of e.measurements) {
    if (!statement.ok) return statement;
    const { kind, predicate } = statement.value;
    const step =
      kind === 'gap'
        ? gapStep(predicate as GapPredicate)
        : kind === 'measurement'
          ? extendStep(predicate as MeasurementPredicate)
          : undefined;
    if (step === undefined) return broken(`entry ${index} is no measurement`);
    if (step.register !== register) return broken(`entry ${index} is of another register`);
    begins ??= step.from;
    if (value !== undefined && !equal(value, step.from))
      return broken(`entry ${index} begins at another value than the one before it leads to`);
    const own = predicate.boot === boot;
    if (own && !entered) {
      // A gap says itself that the register was another.
      if (step.event !== undefined && registerValue !== undefined && toHex(step.from) !== registerValue)
        return broken(`the run's measurements begin at another value than its boot entry says`);
      entered = true;
    }
    if (step.event === undefined) gaps.push({ index, expected: toHex(step.from), found: toHex(step.to) });
    else {
      if (!equal(extended(step.from, measuredDigest(step.event)), step.to))
        return broken(`entry ${index} does not lead to the value that it states`);
      items.push({ index, event: step.event, own });
    }
    value = step.to;
  }
  return got({
    register,
    resettable: register === RESETTABLE_PCR,
    items,
    gaps,
    begins: begins ?? ZERO32,
    ends: value ?? ZERO32,
  });
}

interface Step {
  readonly register: number;
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly event?: MeasuredEvent;
}

function extendStep(p: MeasurementPredicate): Step {
  return { register: p.register, from: fromHex(p.prev), to: fromHex(p.expected), event: p.event };
}

function gapStep({ measured }: GapPredicate): Step | undefined {
  if (measured === undefined) return undefined;
  return { register: measured.register, from: fromHex(measured.expected), to: fromHex(measured.found) };
}

/** Whether the quoted value is what the entries lead to. */
export function chainHolds(e: Evidence, chain: MeasuredChain): boolean {
  const values = proven(e);
  return values.ok && values.value.get(chain.register) === toHex(chain.ends);
}
