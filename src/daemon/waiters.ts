/**
 * Callers that wait for `sealed`, in order of their index, which is the order in which they came. One seal answers
 * all below its size at once; who has waited too long is told that the record is durable and may be asked for later.
 */
import type { Sealed } from '../store/seal.ts';

/** Given the seal that covers the record, or nothing when the wait is over without one. */
export type OnSealed = (seal: Sealed | undefined) => void;

interface Waiter {
  readonly index: number;
  readonly since: number;
  readonly done: OnSealed;
}

export interface Waiters {
  readonly size: number;
  add(index: number, now: number, done: OnSealed): void;
  /** Answers everybody whose record the seal covers. */
  resolve(seal: Sealed): void;
  /** Answers those who came before `since`, without a seal. */
  expire(since: number): void;
}

export function createWaiters(): Waiters {
  let queue: Waiter[] = [];
  let head = 0;

  function shift(): Waiter | undefined {
    const w = queue[head];
    if (w === undefined) return undefined;
    head++;
    if (head === queue.length || head > 4096) {
      queue = queue.slice(head);
      head = 0;
    }
    return w;
  }
  return {
    get size() {
      return queue.length - head;
    },
    add(index, since, done) {
      const w = { index, since, done };
      // Replays of older records may come out of order; they are few.
      let at = queue.length;
      while (at > head && (queue[at - 1] as Waiter).index > index) at--;
      if (at === queue.length) queue.push(w);
      else queue.splice(at, 0, w);
    },
    resolve(seal) {
      while ((queue[head]?.index ?? Number.POSITIVE_INFINITY) < seal.size) shift()?.done(seal);
    },
    expire(since) {
      const late: Waiter[] = [];
      queue = queue.slice(head).filter((w) => w.since >= since || late.push(w) === 0);
      head = 0;
      for (const w of late) w.done(undefined);
    },
  };
}
