/**
 * The moment before which a connection that is accepted now cannot have been made. Needed where the kernel pins no peers
 * (before Linux 6.5): a process that is older than that moment has had its pid since before the connection, so nobody
 * took it over in between.
 *
 * An immediate that a timer sets runs after the event loop has next asked for connections. libuv accepts one of those
 * that wait at a time, each time it asks; so where it asked and none came, none waited.
 */
import { ticksNow } from '../measure/process.ts';

export interface Horizon {
  /** In clock ticks since boot; undefined until it is known. */
  readonly ticks: number | undefined;
  /** To be called for every connection, when it is accepted. */
  accepted(): void;
  close(): void;
}

const EVERY_MS = 25;

export function createHorizon(): Horizon {
  let ticks: number | undefined;
  let came = 0;
  const timer = setInterval(() => {
    const now = ticksNow();
    const before = came;
    setImmediate(() => {
      if (came === before) ticks = now;
    });
  }, EVERY_MS);
  timer.unref();
  return {
    get ticks() {
      return ticks;
    },
    accepted() {
      came++;
    },
    close: () => clearInterval(timer),
  };
}
