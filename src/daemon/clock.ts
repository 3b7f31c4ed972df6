/**
 * The host's clock as records see it: milliseconds that never go back within an epoch, whatever somebody does to
 * the wall clock. Order is by index; the time of a record is the host's word, which the TPM's clock brackets.
 */
import type { Clock } from '../core/time.ts';

export interface MonotoneClock {
  /** Now in milliseconds since 1970, never less than before. */
  now(): number;
  /** Lifts the floor: the time of the newest entry found in the log. */
  atLeast(ms: number): void;
  /** How far the wall clock was behind the floor when last read, in milliseconds; 0 normally. */
  readonly behind: number;
}

/** @param wall the clock to follow, passed in so that tests can set it */
export function createMonotoneClock(wall: Clock): MonotoneClock {
  let floor = 0;
  let behind = 0;
  return {
    now() {
      const t = wall();
      behind = t < floor ? floor - t : 0;
      if (t > floor) floor = t;
      return floor;
    },
    atLeast(ms) {
      if (ms > floor) floor = ms;
    },
    get behind() {
      return behind;
    },
  };
}
