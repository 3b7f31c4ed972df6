/** The files of a state directory or a backup: listed without following a link, and read once. */
import { constants, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { AttestdError } from '../../core/errors.ts';

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
