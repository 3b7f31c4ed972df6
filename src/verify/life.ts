/**
 * Two sightings of one TPM, and what became of it in between: the one place where resets, restarts, clock, `safe`,
 * firmware version and the Name of the NULL primary are held against each other (TPM 2.0 Part 1 §36 and §12.2.3).
 * resetCount counts TPM2_Startup(CLEAR) after anything but a suspend; restartCount counts resumes and restarts since, so
 * it begins at zero again with every reset; the clock is saved now and then and can only lose what lies behind that.
 */

/** What one quote, certification or boot entry says of the TPM. */
export interface Sighting {
  readonly resetCount: number;
  readonly restartCount: number;
  /** Milliseconds for which it was powered. */
  readonly clock: bigint;
  /** Whether the clock is above every value that it ever gave. */
  readonly safe: boolean;
  readonly firmwareVersion: bigint;
  /** Name of the primary of the NULL hierarchy, where it was looked at: another one after every reset. */
  readonly nullName?: string;
}

export type Life =
  /** The same run of the machine. */
  | 'same'
  /** Suspended and resumed, or hibernated: registers continue after a resume and begin anew after a TPM Restart. */
  | 'resumed'
  /** Started again, `resets` times. */
  | 'rebooted'
  /** Started again after its power was cut: the clock lost a little. */
  | 'power-lost'
  /** TPM2_Clear, or another TPM: a key of before cannot sign now. */
  | 'cleared'
  /** What no TPM does: its state was put back, or the sightings are not of one TPM. */
  | 'impossible';

export interface Between {
  readonly life: Life;
  /** For one that goes on signing with the same key: whether it can. */
  readonly verdict: 'accept' | 'new-run' | 'fail';
  /** How many resets lie in between. */
  readonly resets: number;
  /** Whether the order of the two is shown by the clock, beside the counts. */
  readonly ordered: boolean;
  /** What a person should know and a policy may refuse. */
  readonly findings: readonly ('skipped-boots' | 'power-lost' | 'firmware-changed' | 'clock-unsafe')[];
  /** Why it is impossible or cleared. */
  readonly why?: string;
}

/** A clock this low belongs to a TPM that was just cleared or made: TPM2_Clear sets it to zero. */
const CLEARED_CLOCK_MS = 60_000n;

/** The table: what lies between an earlier sighting and a later one. */
export function between(before: Sighting, after: Sighting): Between {
  const resets = after.resetCount - before.resetCount;
  const back = after.clock < before.clock;
  const findings: Between['findings'][number][] = [];
  if (resets > 1) findings.push('skipped-boots');
  if (after.firmwareVersion !== before.firmwareVersion) findings.push('firmware-changed');
  if (!after.safe) findings.push('clock-unsafe');
  const say = (life: Life, verdict: Between['verdict'], why?: string): Between => ({
    life,
    verdict,
    resets: Math.max(0, resets),
    ordered: after.safe && !back,
    findings,
    ...(why === undefined ? {} : { why }),
  });
  const sameNull =
    before.nullName === undefined || after.nullName === undefined || before.nullName === after.nullName;
  if (resets < 0) {
    // TPM2_Clear puts clock and both counts to zero; a state that was put back keeps a clock.
    return after.clock <= CLEARED_CLOCK_MS && back
      ? say('cleared', 'fail', 'the TPM was cleared, or is another one')
      : say('impossible', 'fail', 'the TPM was reset fewer times than before');
  }
  if (resets === 0) {
    if (after.restartCount < before.restartCount)
      return say('impossible', 'fail', 'the TPM was restarted fewer times than before');
    if (!sameNull && after.restartCount === before.restartCount)
      return say('impossible', 'fail', 'the NULL primary is another one though the TPM was not reset');
    if (back) {
      // With the counts at zero on both sides only the clock tells a cleared TPM from the one before.
      return before.resetCount === 0 && after.clock <= CLEARED_CLOCK_MS && after.restartCount === 0
        ? say('cleared', 'fail', 'the TPM was cleared, or is another one')
        : say('impossible', 'fail', "the TPM's clock stood later before");
    }
    return after.restartCount === before.restartCount ? say('same', 'accept') : say('resumed', 'new-run');
  }
  if (back) {
    if (after.safe)
      return say('impossible', 'fail', "the TPM's clock stood later before, and is said to be safe");
    findings.push('power-lost');
    return say('power-lost', 'new-run');
  }
  return say('rebooted', 'new-run');
}
