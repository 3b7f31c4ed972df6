/**
 * Uses of a grant on their way into the log. A use is taken in memory when it is asked for, for the next may follow it before it
 * is durable; where the log did not take it, it is given back, if it is certain that nothing of it is there, and nothing
 * that follows it. Else the chain of uses in memory may not be the one in the log, and the grant is good for nothing
 * until the next start reads it.
 */
import type { Ref } from '../../evidence/schema/field.ts';
import type { LiveGrant } from './live.ts';

/** `count` uses that one entry takes. */
export interface Taking {
  readonly count: number;
  /** The entry that took the use before, or the grant itself. */
  readonly prev: Ref;
  /** It will never be in the log. */
  lost: boolean;
}

/** What became of the entry that takes a use: it is durable, nothing of it was written, or nobody can say. */
export type Fate = 'durable' | 'lost' | 'uncertain';

/** The entry `by` takes the next `count` uses. */
export function takeUses(grant: LiveGrant, by: Ref, count: number): Taking {
  const taking = { count, prev: grant.last, lost: false };
  grant.used += count;
  grant.last = by;
  grant.underway.push(taking);
  return taking;
}

export function settleUses(grant: LiveGrant, taking: Taking, fate: Fate): void {
  const { underway } = grant;
  if (fate !== 'lost') {
    // One that was lost before it is named in the log by one that was not.
    if (fate === 'uncertain' || underway[0] !== taking) grant.broken = true;
    underway.splice(underway.indexOf(taking), 1);
    return;
  }
  taking.lost = true;
  for (let last = underway.at(-1); last?.lost; last = underway.at(-1)) {
    underway.pop();
    grant.used -= last.count;
    grant.last = last.prev;
  }
}
