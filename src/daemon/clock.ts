/**
 * The host's clock as records see it: milliseconds that never go back within an epoch, whatever somebody does to
 * the wall clock. Order is by index; the time of a record is the host's word, which the TPM's clock brackets.
 *
 * While the wall clock is behind it (somebody put that back), this one goes on at half its speed: a grant still ends, what
 * waits too long is still seen to, and the two meet again.
 */
import type { Clock } from '../core/time.ts';

export interface MonotoneClock {
  /** Now in milliseconds since 1970, never less than before. */
  now(): number;
  /** Lifts the floor: the time of the newest entry found in the log. */
  atLeast(ms: number): void;
}

/**
 * @param wall the clock to follow
 * @param elapsed milliseconds that go on whatever is done to the wall clock
 */
export function createMonotoneClock(
  wall: Clock,
  elapsed: () => number = () => performance.now(),
): MonotoneClock {
  let floor = 0;
  let since = elapsed();
  function lift(to: number): number {
    const e = elapsed();
    const slowed = floor + Math.floor((e - since) / 2);
    if (to < slowed) return slowed;
    floor = to;
    since = e;
    return to;
  }
  return {
    now: () => lift(wall()),
    atLeast: (ms) => void lift(ms),
  };
}
