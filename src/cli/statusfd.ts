/** `--status-fd`: one line of JSON on a descriptor of the caller's. */
import { fstatSync, writeSync } from 'node:fs';
import { AttestdError } from '../core/errors.ts';
import { type Io, reportFault } from './io.ts';

/**
 * Tells a program above whether the command was started at all: a status of 5 or 6 may be the command's own. What can
 * not be written once the command has run is reported, and its status stays.
 * @throws USAGE when it is no descriptor that is open
 */
export function statusWriter(fd: string | undefined, io: Io): (what: Record<string, unknown>) => void {
  if (fd === undefined) return () => undefined;
  const bad = (why: string) => new AttestdError('USAGE', `--status-fd ${why}`, { field: '--status-fd' });
  if (!/^(?:[3-9]|[1-9][0-9]{1,3})$/.test(fd)) throw bad(`is a descriptor from 3 on, not ${fd}`);
  try {
    fstatSync(Number(fd));
  } catch {
    throw bad(`${fd} is not open`);
  }
  return (what) => {
    try {
      writeSync(Number(fd), `${JSON.stringify({ schema: 'attestd.dev/run-status/v1', ...what })}\n`);
    } catch (fault) {
      reportFault(io, fault);
    }
  };
}
