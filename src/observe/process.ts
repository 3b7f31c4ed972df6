/**
 * A process pinned by its directory in /proc: a descriptor of that directory stands for the process that was there when
 * it was opened and for no other, so once its start time is the one that was asked for, what is read through it is of
 * that process, and after its end nothing is read at all.
 */
import { type FileHandle, open, readFile, readlink } from 'node:fs/promises';
import type { ExecutableReader } from '../measure/executable.ts';
import { printExecutable, type Refusal } from '../measure/observer/protocol.ts';
import { startTicks } from '../measure/process.ts';

/** Longest path that the kernel makes (PATH_MAX). */
const MAX_PATH = 4096;

/** Path and digest of the executable of the process that has this pid and started then. Never throws. */
export async function executableOf(
  pid: number,
  started: number,
  executables: ExecutableReader,
  proc = '/proc',
): Promise<Buffer | Refusal> {
  let dir: FileHandle | undefined;
  try {
    dir = await open(`${proc}/${pid}`, 'r');
    const pinned = `/proc/self/fd/${dir.fd}`;
    if (startTicks(await readFile(`${pinned}/stat`, 'utf8')) !== started) return 'gone';
    const exe = await executables.read(`${pinned}/exe`);
    if (exe === 'unreadable') return 'unreadable';
    const path = await readlink(`${pinned}/exe`, { encoding: 'buffer' });
    // One that executed something else meanwhile is asked about again or not at all, never half and half.
    if (path.toString('utf8') !== exe.path) return 'unreadable';
    return path.length > MAX_PATH ? 'long' : printExecutable(exe.sha256, path);
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ESRCH' ? 'gone' : 'unreadable';
  } finally {
    await dir?.close();
  }
}
