/**
 * Whether the host may allow anything at all now (design §7): it writes its log, its TPM answers, this life of the TPM
 * has its boot entry and can follow the ones before, and nothing durable has been left unsealed for too long. One code
 * for each.
 */

import { parseTime } from '../../core/time.ts';
import type { DenialCode } from '../../evidence/schema/governance.ts';

/** A condition that does not hold. */
export interface Failing {
  readonly code: DenialCode;
  /** As a sentence. */
  readonly condition: string;
}

export interface ConditionsInput {
  /** Why the log cannot be written, if it cannot. */
  readonly broken: () => Error | undefined;
  readonly size: () => number;
  /** Entries under the newest seal. */
  readonly sealedSize: () => number;
  readonly entry: (index: number) => Uint8Array;
  /** A command of the TPM hangs. */
  readonly hung: () => boolean;
  /** Why the last attempt to seal failed. */
  readonly trouble: () => Error | undefined;
  /** Whether the run's boot entry is durable. */
  readonly hasRun: () => boolean;
  /** Why the TPM cannot be the one that sealed this log, if it cannot. */
  readonly epochBreak: () => string | undefined;
  readonly now: () => number;
  readonly maxUnsealedMs: number;
  /** When this process began to seal: what it found unsealed is not older to it. */
  readonly since: number;
}

/** Time of an entry by the host's clock, in milliseconds. */
function timeOf(entry: Uint8Array): number {
  const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
  const text = bytes.toString('utf8');
  const { predicate } = JSON.parse(text.slice(text.indexOf('{'))) as { predicate: { time: string } };
  return parseTime(predicate.time);
}

/** The first condition that does not hold, or nothing. */
export function createConditions(input: ConditionsInput): () => Failing | undefined {
  /** The oldest unsealed entry that was looked at, and its time. */
  let seen = -1;
  let since = 0;
  return () => {
    const broken = input.broken();
    if (broken !== undefined)
      return { code: 'STORAGE_UNAVAILABLE', condition: `the log cannot be written: ${broken.message}` };
    if (input.hung()) return { code: 'TPM_UNAVAILABLE', condition: 'a command of the TPM hangs' };
    const trouble = input.trouble();
    if (trouble !== undefined)
      return { code: 'TPM_UNAVAILABLE', condition: `the log is not sealed: ${trouble.message}` };
    if (!input.hasRun()) {
      return {
        code: 'AUDIT_CONTINUITY_LOST',
        condition: 'the TPM lives another life than the log knows of, and its boot entry does not stand yet',
      };
    }
    const why = input.epochBreak();
    if (why !== undefined) {
      return {
        code: 'AUDIT_CONTINUITY_LOST',
        condition: `this TPM cannot be the one that sealed the log (${why}); a new epoch mends it`,
      };
    }
    const sealed = input.sealedSize();
    if (sealed >= input.size()) return undefined;
    if (seen !== sealed) {
      since = Math.max(input.since, timeOf(input.entry(sealed)));
      seen = sealed;
    }
    const age = input.now() - since;
    if (age <= input.maxUnsealedMs) return undefined;
    const seconds = Math.floor(age / 1000);
    return {
      code: 'AUDIT_CONTINUITY_LOST',
      condition: `entry ${sealed} has been unsealed for ${seconds} s, longer than is allowed`,
    };
  };
}
