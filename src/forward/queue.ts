/**
 * What waits for one authority, bounded, and when to try again: the newest checkpoint covers all before it, so when the
 * queue is full the oldest is let go. After a failure the wait doubles, with jitter, to five minutes at most.
 */
export interface StampQueue<T> {
  push(item: T): void;
  /** How many were let go because the queue was full. */
  readonly dropped: number;
  readonly length: number;
  /** Resolves when the queue is empty or the work has stopped. */
  stop(): Promise<void>;
}

export interface QueueInput<T> {
  readonly max: number;
  readonly work: (item: T) => Promise<void>;
  /** Called with each failure and the milliseconds until the next try. */
  readonly onTrouble: (e: Error, waitMs: number) => void;
  /** 0 ≤ x < 1. */
  readonly jitter: () => number;
  readonly firstWaitMs?: number;
}

const LONGEST_WAIT_MS = 300_000;

export function createQueue<T>(input: QueueInput<T>): StampQueue<T> {
  const { max, work, onTrouble, jitter, firstWaitMs = 1000 } = input;
  const items: T[] = [];
  let dropped = 0;
  let stopped = false;
  let wake: (() => void) | undefined;
  let running: Promise<void> | undefined;

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  async function run(): Promise<void> {
    let failures = 0;
    while (items.length > 0 && !stopped) {
      // The newest first: its token covers the others if the authority goes away again.
      const item = items.at(-1) as T;
      try {
        await work(item);
        failures = 0;
        const at = items.indexOf(item);
        if (at >= 0) items.splice(at, 1);
      } catch (e) {
        const wait = Math.min(LONGEST_WAIT_MS, firstWaitMs * 2 ** failures) * (0.5 + jitter() / 2);
        failures = Math.min(failures + 1, 20);
        onTrouble(e as Error, wait);
        if (!stopped) await pause(wait);
      }
    }
  }

  return {
    push(item) {
      items.push(item);
      while (items.length > max) {
        items.shift();
        dropped++;
      }
      running ??= run().finally(() => {
        running = undefined;
      });
    },
    get dropped() {
      return dropped;
    },
    get length() {
      return items.length;
    },
    async stop() {
      stopped = true;
      wake?.();
      await running;
    },
  };
}
