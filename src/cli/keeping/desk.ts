/**
 * A backup laid out to be worked with: opening a log writes index and tiles, and a backup into which anything was written is
 * not as it was made. So what it has is put into a directory of its own for as long as it is needed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkBackup, isBackup } from './checkbackup.ts';
import { restoreBackup } from './restore.ts';

/**
 * Hands `work` a state directory that it may open: this one, or what the backup that it is holds.
 * @throws BACKUP_DAMAGED
 */
export async function withState<T>(dir: string, work: (state: string) => Promise<T>): Promise<T> {
  if (!isBackup(dir)) return work(dir);
  const manifest = await checkBackup(dir);
  const desk = await mkdtemp(join(tmpdir(), 'attestctl-'));
  try {
    await restoreBackup(dir, manifest, desk);
    return await work(desk);
  } finally {
    await rm(desk, { recursive: true, force: true });
  }
}
