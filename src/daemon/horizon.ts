/**
 * The moment before which a connection that is accepted now cannot have been made. Needed where the kernel pins no peers
 * (before Linux 6.5): a process that is older than that moment has had its pid since before the connection, so nobody
 * took it over in between.
 *
 * An immediate that a timer sets runs after the event loop has next asked for connections. libuv accepts one of those
 * that wait at a time, each time it asks; so where it asked and none came, none waited.
 *
 * Somebody who connects without end would let that never come. But the kernel keeps only so many waiting on a socket, in
 * order: once more than that were accepted, on each of two sockets, all that waited at the beginning have been.
 */
import { readFileSync } from 'node:fs';
import { ticksNow } from '../measure/process.ts';

export interface Horizon {
  /** In clock ticks since boot; undefined until it is known. */
  readonly ticks: number | undefined;
  /** To be called for every connection, when it is accepted. */
  accepted(): void;
  close(): void;
}

const EVERY_MS = 25;

/** Sockets that connections come in on, which take turns. */
const SOCKETS = 2;

/** @param queue how many connections wait on a socket at most; by default what the kernel allows any socket */
export function createHorizon(queue = longestQueue()): Horizon {
  let ticks: number | undefined;
  let came = 0;
  /** A moment, and how many were accepted before it. */
  let mark: { readonly ticks: number | undefined; readonly came: number } | undefined;
  const timer = setInterval(() => {
    const now = ticksNow();
    const before = came;
    if (mark !== undefined && came - mark.came > SOCKETS * (queue + 1)) {
      ticks = mark.ticks;
      mark = undefined;
    }
    mark ??= { ticks: now, came: before };
    setImmediate(() => {
      if (came !== before) return;
      ticks = now;
      mark = undefined;
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

/** net.core.somaxconn, which bounds the backlog of every socket, also of one that systemd holds. */
function longestQueue(): number {
  try {
    const n = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
    return Number.isSafeInteger(n) && n > 0 ? n : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
