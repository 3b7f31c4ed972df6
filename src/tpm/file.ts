/**
 * Small files that must be whole or absent after a crash, and private: written beside their place, fsynced, renamed,
 * and the folder fsynced (the store has its own for the log; floors of one level do not share).
 */
import { constants, readFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AttestdError } from '../core/errors.ts';

async function syncAndClose(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces `path` by `bytes`, mode 0600, durably. The folder is made, mode 0700, where it is missing. */
export async function writeDurable(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const beside = `${path}.new`;
  await rm(beside, { force: true });
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = await open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(bytes);
  } catch (e) {
    await file.close();
    throw e;
  }
  await syncAndClose(file);
  await rename(beside, path);
  await syncAndClose(await open(folder, constants.O_RDONLY | constants.O_DIRECTORY));
}

/** `readSmall` for where nothing may come in between. */
export function readSmallSync(path: string, max: number): Uint8Array | null {
  try {
    return small(path, readFileSync(path), max);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw e;
  }
}

/** The whole file, or null where there is none. @throws TOO_LARGE over `max` bytes */
export async function readSmall(path: string, max: number): Promise<Uint8Array | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw e;
  }
  return small(path, bytes, max);
}

function small(path: string, bytes: Buffer, max: number): Uint8Array {
  if (bytes.length > max) throw new AttestdError('TOO_LARGE', `${path} is larger than ${max} bytes`);
  return new Uint8Array(bytes);
}
