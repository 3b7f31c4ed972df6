/**
 * One user of the TPM at a time, the most urgent first, but nobody is passed over more than a few times: two busy urgent
 * users would else keep a third away until its deadline. Waiting is bounded in number and by each waiter's deadline, so a
 * TPM that hangs makes its callers fail one by one and never piles them up.
 */
import { AttestdError } from '../core/errors.ts';

/** control (keys, sessions, counters, enrolment) goes before quotes, quotes before signatures. */
export type Urgency = 'control' | 'quote' | 'sign';
const ORDER: readonly Urgency[] = ['control', 'quote', 'sign'];
/** So many turns of more urgent users may go before a waiting one; then it is its turn. */
const PATIENCE = 8;

interface Waiter {
  passed: number;
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

  /** The one whose turn it is, taken out of its queue; whoever waits at the head of another queue was passed over. */
  const next = (): Waiter | undefined => {
    const heads = ORDER.flatMap((urgency) => {
      const [waiter] = queues[urgency];
      return waiter === undefined ? [] : [{ urgency, waiter }];
    });
    const chosen = heads.find(({ waiter }) => waiter.passed >= PATIENCE) ?? heads[0];
    if (chosen === undefined) return undefined;
    for (const { waiter } of heads) waiter.passed++;
    queues[chosen.urgency].delete(chosen.waiter);
    return chosen.waiter;
  };

  const give = (): (() => void) => {
    taken = true;
    let done = false;
    return () => {
      if (done) return;
      done = true;
      taken = false;
      next()?.go(give());
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
          passed: 0,
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
