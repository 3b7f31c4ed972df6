/** The runs of a log: its boot entries in order, what each says of the TPM, and the time that never goes back. */
import type { Predicate } from '../../evidence/statement.ts';
import type { Attest } from '../../evidence/tpm/attest.ts';
import { readBoot } from '../gather.ts';
import { between } from '../life.ts';

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
 * Why `next` cannot come after `previous` on one TPM; undefined when it can. The table is life.ts; a cursor of an
 * audit keeps neither `safe` nor the firmware version, so here the clock counts within one life only.
 */
export function goesBack(previous: Instant, next: Instant): string | undefined {
  const seen = (i: Instant) => ({ ...i, safe: false, firmwareVersion: 0n });
  const { verdict, why } = between(seen(previous), seen(next));
  return verdict === 'fail' ? why : undefined;
}

/** Whether a seal was made in the run, and not after a reset or suspend that no boot entry names. */
export function sealedIn(run: Run, { clockInfo }: Attest): boolean {
  return clockInfo.resetCount === run.resetCount && clockInfo.restartCount === run.restartCount;
}

/**
 * What a boot entry recovered: entries from the last sealed size to the size at that start. What lies before the boot
 * entry before it was counted there.
 * @param sealed size under the newest seal
 */
export function recoveredBy(
  { recovered }: Predicate<'boot'>,
  index: number,
  before: Run | undefined,
  sealed: number,
): { readonly count: number; readonly fault?: string } {
  if (recovered === undefined) return { count: 0 };
  const { from, size } = recovered;
  const count = Math.max(0, size - Math.max(from, before?.index ?? 0));
  const sound = size > from && size <= index && from >= sealed;
  return { count, ...(sound ? {} : { fault: 'the recovered entries are not those after the last seal' }) };
}
