/**
 * The failure table at work (design §11, rows 1–5): what is done about a failed try of one operation, and how long it
 * waits before the next one. Each remedy has its own bound, so a TPM that never recovers ends an operation with the
 * error it gave.
 */
import type { TpmNativeError } from '../native/error.ts';
import { faultOf, publicError } from './fault.ts';
import type { Link } from './link.ts';

const FIRST_WAIT_MS = 5;
const LONGEST_WAIT_MS = 2000;
/** A TPM that is away is looked for more often: the next success is to come within a second of its return. */
const LONGEST_ABSENCE_MS = 200;
/** Less time than this is not enough for another try: it would look like a TPM that hangs. */
const LEAST_TRY_MS = 250;
/** New contexts for one operation, and reloads of what is gone; each for its own. */
const MAX_REBUILDS = 4;

export interface Patient {
  link(): Link | null;
  /** Closes the link; the next try opens another. */
  discard(): Promise<void>;
  /** Reads the clock: whether the TPM has lived another life since it was last asked. */
  isReset(link: Link): Promise<boolean>;
  /** Where no session works any more, but commands without one do: frees the TPM from idle ones. */
  unblock(end: number): Promise<void>;
  /** Whether nothing between us and the TPM keeps the slots of its users apart. */
  readonly exclusive: boolean;
  /** 0 ≤ x < 1 */
  readonly jitter: () => number;
}

/** Says how many milliseconds to wait before the next try. Throws the public error when nothing helps. */
export type Mend = (e: TpmNativeError) => Promise<number>;

/** Remedies for one operation. @param end its deadline, by performance.now() */
export function createMend(patient: Patient, deadlineMs: number, end: number): Mend {
  const reserve = Math.min(LEAST_TRY_MS, deadlineMs / 4);
  let waits = 0;
  let contexts = 0;
  let reloads = 0;
  let full = 0;

  const wait = (e: TpmNativeError, longest: number): number => {
    const ms = Math.min(longest, FIRST_WAIT_MS * 2 ** waits++) * (0.5 + patient.jitter() / 2);
    if (performance.now() + ms + reserve >= end) throw publicError(e);
    return ms;
  };
  /** The TPM is full: our own slots are freed; then, where no resource manager does it, those that nobody owns. */
  const makeRoom = async (link: Link): Promise<boolean> => {
    full++;
    if (full === 1) await link.flushAll();
    else if (full === 2 && patient.exclusive) await link.sweep();
    else return false;
    return true;
  };

  return async (e) => {
    const fault = faultOf(e);
    const link = patient.link();
    switch (fault) {
      case 'busy':
        return wait(e, LONGEST_WAIT_MS);
      case 'starting':
      case 'stalled':
        return wait(e, LONGEST_ABSENCE_MS);
      case 'absent':
        await patient.discard();
        return wait(e, LONGEST_ABSENCE_MS);
      case 'poisoned':
        await patient.discard();
        if (++contexts > MAX_REBUILDS) throw publicError(e);
        // Twice in a row, behind a resource manager: it may be its sessions. What cannot be asked tells the next try.
        if (contexts === 2 && !patient.exclusive) await patient.unblock(end).catch(() => patient.discard());
        return wait(e, LONGEST_ABSENCE_MS);
      case 'memory':
        if (link === null || !(await makeRoom(link))) throw publicError(e);
        return 0;
      case 'stale':
      case 'other': {
        if (link === null) throw publicError(e);
        // A refusal is only worth another try when it may be about something of ours from the TPM's last life.
        const reset = (fault === 'stale' || link.occupied) && (await patient.isReset(link));
        if ((fault === 'other' && !reset) || ++reloads > MAX_REBUILDS) throw publicError(e);
        await link.flushAll();
        return reloads === 1 ? 0 : wait(e, LONGEST_ABSENCE_MS);
      }
      default:
        throw publicError(e);
    }
  };
}
