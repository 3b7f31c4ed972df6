/** Entries with whom they belong to, one after the other, as lists need them. */
import type { Wal } from './wal.ts';

/** An entry; a view that is good until the next one is asked for. */
export interface OwnedEntry {
  readonly index: number;
  readonly entry: Uint8Array;
  /** Absent where nobody owns it. */
  readonly uid?: number;
}

/** The entries `from` to `to` - 1 of a log that has them. @throws STORE_CORRUPT */
export function* ownedEntries(wal: Wal, from: number, to: number): Generator<OwnedEntry> {
  for (const batch of wal.batches(from, to)) {
    const metas = batch.metas();
    const end = Math.min(to - batch.first, batch.count);
    for (let i = Math.max(0, from - batch.first); i < end; i++) {
      const uid = metas[i]?.uid;
      yield { index: batch.first + i, entry: batch.entry(i), ...(uid === undefined ? {} : { uid }) };
    }
  }
}
