/**
 * The authority's folder: files 0600 in a folder 0700, written to a temporary name, fsynced, renamed, and the folder
 * fsynced, so that after any crash a file is the old one or the new one. One process at a time changes it.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AttestdError } from '../core/errors.ts';

/** Replaces a file durably. */
export async function writeDurably(path: string, data: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(data);
    await file.sync();
  } catch (e) {
    await file.close();
    await rm(temporary, { force: true });
    throw e;
  }
  await file.close();
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Removes a file durably; it may be gone already. */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}

/** Makes the renames and removals in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Makes a folder for this user alone. @throws EXISTS when something is there */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'EEXIST')
      throw new AttestdError('EXISTS', `${path} exists already`);
    throw e;
  }
}

/** The bytes of a file, or undefined where there is none. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw e;
  }
}

/** Whoever in this process is at work in a folder, by folder: the next waits for it. */
const queues = new Map<string, Promise<void>>();
/** How long another process is waited for: each holds the lock for the time of a few fsyncs. */
const PATIENCE_MS = 2000;

/**
 * Runs `work` while nobody else changes the folder: others of this process wait their turn, another process is waited
 * for a little. The lock names its process; one whose process is gone is taken over.
 * @throws AUTHORITY_LOCKED
 */
export async function withLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const path = join(dir, 'lock');
  const before = queues.get(path) ?? Promise.resolve();
  const turn = before.then(async () => {
    await takeLock(path);
    try {
      return await work();
    } finally {
      await rm(path, { force: true });
    }
  });
  const over = turn.then(
    () => undefined,
    () => undefined,
  );
  queues.set(path, over);
  try {
    return await turn;
  } finally {
    if (queues.get(path) === over) queues.delete(path);
  }
}

/** A link appears with its content or not at all, so a lock always names its process. */
async function takeLock(path: string): Promise<void> {
  const own = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await writeFile(own, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
  const deadline = performance.now() + PATIENCE_MS;
  try {
    for (;;) {
      try {
        return await link(own, path);
      } catch (e) {
        if ((e as NodeJS.ErrnoException).code !== 'EEXIST') throw e;
      }
      const holder = await holderOf(path);
      if (holder === undefined) continue;
      if (!isAlive(holder)) await removeStale(path, `${own}.stale`);
      else if (performance.now() > deadline) throw locked(holder);
      else await sleep(20);
    }
  } finally {
    await rm(own, { force: true });
  }
}

const locked = (pid: number) =>
  new AttestdError('AUTHORITY_LOCKED', `process ${pid} is at work in this authority`);

async function holderOf(path: string): Promise<number | undefined> {
  const there = await readIfThere(path);
  return there === undefined ? undefined : Number(Buffer.from(there).toString());
}

/** Takes a dead lock away by renaming it: if another process was faster and its lock is alive, it is put back. */
async function removeStale(path: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw e;
  }
  const holder = (await holderOf(aside)) ?? 0;
  try {
    if (isAlive(holder)) {
      await link(aside, path);
      throw locked(holder);
    }
  } finally {
    await rm(aside, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM';
  }
}
