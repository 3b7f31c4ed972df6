/**
 * Entries that were removed for their age. Their leaf hashes hold every root and seal; what they said nobody can read any
 * more. A removal is in order where a tombstone of the log says that everything below an index may be gone, under a seal of
 * its own run: what is written into the disk while the daemon is down is sealed by the next run only. What the audit needs to follow the log (genesis, boots, anchors, keys, measurements) is never removed: where one of those is, what
 * stands behind it does not hold.
 */
import type { Predicate } from '../../evidence/statement.ts';
import type { Findings } from './findings.ts';

/** What a cursor keeps of it; absent where nothing was removed. */
export interface RemovalState {
  readonly removed?: {
    readonly count: number;
    readonly last: number;
    readonly announced: number;
    readonly pending?: Pending;
  };
}

/** Tombstones that no seal covers yet: the last of them, and how far they say that entries may be gone. */
interface Pending {
  readonly index: number;
  readonly below: number;
}

export class Removal {
  #count = 0;
  #last = -1;
  #announced = 0;
  #pending: Pending | undefined;

  /** Entries that are gone. */
  get count(): number {
    return this.#count;
  }

  /** Entry `index` is gone. */
  take(index: number): void {
    this.#count++;
    this.#last = index;
  }

  /** A tombstone at `index`, of the run that began with entry `boot`. It speaks for what stands before it only. */
  announce(index: number, boot: number, predicate: Predicate<'tombstone'>): void {
    if (!('retention' in predicate)) return;
    const pending = this.#pending;
    const earlier = pending !== undefined && pending.index > boot ? pending.below : 0;
    this.#pending = { index, below: Math.max(earlier, Math.min(index, predicate.retention.before)) };
  }

  /** A seal over `size` entries, of the run that began with entry `boot`. */
  sealed(size: number, boot: number): void {
    const pending = this.#pending;
    if (pending === undefined || pending.index >= size) return;
    if (pending.index > boot) this.#announced = Math.max(this.#announced, pending.below);
    this.#pending = undefined;
  }

  /** Finds what is gone and was never announced: the last of it. */
  finish(findings: Findings): void {
    if (this.#last < this.#announced || this.#count === 0) return;
    findings.found(
      'entry-removed',
      this.#last,
      'the entry is gone, and no sealed tombstone of this log says so',
    );
  }

  save(): RemovalState {
    const pending = this.#pending;
    if (this.#count === 0 && this.#announced === 0 && pending === undefined) return {};
    const { count } = this;
    const more = pending === undefined ? {} : { pending };
    return { removed: { count, last: this.#last, announced: this.#announced, ...more } };
  }

  restore({ removed }: RemovalState): void {
    if (removed === undefined) return;
    this.#count = removed.count;
    this.#last = removed.last;
    this.#announced = removed.announced;
    this.#pending = removed.pending;
  }
}
