/** The runs of a log: its boot entries in order, what each says of the TPM, and the time that never goes back. */
import type { Predicate } from '../../evidence/statement.ts';
import type { Attest } from '../../evidence/tpm/attest.ts';
import { readBoot } from '../gather.ts';

export interface Run {
  readonly index: number;
  /** Hexadecimal record digest of the boot entry. */
  readonly digest: string;
  readonly resetCount: number;
  readonly restartCount: number;
  readonly clock: bigint;
}

/** The run that a boot entry begins. */
export function beginRun(index: number, digest: string, predicate: Predicate<'boot'>): Run {
  const { resetCount, restartCount, clock } = readBoot(predicate);
  return { index, digest, resetCount, restartCount, clock };
}

interface Instant {
  readonly resetCount: number;
  readonly restartCount: number;
  readonly clock: bigint;
}

/**
 * Why `next` cannot come after `previous` on one TPM; undefined when it can. After a reset the clock may stand a little
 * before where it was, for it is saved only now and then (TPM 2.0 Part 1 §36.2); restarts count from zero again.
 */
export function goesBack(previous: Instant, next: Instant): string | undefined {
  if (next.resetCount < previous.resetCount) return 'the TPM was reset fewer times than before';
  if (next.resetCount > previous.resetCount) return undefined;
  if (next.restartCount < previous.restartCount) return 'the TPM was restarted fewer times than before';
  if (next.restartCount === previous.restartCount && next.clock < previous.clock) {
    return "the TPM's clock stood later before";
  }
  return undefined;
}

/** Whether a seal was made in the run, and not after a reset or suspend that no boot entry names. */
export function sealedIn(run: Run, { clockInfo }: Attest): boolean {
  return clockInfo.resetCount === run.resetCount && clockInfo.restartCount === run.restartCount;
}
