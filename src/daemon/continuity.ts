/**
 * The counter rule (design §6, Rollback): may this log go on, given what the TPM's counter says? The counter only
 * grows, so a log whose newest anchor is behind it was put back, and one that is ahead belongs to other TPM state.
 * An interrupted increment is the one excuse, and only when it was announced in the log before it was made.
 */
import { AttestdError } from '../core/errors.ts';
import type { Gap } from './layout.ts';

/** What the log says. Values are of the NV counter. */
export interface Announced {
  /** Counter of the newest anchor, or of genesis. */
  readonly last: bigint;
  /** Values announced by INTENT frames after that anchor. */
  readonly intents: readonly bigint[];
}

export type Continuity =
  /** The log is the newest one. */
  | { readonly kind: 'continues' }
  /** An announced increment was made and its anchor never written: certify the present value, and write a gap. */
  | { readonly kind: 'interrupted'; readonly counter: bigint };

/** @throws AUDIT_CONTINUITY_LOST with both values */
export function checkContinuity(log: Announced, counter: bigint): Continuity {
  if (counter === log.last) return { kind: 'continues' };
  if (counter === log.last + 1n && log.intents.includes(counter)) return { kind: 'interrupted', counter };
  const why =
    counter > log.last
      ? 'the TPM has counted further than this log: the log was put back to an older state'
      : 'this log has counted further than the TPM: the TPM was put back or is another one';
  throw new AttestdError('AUDIT_CONTINUITY_LOST', `${why} (log ${log.last}, TPM ${counter})`);
}

/** What the log says of a counter that went on without it. */
export function interruption(counter: bigint): Gap {
  return {
    reason: 'counter-interrupted',
    detail: `the counter was brought to ${counter} and the run ended before its anchor was written`,
  };
}
