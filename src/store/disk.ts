/**
 * The operations that make bytes durable, in one place so that tests can break each of them. System calls of the
 * happy paths:
 *
 * - `allocate`: open(O_CREAT|O_EXCL, 0600) → write zeros → fdatasync → close → fsync(dir)
 * - `rename`:   rename → fsync(dir)
 * - `replace`:  open(O_CREAT|O_TRUNC, 0600) of `<name>.tmp` → write → fsync → close → rename → fsync(dir)
 * - `create`:   open(O_CREAT|O_EXCL, 0600) → write → close, on the thread pool
 * - `append`:   pwrite → fdatasync on the writer's own thread; entries: pwrite → sync_file_range → hashing → fdatasync
 *
 * None is ever tried again: after a failed sync the kernel may have dropped the pages and called them clean.
 */
import { closeSync, openSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import { type Addon, loadAddon } from '../native/addon.ts';

/** Writes to one file. After the first failure every write is refused. */
export interface DurableFile {
  /** Resolves when the bytes are durable at `offset`, with the milliseconds that took; they must not change until then. */
  append(buffers: readonly Uint8Array[], offset: number): Promise<number>;
  /**
   * The same for a frame, the first buffer, with `count` entries from `from` on: with SHA-256 of the frame, the leaf
   * hash of each entry, and SHA-256 of each in hexadecimal, made on the writer's thread.
   */
  appendEntries(
    buffers: readonly Uint8Array[],
    offset: number,
    from: number,
    count: number,
  ): Promise<{ readonly ms: number; readonly hashes: Buffer; readonly digests: string }>;
  /** Settles at once what has ended meanwhile, instead of when the event loop comes round. */
  poll(): void;
  close(): Promise<void>;
}

export interface Disk {
  /** Makes a new file of `size` zeros. @throws the system's error: EEXIST, ENOSPC, EFBIG, … */
  allocate(path: string, size: number): Promise<void>;
  /** Opens an allocated file for appending. */
  openDurable(path: string): Promise<DurableFile>;
  rename(from: string, to: string): Promise<void>;
  /** Makes a new file that nobody relies on: not synced. Resolves with whether there was none yet. @throws the system's error */
  create(path: string, bytes: Uint8Array): Promise<boolean>;
  /** Puts a whole file in place of another, atomically. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** Locks a file, which is made where it is missing. @returns how to let go; undefined when another holds it */
  lock(path: string): (() => void) | undefined;
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts `bytes` in place of `path` so that after a crash it is the old file or the new one. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(`${path}.tmp`, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await renameDurably(`${path}.tmp`, path);
}

export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/** The disk, by way of the addon's write thread and locks. @throws NATIVE_MISSING */
export function nativeDisk(addon: Addon = loadAddon()): Disk {
  return {
    async allocate(path, size) {
      const handle = await open(path, 'wx', 0o600);
      try {
        await addon.preallocate(handle.fd, size);
      } finally {
        await handle.close();
      }
      await syncDirectory(dirname(path));
    },
    async openDurable(path) {
      const handle = await open(path, 'r+');
      const writer = new addon.SyncWriter(handle.fd);
      return {
        append: (buffers, offset) => writer.write(buffers, offset),
        appendEntries: (buffers, offset, from, count) => writer.writeEntries(buffers, offset, from, count),
        poll: () => writer.poll(),
        async close() {
          try {
            await writer.close();
          } finally {
            await handle.close();
          }
        },
      };
    },
    async create(path, bytes) {
      try {
        await addon.writeNewFile(path, bytes);
        return true;
      } catch (e) {
        if ((e as { errno?: unknown }).errno === 'EEXIST') return false;
        // What there was room for is no file of anybody's.
        await unlink(path).catch(() => undefined);
        throw e;
      }
    },
    rename: renameDurably,
    replace: replaceFile,
    lock(path) {
      const fd = openSync(path, 'a', 0o600);
      if (addon.lockFile(fd)) return () => closeSync(fd);
      closeSync(fd);
      return undefined;
    },
  };
}

const EDQUOT = -constants.errno.EDQUOT;

/** Whether there was no room: no block, no inode, or none that the quota allows. Unlike any other failure this passes. */
export function isNoRoom(cause: unknown): boolean {
  const { code, errno } = Object(cause) as { code?: unknown; errno?: unknown };
  // Node has no name for a used-up quota.
  return code === 'ENOSPC' || errno === 'ENOSPC' || errno === 'EDQUOT' || errno === EDQUOT;
}

/** The system's words, where Node knows only a number too. */
export function wordsOf(cause: unknown): string {
  const words = cause instanceof Error ? cause.message : String(cause);
  return words.replace(/^Unknown system error -\d+: Unknown system error -\d+/, (number) =>
    isNoRoom(cause) ? 'EDQUOT: disk quota exceeded' : number,
  );
}

/** A failed write, as callers see it. */
export function unavailable(what: string, cause: unknown): AttestdError {
  return new AttestdError('STORAGE_UNAVAILABLE', `${what}: ${wordsOf(cause)}`, { cause });
}
