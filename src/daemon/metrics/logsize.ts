/** What the segments of the log occupy on the disk, as the file system says; a segment is allocated whole. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of the files in `wal`, the spare included. */
export function logBytes(wal: string): number {
  return readdirSync(wal)
    .map((name) => statSync(join(wal, name), { throwIfNoEntry: false })?.blocks ?? 0)
    .reduce((n, blocks) => n + blocks * 512, 0);
}
