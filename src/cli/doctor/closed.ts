/** Files that only the daemon's user and root may read. */
import { CannotTell } from './check.ts';

const isClosed = (e: unknown): boolean =>
  [e, (e as { facts?: { cause?: unknown } }).facts?.cause].some(
    (x) => (x as NodeJS.ErrnoException | undefined)?.code === 'EACCES',
  );

/** @throws CannotTell in place of an error that says that this user may not look */
export function ifClosed(e: unknown): void {
  if (isClosed(e)) throw new CannotTell('The state directory is closed to you.', 'sudo attestctl doctor');
}

/** Reads what only the daemon's user and root may. @throws CannotTell where this is neither */
export async function reading<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    ifClosed(e);
    throw e;
  }
}
