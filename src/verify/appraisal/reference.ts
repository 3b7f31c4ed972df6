/**
 * Reference values of a CoRIM as what a policy can hold a machine against: values of registers, and digests of events.
 * What else the file demands is named. Which measurement is a register is said by the draft for integrity registers
 * ("the identifier is the register index"), and by profiles for the keys of measurements.
 */
import { toHex } from '../../core/bytes.ts';
import type { Corim } from '../../evidence/corim/manifest.ts';
import type { Digest, Measurement } from '../../evidence/corim/measurement.ts';
import { eventType } from './describe.ts';

/** Parsec: the key of a measurement is the index of a PCR, its digests are the value of that PCR. */
export const PARSEC_PROFILE = 'tag:github.com/parallaxsecond,2023-03-03:tpm';
/** Ours: the key is `pcr<index>/<event type>`, its digest is that of an event (docs/appraisal.md). */
export const EVENT_PROFILE = 'tag:attestd.dev,2026:events';
const PROFILES = [PARSEC_PROFILE, EVENT_PROFILE];

export const isKnownProfile = (profile: string): boolean => PROFILES.includes(profile);

/** One intended state of one environment, as far as a policy can say it. */
export interface ReferenceState {
  /** From 1, in the order of the file: triples that say nothing of registers count too. */
  readonly number: number;
  readonly comid: string;
  readonly environment: string;
  /** Lower-case hex by register. */
  readonly registers: ReadonlyMap<number, string>;
  readonly events: readonly { readonly pcr: number; readonly type: number; readonly digest: string }[];
  /** What it demands besides, a sentence each. */
  readonly demands: readonly string[];
}

/** Every reference triple of the file, mapped. */
export function referenceStates(corim: Corim): ReferenceState[] {
  let number = 0;
  return corim.comids.flatMap((comid) =>
    comid.triples.map(({ environment, measurements }) => {
      const state = new StateDraft(corim.profile);
      for (const m of measurements) state.add(m);
      const { registers, events, demands } = state;
      return { number: ++number, comid: comid.id, environment, registers, events, demands };
    }),
  );
}

class StateDraft {
  readonly registers = new Map<number, string>();
  readonly events: { pcr: number; type: number; digest: string }[] = [];
  readonly demands: string[] = [];
  readonly #profile: string | undefined;

  constructor(profile: string | undefined) {
    this.#profile = profile;
  }

  add(m: Measurement): void {
    const what = m.key === undefined ? 'a measurement without a key' : `the measurement ${m.key}`;
    for (const other of m.others) this.demands.push(`${what}: ${other}`);
    for (const [id, digests] of m.registers ?? []) {
      if (typeof id !== 'number')
        this.demands.push(`the integrity register "${id}", which is no index of a PCR`);
      else this.#register(id, digests, `the integrity register ${id}`);
    }
    if (m.digests === undefined) return;
    if (this.#profile === PARSEC_PROFILE && m.keyIs === 'number') {
      this.#register(m.key as number, m.digests, what);
    } else if (this.#profile === EVENT_PROFILE && m.keyIs === 'text') {
      this.#event(m.key as string, m.digests, what);
    } else {
      this.demands.push(`${what}: digests of something that is not said to be a PCR or an event`);
    }
  }

  #register(pcr: number, digests: readonly Digest[], what: string): void {
    const value = this.#sha256(digests, what);
    if (value === undefined) return;
    if (pcr > 23) this.demands.push(`${what}, and a TPM has 24 registers`);
    else if (this.registers.has(pcr) && this.registers.get(pcr) !== value) {
      // One state cannot want two values of one register: states stand in triples of their own (draft, Reference Values).
      this.demands.push(`${what}: another value of PCR ${pcr} in the same state`);
    } else this.registers.set(pcr, value);
  }

  #event(key: string, digests: readonly Digest[], what: string): void {
    const found = /^pcr(\d{1,2})\/(\w{1,64})$/.exec(key);
    const pcr = Number(found?.[1]);
    const type = found === null ? undefined : eventType(found[2] as string);
    if (type === undefined || pcr > 23) {
      this.demands.push(`${what}, which is no pcr<index>/<event type>`);
      return;
    }
    const digest = this.#sha256(digests, what);
    if (digest !== undefined) this.events.push({ pcr, type, digest });
  }

  /** The digest of the bank that seals quote; those of other banks say the same thing once more. */
  #sha256(digests: readonly Digest[], what: string): string | undefined {
    const found = digests.find((d) => d.algorithm === 'sha-256');
    if (found !== undefined) return toHex(found.value);
    const algorithms = digests.map((d) => d.algorithm).join(', ');
    this.demands.push(`${what}: no SHA-256 digest, only ${algorithms}`);
    return undefined;
  }
}
