/**
 * The SHA-256 of the file that a process executes, at the time of reading. The file is opened through
 * /proc/<pid>/exe, so it is the very inode that runs even if its path was replaced since. Digests are kept by
 * device, inode, size, mtime and ctime: any write or rename over the file changes one of them.
 */
import { createHash } from 'node:crypto';
import { open, readlink } from 'node:fs/promises';
import { fromUtf8, toHex } from '../core/bytes.ts';

/** Path as the kernel spells it and digest of its content in hex; or the word that says neither could be read. */
export type Executable = { readonly path: string; readonly sha256: string } | 'unreadable';

export interface ExecutableReader {
  /** Reads the executable behind a link such as `/proc/4242/exe`. Never throws. */
  read(link: string): Promise<Executable>;
}

/**
 * @param capacity how many digests are kept; the oldest goes first
 * @param maxSize bytes beyond which an executable is not read
 */
export function createExecutableReader(capacity = 512, maxSize = Number.MAX_SAFE_INTEGER): ExecutableReader {
  const digests = new Map<string, Promise<string>>();

  async function digestOf(link: string): Promise<string> {
    const file = await open(link, 'r');
    try {
      const s = await file.stat({ bigint: true });
      const key = `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`;
      if (s.size > maxSize) throw new Error('the executable is too long');
      const known = digests.get(key);
      if (known !== undefined) return await known;
      const work = hashFile(file);
      digests.set(key, work);
      if (digests.size > capacity) digests.delete(digests.keys().next().value as string);
      // A digest is only kept if the file did not change while it was read.
      const digest = await work.catch((e: unknown) => {
        digests.delete(key);
        throw e;
      });
      const after = await file.stat({ bigint: true });
      if (after.mtimeNs !== s.mtimeNs || after.ctimeNs !== s.ctimeNs || after.size !== s.size)
        digests.delete(key);
      return digest;
    } finally {
      await file.close();
    }
  }

  return {
    async read(link) {
      try {
        const path = fromUtf8(await readlink(link, { encoding: 'buffer' }));
        return { path, sha256: await digestOf(link) };
      } catch {
        return 'unreadable';
      }
    },
  };
}

async function hashFile(file: Awaited<ReturnType<typeof open>>): Promise<string> {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(1 << 20);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return toHex(hash.digest());
    hash.update(buffer.subarray(0, bytesRead));
  }
}
