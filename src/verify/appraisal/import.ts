/**
 * Makes a policy of the reference values of a manifest. It accepts exactly the states that the manifest names, as far as
 * registers and events go: where putting states together would accept a mixture of them, it is refused, and what a
 * policy cannot say is refused unless whoever makes the policy leaves it out by name.
 */
import { AttestdError } from '../../core/errors.ts';
import type { Corim } from '../../evidence/corim/manifest.ts';
import { APPRAISAL_SCHEMA, type AppraisalPolicy, type EventRule } from '../../evidence/schema/appraisal.ts';
import { eventTypeName } from './describe.ts';
import type { Decision, Learnt } from './learn.ts';
import { isKnownProfile, type ReferenceState, referenceStates } from './reference.ts';

export interface ImportOptions {
  readonly name: string;
  /** Numbers of the reference triples to take; empty: all. */
  readonly triples: readonly number[];
  readonly ignorePcrs: readonly number[];
  /** Whether to go on without what a policy cannot say. */
  readonly leaveOut: boolean;
  /** A profile that is not known and is to be read by the rules of the draft alone. */
  readonly profile?: string;
}

export interface Imported extends Learnt {
  readonly states: readonly ReferenceState[];
  /** What was left out because a policy cannot say it. */
  readonly leftOut: readonly string[];
  /** What the file holds besides and no policy is about. */
  readonly unused: readonly string[];
}

const unmapped = (why: string): AttestdError => new AttestdError('REFERENCE_UNMAPPED', why);

/** @throws REFERENCE_UNMAPPED, USAGE for a triple that is not there */
export function importReferences(corim: Corim, options: ImportOptions): Imported {
  const { profile } = corim;
  if (profile !== undefined && !isKnownProfile(profile) && profile !== options.profile) {
    throw unmapped(`the profile ${profile} is not known, and a manifest means what its profile says`);
  }
  refuseReplaced(corim);
  const states = chosen(referenceStates(corim), options.triples);
  const demands = [
    ...corim.demands,
    ...corim.comids.flatMap((c) => c.demands.map((d) => `CoMID ${c.id}: ${d}`)),
    ...states.flatMap((s) => s.demands.map((d) => `reference triple ${s.number}: ${d}`)),
  ];
  if (demands.length > 0 && !options.leaveOut) {
    throw unmapped(
      `a policy cannot say: ${demands.slice(0, 8).join('; ')}${demands.length > 8 ? ` and ${demands.length - 8} more` : ''}`,
    );
  }
  const useful = states.filter((s) => s.registers.size > 0 || s.events.length > 0);
  if (useful.length === 0) throw unmapped('no reference triple says anything of a PCR or an event');
  const parts = [...groups(useful).values()].map(together);
  apart(parts);
  const unused = [
    ...corim.unused,
    ...corim.comids.flatMap((c) => c.unused.map((u) => `CoMID ${c.id}: ${u}`)),
  ];
  return { ...policyOf(parts, options), states: useful, leftOut: demands, unused };
}

function refuseReplaced({ comids }: Corim): void {
  const replaced = comids.find((c) => comids.some((other) => other.replaces.includes(c.id)));
  if (replaced !== undefined) throw unmapped(`CoMID ${replaced.id} is replaced by another of the same file`);
}

function chosen(all: ReferenceState[], numbers: readonly number[]): ReferenceState[] {
  const missing = numbers.find((n) => !all.some((s) => s.number === n));
  if (missing !== undefined) {
    throw new AttestdError('USAGE', `there are reference triples 1 to ${all.length}, and no ${missing}`);
  }
  return numbers.length === 0 ? all : all.filter((s) => numbers.includes(s.number));
}

function groups(states: readonly ReferenceState[]): Map<string, ReferenceState[]> {
  const out = new Map<string, ReferenceState[]>();
  for (const s of states) out.set(s.environment, [...(out.get(s.environment) ?? []), s]);
  return out;
}

/** What one environment may be. */
interface Part {
  readonly environment: string;
  readonly registers: ReadonlyMap<number, ReadonlySet<string>>;
  readonly events: ReferenceState['events'];
}

