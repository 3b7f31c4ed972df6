/** What a check of `attestctl doctor` is. A check looks and changes nothing; one that could not look is `unknown`. */
import type { Patient } from './patient.ts';

export type Status = 'ok' | 'warn' | 'wrong' | 'unknown';

export interface Finding {
  readonly status: Status;
  /** One sentence about this host. */
  readonly sentence: string;
  /** What to do about it, a command where there is one. */
  readonly fix?: string;
}

export interface Check {
  /** Stable: monitors and pages refer to it. */
  readonly id: string;
  readonly title: string;
  /** What stands in the way of records themselves when it is wrong: TPM or daemon (design §10, exit 5). */
  readonly vital?: true;
  /** @throws CannotTell, or anything: the examination makes `unknown` of it */
  run(patient: Patient): Finding | Promise<Finding>;
}

export const ok = (sentence: string): Finding => ({ status: 'ok', sentence });
export const warn = (sentence: string, fix: string): Finding => ({ status: 'warn', sentence, fix });
export const wrong = (sentence: string, fix: string): Finding => ({ status: 'wrong', sentence, fix });
export const unknown = (sentence: string, fix?: string): Finding => ({
  status: 'unknown',
  sentence,
  ...(fix === undefined ? {} : { fix }),
});

/** Thrown where something that a check rests on is not to be had; the message is a sentence. */
export class CannotTell extends Error {
  override readonly name = 'CannotTell';
  readonly fix: string | undefined;
  constructor(sentence: string, fix?: string) {
    super(sentence);
    this.fix = fix;
  }
}

/** Words of an error, for the end of a sentence. */
export const said = (e: unknown): string => (e instanceof Error ? e.message : String(e)).replace(/\.$/, '');
