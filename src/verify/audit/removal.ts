/**
 * Entries that were removed for their age. Their leaf hashes hold every root and seal; what they said nobody can read any
 * more. A removal is in order where a tombstone of the log says that everything below an index may be gone. What the
 * audit needs to follow the log (genesis, boots, anchors, keys, measurements) is never removed: where one of those is, what
 * stands behind it does not hold.
 */
import type { Predicate } from '../../evidence/statement.ts';
import type { Findings } from './findings.ts';

/** What a cursor keeps of it; absent where nothing was removed. */
export interface RemovalState {
  readonly removed?: { readonly count: number; readonly last: number; readonly announced: number };
}

export class Removal {
  #count = 0;
  #last = -1;
  #announced = 0;

  /** Entries that are gone. */
  get count(): number {
    return this.#count;
  }

  /** Entry `index` is gone. */
  take(index: number): void {
    this.#count++;
    this.#last = index;
  }

  /** A tombstone at `index`. It speaks for what stands before it only. */
  announce(index: number, predicate: Predicate<'tombstone'>): void {
    if (!('retention' in predicate)) return;
    this.#announced = Math.max(this.#announced, Math.min(index, predicate.retention.before));
  }

  /** Finds what is gone and was never announced: the last of it. */
  finish(findings: Findings): void {
    if (this.#last < this.#announced || this.#count === 0) return;
    findings.found('entry-removed', this.#last, 'the entry is gone, and no tombstone of this log says so');
  }

  save(): RemovalState {
    if (this.#count === 0 && this.#announced === 0) return {};
    return { removed: { count: this.#count, last: this.#last, announced: this.#announced } };
  }

  restore({ removed }: RemovalState): void {
    if (removed === undefined) return;
    this.#count = removed.count;
    this.#last = removed.last;
    this.#announced = removed.announced;
  }
}
