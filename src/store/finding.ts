/** Finding a record by its ULID: the index names runs of entries by the time in it, and their frames say the rest. */
import { putUlid } from './batch.ts';
import type { StoreParts } from './parts.ts';

/** The record with this ULID, removed or not, and whose it is. */
export function findRecord(
  { lookup, wal }: Pick<StoreParts, 'lookup' | 'wal'>,
  id: string,
): { index: number; uid: number } | undefined {
  const bytes = Buffer.alloc(16);
  putUlid(bytes, id, 0);
  for (const { first, count } of lookup.runs(bytes.readUIntBE(0, 6))) {
    for (const batch of wal.batches(first, first + count)) {
      if (!batch.mayHold(bytes)) continue;
      for (const [i, meta] of batch.metas().entries())
        if (meta.id === id && meta.uid !== undefined) return { index: batch.first + i, uid: meta.uid };
    }
  }
  return undefined;
}
