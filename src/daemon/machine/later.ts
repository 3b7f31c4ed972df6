/** Work that many ask for and that is done once, some time later. */
import { setTimeout as sleep } from 'node:timers/promises';

/** @param work never throws */
export function createLater(ms: number, work: () => Promise<void>): () => void {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    void sleep(ms, undefined, { ref: false }).then(() => {
      waiting = false;
      return work();
    });
  };
}
