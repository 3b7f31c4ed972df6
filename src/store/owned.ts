/** Entries with whom they belong to, one after the other, as lists need them. */
import type { Wal } from './wal.ts';

/** An entry; a view that is good until the next one is asked for. */
export interface OwnedEntry {
  readonly index: number;
  readonly entry: Uint8Array;
  /** Absent where nobody owns it. */
  readonly uid?: number;
}

/** The entries `from` to `to` - 1 of a log that has them, without those that were removed. @throws STORE_CORRUPT */
export function* ownedEntries(wal: Wal, from: number, to: number): Generator<OwnedEntry> {
  for (const batch of wal.batches(from, to)) {
    const metas = batch.metas();
    const end = Math.min(to - batch.first, batch.count);
    for (let i = Math.max(0, from - batch.first); i < end; i++) {
      if (batch.removed(i)) continue;
      const uid = metas[i]?.uid;
      yield { index: batch.first + i, entry: batch.entry(i), ...(uid === undefined ? {} : { uid }) };
    }
  }
}

const NOTHING = new Uint8Array(0);

/** The entries `from` to `to` - 1, an empty one where it was removed; views that are good until the next one is asked for. */
export function* entriesOf(wal: Wal, from: number, to: number): Generator<Uint8Array> {
  for (const batch of wal.batches(from, to)) {
    const end = Math.min(to - batch.first, batch.count);
    for (let i = Math.max(0, from - batch.first); i < end; i++)
      yield batch.removed(i) ? NOTHING : batch.entry(i);
  }
}