/** The states of one environment as one part; a policy accepts every combination, so it must hold no other. */
function together(states: readonly ReferenceState[]): Part {
  const [first] = states as [ReferenceState, ...ReferenceState[]];
  const mixed = (why: string): AttestdError => {
    const numbers = states.map((s) => s.number).join(', ');
    return unmapped(
      `reference triples ${numbers} are states of one environment (${first.environment}), and ${why}: name one with --triple, and make a policy of each`,
    );
  };
  const registers = new Map<number, Set<string>>();
  const points = new Set<string>();
  for (const s of states) {
    const same =
      s.registers.size === first.registers.size &&
      [...s.registers.keys()].every((p) => first.registers.has(p));
    if (!same) throw mixed('they do not speak of the same registers');
    if (fingerprint(s.events) !== fingerprint(first.events)) throw mixed('they differ in their events');
    points.add(JSON.stringify([...s.registers].sort(([a], [b]) => a - b)));
    for (const [pcr, value] of s.registers) registers.set(pcr, (registers.get(pcr) ?? new Set()).add(value));
  }
  const combinations = [...registers.values()].reduce((n, values) => n * values.size, 1);
  if (combinations !== points.size) throw mixed('one policy would accept mixtures of them');
  return { environment: first.environment, registers, events: first.events };
}

const fingerprint = (events: ReferenceState['events']): string =>
  [...new Set(events.map((e) => `${e.pcr} ${e.type} ${e.digest}`))].sort().join('\n');

/** No register may be spoken of twice: by two environments, or by value and by events. */
function apart(parts: readonly Part[]): void {
  const owner = new Map<number, string>();
  for (const { environment, registers, events } of parts) {
    for (const pcr of new Set([...registers.keys(), ...events.map((e) => e.pcr)])) {
      const other = owner.get(pcr);
      if (other !== undefined) {
        throw unmapped(
          `PCR ${pcr} is spoken of for two environments (${other}; ${environment}): name triples of one with --triple`,
        );
      }
      owner.set(pcr, environment);
    }
    const both = events.find((e) => registers.has(e.pcr));
    if (both !== undefined) throw unmapped(`PCR ${both.pcr} has a value and events too`);
  }
}

function policyOf(parts: readonly Part[], { name, ignorePcrs }: ImportOptions): Learnt {
  const decisions: Decision[] = ignorePcrs.map((pcr) => ({ pcr, decided: 'ignored', why: 'asked for' }));
  const pcrs: Record<string, string[]> = {};
  const rules = new Map<string, { pcr: number; type: number; digests: Set<string> }>();
  for (const { registers, events } of parts) {
    for (const [pcr, values] of registers) {
      if (ignorePcrs.includes(pcr)) throw unmapped(`PCR ${pcr} has values, and is to be ignored`);
      pcrs[String(pcr)] = [...values].sort();
      decisions.push({ pcr, decided: 'by value', why: `${values.size} value(s)` });
    }
    for (const { pcr, type, digest } of events) {
      if (ignorePcrs.includes(pcr)) throw unmapped(`PCR ${pcr} has events, and is to be ignored`);
      const key = `${pcr} ${type}`;
      const rule = rules.get(key) ?? { pcr, type, digests: new Set() };
      rule.digests.add(digest);
      rules.set(key, rule);
    }
  }
  const events: EventRule[] = [...rules.values()]
    .map(({ pcr, type, digests }) => ({ pcr, type, digests: [...digests].sort(), what: eventTypeName(type) }))
    .sort((a, b) => a.pcr - b.pcr || a.type - b.type);
  for (const r of events)
    decisions.push({ pcr: r.pcr, decided: 'by events', why: `${r.digests.length} of ${r.what}` });
  const policy: AppraisalPolicy = {
    schema: APPRAISAL_SCHEMA,
    name,
    pcrs,
    events,
    ignore: { pcrs: [...new Set(ignorePcrs)], events: [] },
  };
  return { policy, decisions: decisions.sort((a, b) => a.pcr - b.pcr) };
}
