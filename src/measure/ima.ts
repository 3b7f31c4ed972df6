/**
 * The kernel's list of what it measured (Linux security/integrity/ima/ima_fs.c, `binary_runtime_measurements`). It only
 * grows while the machine runs, so it is read on from where reading stopped. Root alone may read it on most systems;
 * whether it is there, everybody may see.
 */
import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Observer } from './observer/observer.ts';

/** Where the kernel keeps it. */
export const IMA_LIST = '/sys/kernel/security/ima/binary_runtime_measurements';

/** Bytes that are read at once. */
const PIECE = 256 * 1024;

/** Where a list comes from: the kernel's file, or a helper that may read it. */
export interface ImaSource {
  /** Whether the kernel keeps a list, readable or not. */
  readonly active: boolean;
  /** The list from this byte on, up to where it ends now. @throws what stands in the way of reading it */
  from(offset: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Longest list that the root helper is asked for: it comes whole. */
const MAX_OBSERVED = 256 * 1024 * 1024;

/**
 * The list in a file, or in what behaves like one.
 * @param observer asked where the file may not be read, which is the rule: it is root's
 */
export function createImaSource(path: string = IMA_LIST, observer?: Observer): ImaSource {
  const file = createImaFile(path);
  return {
    get active() {
      return file.active;
    },
    async *from(offset) {
      let begun = false;
      try {
        for await (const piece of file.from(offset)) {
          begun = true;
          yield piece;
        }
        return;
      } catch (e) {
        const { code } = e as NodeJS.ErrnoException;
        if (begun || observer === undefined || (code !== 'EACCES' && code !== 'EPERM')) throw e;
      }
      const bytes = await observer.log('ima', MAX_OBSERVED);
      if (typeof bytes === 'string') throw new Error(`the IMA list is ${bytes}: ${path}`);
      if (bytes.length > offset) yield bytes.subarray(offset);
    },
    close: () => file.close(),
  };
}

/** The list in a file that may be read. */
export function createImaFile(path: string): ImaSource {
  let file: Promise<FileHandle> | undefined;
  // One open file: the kernel then goes on at its place instead of walking the list to it.
  const opened = (): Promise<FileHandle> => {
    file ??= open(path).catch((e: unknown) => {
      file = undefined;
      throw e;
    });
    return file;
  };
  return {
    get active() {
      return existsSync(path);
    },
    async *from(offset) {
      const handle = await opened();
      for (let at = offset; ; ) {
        const piece = new Uint8Array(PIECE);
        const { bytesRead } = await handle.read(piece, 0, PIECE, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield piece.subarray(0, bytesRead);
      }
    },
    async close() {
      const handle = await file?.catch(() => undefined);
      file = undefined;
      await handle?.close();
    },
  };
}
