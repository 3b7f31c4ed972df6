/** How a check says what it found; the id is added by whoever ran it. */

import type { Evidence } from './evidence.ts';
import type { Trust } from './trust.ts';
import type { Level, Status } from './verdict.ts';

export interface Outcome {
  readonly status: Status;
  readonly sentence: string;
  /** Which of the conditions of a check is broken, where it has several: one stable word each, kebab-case. */
  readonly fault?: string;
  readonly expected?: string;
  readonly actual?: string;
}

/** Policy that does not stand in the trust file. */
export interface Circumstances {
  /** Milliseconds since 1970 at which the verification is asked; only the age of a seal is held against it. */
  readonly now?: number;
}

/** A check as the report knows it: a stable id and the level that needs it. */
export interface CheckFrame {
  readonly id: string;
  readonly level: Exclude<Level, 0>;
  /** Whether it says anything under this trust file; absent: always. Where it does not, it is left out. */
  readonly appliesTo?: (trust: Trust) => boolean;
  /** Whether the level needs it under this trust file; absent: always. */
  readonly requiredBy?: (trust: Trust) => boolean;
}

/** One check and what it does. It never throws for what evidence says. */
export interface CheckDefinition extends CheckFrame {
  /** Whether there is anything to judge in this evidence under this trust file; absent: always. */
  readonly concerns?: (e: Evidence, trust: Trust) => boolean;
  readonly run: (e: Evidence, trust: Trust, c: Circumstances) => Outcome | Promise<Outcome>;
}

export const pass = (sentence: string): Outcome => ({ status: 'pass', sentence });
export const unknown = (sentence: string): Outcome => ({ status: 'unknown', sentence });
export function fail(sentence: string, expected?: string, actual?: string): Outcome {
  return {
    status: 'fail',
    sentence,
    ...(expected === undefined ? {} : { expected }),
    ...(actual === undefined ? {} : { actual }),
  };
}

/** The same outcome with the word for its condition. */
export const because = (fault: string, outcome: Outcome): Outcome => ({ ...outcome, fault });

/** A part of the evidence that was read, or the reason why it could not be. */
export type Part<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string; readonly absent: boolean };

export const got = <T>(value: T): Part<T> => ({ ok: true, value });
export const absent = (why: string): Part<never> => ({ ok: false, why, absent: true });
export const broken = (why: string): Part<never> => ({ ok: false, why, absent: false });

/** Reads a part; what the reader throws becomes the reason. */
export function attempt<T>(read: () => T): Part<T> {
  try {
    return got(read());
  } catch (e) {
    return broken(e instanceof Error ? e.message : String(e));
  }
}

/** Reads a part out of another one, whose reason it takes over. */
export function derive<A, B>(part: Part<A>, read: (a: A) => B): Part<B> {
  return part.ok ? attempt(() => read(part.value)) : part;
}

/** The outcome of a check whose ground is missing: another check says what is wrong with it. */
export const blocked = (part: { readonly why: string }): Outcome => unknown(`cannot be judged: ${part.why}`);

type Values<T> = { readonly [K in keyof T]: T[K] extends Part<infer V> ? V : never };

/** All of these parts, or the reason why the first of them is missing. */
export function together<T extends Readonly<Record<string, Part<unknown>>>>(parts: T): Part<Values<T>> {
  const out: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(parts)) {
    if (!part.ok) return part;
    out[name] = part.value;
  }
  return got(out as Values<T>);
}
