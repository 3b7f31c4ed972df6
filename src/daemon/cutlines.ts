/**
 * Says in the journal that connections were cut: the first of a second at once, the others of it in one line. A flood
 * would else write a line for each connection, and the journal of a host is not the flooder's to fill.
 */
import type { Journal } from './journal.ts';
import type { Cut } from './metrics/tally.ts';

const EVERY_MS = 1000;

/** @returns to be told why, for each connection */
export function createCutLines(journal: Pick<Journal, 'warn'>): (why: Cut) => void {
  const held = new Map<Cut, number>();
  return (why) => {
    const more = held.get(why);
    if (more !== undefined) {
      held.set(why, more + 1);
      return;
    }
    journal.warn('a connection was cut', { why });
    held.set(why, 0);
    setTimeout(() => {
      const count = held.get(why) as number;
      held.delete(why);
      if (count > 0) journal.warn('connections were cut', { why, count });
    }, EVERY_MS).unref();
  };
}
