/** Holding a backup against its list: every file that is named, as it was, and no other. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { sha256Of } from '../../store/hash.ts';
import { listFiles, readPlain } from './files.ts';
import { MANIFEST, type Manifest, parseManifest } from './manifest.ts';

/** Whether a directory says that it is a backup. */
export const isBackup = (dir: string): boolean => existsSync(join(dir, MANIFEST));

/** Reads the list of a backup. @throws NOT_FOUND, BACKUP_DAMAGED */
export async function readManifest(dir: string): Promise<Manifest> {
  let bytes: Uint8Array;
  try {
    bytes = await readPlain(join(dir, MANIFEST));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ELOOP') throw new AttestdError('BACKUP_DAMAGED', `${MANIFEST} is a link`, { cause });
    throw new AttestdError('NOT_FOUND', `${dir} is no backup: ${MANIFEST}: ${code}`, { cause });
  }
  return parseManifest(bytes);
}

/** One file of a backup, which must be what its list says. @throws BACKUP_DAMAGED */
export async function readListed(dir: string, file: Manifest['files'][number]): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readPlain(join(dir, file.path));
  } catch (cause) {
    throw new AttestdError('BACKUP_DAMAGED', `${file.path}: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
    });
  }
  if (bytes.length !== file.bytes)
    throw new AttestdError(
      'BACKUP_DAMAGED',
      `${file.path}: ${bytes.length} bytes, ${file.bytes} were written`,
    );
  if (toHex(sha256Of(bytes)) !== file.sha256)
    throw new AttestdError('BACKUP_DAMAGED', `${file.path} is not what was written`);
  return bytes;
}

/** Holds a whole backup against its list. @throws NOT_FOUND, BACKUP_DAMAGED */
export async function checkBackup(dir: string): Promise<Manifest> {
  const manifest = await readManifest(dir);
  const listed = new Set(manifest.files.map((f) => f.path));
  const spare = listFiles(dir, true).find((p) => p !== MANIFEST && !listed.has(p));
  if (spare !== undefined) throw new AttestdError('BACKUP_DAMAGED', `${spare} is not on its list`);
  for (const file of manifest.files) await readListed(dir, file);
  return manifest;
}

/** Holds what an audit of a backup found against its list: the same logs, of the same size. @throws BACKUP_DAMAGED */
export function holdLogs(
  { logs, current }: Manifest,
  found: readonly { readonly origin: string; readonly entries: number }[],
): void {
  for (const { origin, entries } of found) {
    const listed = logs.find((l) => l.origin === origin);
    if (listed?.size !== entries)
      throw new AttestdError(
        'BACKUP_DAMAGED',
        `${origin} has ${entries} entries, ${listed?.size ?? 'none'} were written`,
      );
  }
  if (found.length !== logs.length || !logs.some((l) => l.origin === current))
    throw new AttestdError('BACKUP_DAMAGED', 'its logs are not those on its list');
}
