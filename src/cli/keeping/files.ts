/** The files of a state directory or a backup: listed without following a link, read once, written whole or not at all. */
import { constants, readdirSync } from 'node:fs';
import { chown, mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AttestdError } from '../../core/errors.ts';
import { syncDirectory } from '../../store/disk.ts';

/** Deeper than this lies nothing of ours. */
const MAX_DEPTH = 5;

/**
 * Every file below `dir`, as paths relative to it, sorted.
 * @throws BACKUP_DAMAGED for anything that is neither file nor directory, where `strict`; else it is left out
 */
export function listFiles(dir: string, strict: boolean): string[] {
  const found: string[] = [];
  const walk = (below: string, depth: number): void => {
    for (const entry of readdirSync(join(dir, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory() && depth < MAX_DEPTH) walk(path, depth + 1);
      else if (entry.isFile()) found.push(path);
      else if (strict)
        throw new AttestdError('BACKUP_DAMAGED', `${path}: neither a file nor a directory of ours`);
    }
  };
  walk('', 0);
  return found.sort();
}

/** Reads a file that is no link. */
export async function readPlain(path: string): Promise<Uint8Array> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

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
