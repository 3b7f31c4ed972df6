/**
 * The SHA-256 of a file by its path, read once and in pieces from one descriptor. For a path that a caller names, what
 * the daemon may open and the caller may not is refused, and the path recorded is the kernel's own for the very file
 * that was read: no link on the way, no file that was changed or moved meanwhile.
 */
import { createHash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, readlink } from 'node:fs/promises';
import { AttestdError } from '../core/errors.ts';

const PIECE = 1 << 20;

/** SHA-256 in hex of what is behind a descriptor, and how many bytes it was. */
async function hashHandle(file: FileHandle): Promise<{ sha256: string; size: bigint }> {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(PIECE);
  let size = 0n;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, PIECE, null);
    if (bytesRead === 0) return { sha256: hash.digest('hex'), size };
    hash.update(buffer.subarray(0, bytesRead));
    size += BigInt(bytesRead);
  }
}

/** The digest of a file of our own; undefined where it cannot be read. Never throws. */
export async function hashFile(path: string): Promise<string | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
    return (await hashHandle(file)).sha256;
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}

/** Digests of files, each read once in the life of this process. */
export interface FileDigests {
  /** Starts to read a file, if nobody has. */
  of(path: string): Promise<string | undefined>;
}

/** @param aliases paths that are read under another name, such as the executable through /proc/self/exe */
export function createFileDigests(aliases: ReadonlyMap<string, string> = new Map()): FileDigests {
  const known = new Map<string, Promise<string | undefined>>();
  return {
    of(path) {
      const found = known.get(path) ?? hashFile(aliases.get(path) ?? path);
      known.set(path, found);
      return found;
    },
  };
}

const refuse = (why: string) => new AttestdError('INVALID_REQUEST', why, { field: '/name' });
const same = (a: BigIntStats, b: BigIntStats): boolean =>
  a.dev === b.dev &&
  a.ino === b.ino &&
  a.size === b.size &&
  a.mtimeNs === b.mtimeNs &&
  a.ctimeNs === b.ctimeNs;

/**
 * Measures a file that a caller names.
 * @param uid of the caller: the file is its own, or everybody may read it
 * @throws INVALID_REQUEST where it is no such file, or was changed while it was read
 */
export async function measureFile(path: string, uid: number): Promise<{ sha256: string; size: bigint }> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NOCTTY | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((cause: NodeJS.ErrnoException) => {
    throw refuse(`the file cannot be opened by the daemon: ${cause.code ?? 'unknown'}`);
  });
  try {
    const before = await file.stat({ bigint: true });
    if (!before.isFile()) throw refuse('the path names no regular file');
    if (before.uid !== BigInt(uid) && (before.mode & 0o004n) === 0n && uid !== 0)
      throw refuse('the file is neither yours nor readable by everybody');
    const real = () => readlink(`/proc/self/fd/${file.fd}`);
    if ((await real()) !== path) throw refuse('the path leads through a link, or is not written out in full');
    const digest = await hashHandle(file);
    if (!same(before, await file.stat({ bigint: true })) || (await real()) !== path)
      throw refuse('the file was changed or moved while it was read');
    if (digest.size !== before.size) throw refuse('the file was changed while it was read');
    return digest;
  } finally {
    await file.close();
  }
}
