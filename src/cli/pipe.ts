/**
 * Real pipes for a child. Node gives a child sockets, which a program cannot open again by /dev/stdout or /dev/stderr and
 * which answer a reader that went away with ECONNRESET where every program expects EPIPE and SIGPIPE.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttestdError } from '../core/errors.ts';

/** File descriptors of the two ends; both block, and neither is inherited by accident. */
export interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** Makes pipes by way of FIFOs that have no name any more when this returns. @throws STORAGE_UNAVAILABLE */
export function makePipes(count: number): Pipe[] {
  if (count === 0) return [];
  let dir: string | undefined;
  try {
    dir = mkdtempSync(join(tmpdir(), 'attestctl-'));
    const paths = Array.from({ length: count }, (_, i) => join(dir as string, String(i)));
    const made = spawnSync('mkfifo', ['-m', '600', ...paths], { stdio: 'ignore' });
    if (made.status !== 0) throw made.error ?? new Error(`mkfifo ended with ${made.status}`);
    return paths.map(openPipe);
  } catch (cause) {
    throw new AttestdError('STORAGE_UNAVAILABLE', `no pipe in ${tmpdir()}: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  }
}

/** Opened for both first (fifo(7): that never blocks), for then neither end waits for the other. */
function openPipe(path: string): Pipe {
  const both = openSync(path, constants.O_RDWR);
  try {
    return { read: openSync(path, constants.O_RDONLY), write: openSync(path, constants.O_WRONLY) };
  } finally {
    closeSync(both);
  }
}
