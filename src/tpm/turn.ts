/**
 * One user of the TPM at a time, the most urgent first. Waiting is bounded in number and by each waiter's deadline, so
 * a TPM that hangs makes its callers fail one by one and never piles them up.
 */
import { AttestdError } from '../core/errors.ts';

/** control (keys, sessions, counters, enrolment) goes before quotes, quotes before signatures. */
export type Urgency = 'control' | 'quote' | 'sign';
const ORDER: readonly Urgency[] = ['control', 'quote', 'sign'];

interface Waiter {
  readonly go: (release: () => void) => void;
}

export interface Turns {
  /**
   * Resolves with the function that gives the turn back.
   * @param ms how long to wait at most
   * @throws OVERLOADED when the queue is full, TPM_TIMEOUT when the turn does not come in time
   */
  take(urgency: Urgency, ms: number): Promise<() => void>;
  readonly waiting: number;
}

/** @param limit how many may wait */
export function createTurns(limit: number): Turns {
  const queues: Readonly<Record<Urgency, Set<Waiter>>> = {
    control: new Set(),
    quote: new Set(),
    sign: new Set(),
  };
  let taken = false;
  const waiting = () => queues.control.size + queues.quote.size + queues.sign.size;

  const give = (): (() => void) => {
    taken = true;
    let done = false;
    return () => {
      if (done) return;
      done = true;
      taken = false;
      for (const urgency of ORDER) {
        for (const next of queues[urgency]) {
          queues[urgency].delete(next);
          next.go(give());
          return;
        }
      }
    };
  };

  return {
    get waiting() {
      return waiting();
    },
    take(urgency, ms) {
      if (!taken) return Promise.resolve(give());
      if (waiting() >= limit)
        return Promise.reject(new AttestdError('OVERLOADED', 'too many TPM commands wait'));
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          go(release) {
            clearTimeout(timer);
            resolve(release);
          },
        };
        const timer = setTimeout(() => {
          queues[urgency].delete(waiter);
          reject(new AttestdError('TPM_TIMEOUT', 'the turn at the TPM did not come before the deadline'));
        }, ms);
        queues[urgency].add(waiter);
      });
    },
  };
}
