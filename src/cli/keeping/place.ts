/** Files of a backup or a state directory, written whole or not at all. */
import { constants } from 'node:fs';
import { chown, mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory } from '../../store/disk.ts';

/** Whom files are to belong to, where root writes them. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Writes a file (0600) beside its place, syncs it and renames it there; directories are made 0700. */
export async function placeFile(root: string, path: string, bytes: Uint8Array, owner?: Owner): Promise<void> {
  let made = root;
  for (const part of dirname(path)
    .split('/')
    .filter((p) => p !== '.')) {
    made = join(made, part);
    try {
      await mkdir(made, { mode: 0o700 });
      if (owner !== undefined) await chown(made, owner.uid, owner.gid);
      await syncDirectory(dirname(made));
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
    }
  }
  const to = join(root, path);
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const file = await open(`${to}.tmp`, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(bytes);
    if (owner !== undefined) await file.chown(owner.uid, owner.gid);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${to}.tmp`, to);
  await syncDirectory(dirname(to));
}
