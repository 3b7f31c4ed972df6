/**
 * The metrics as a file for node_exporter's textfile collector: written whole beside its place and renamed into it, so
 * that nobody reads half of one. The name it has meanwhile does not end in .prom, which is all that node_exporter reads.
 */
import { closeSync, constants, fchmodSync, openSync, renameSync, writeFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import type { Journal } from '../journal.ts';
import type { Exposition } from './exposition.ts';

export interface Textfile {
  /** Writes it once more, so that the last values are there, and ends. */
  stop(): Promise<void>;
}

/** Writes the file now and at every interval; where none is configured, does nothing. */
export function keepTextfile(
  settings: Config['metrics'],
  exposition: Exposition,
  journal: Journal,
): Textfile {
  const { textfile, interval_s } = settings;
  if (textfile === '') return { stop: async () => undefined };
  let told = false;
  let turn = Promise.resolve();
  async function write(): Promise<void> {
    try {
      replace(textfile, await exposition());
      told = false;
    } catch (error) {
      if (!told) journal.warn('the file of metrics is not written', { error });
      told = true;
    }
  }
  const next = (): Promise<void> => {
    turn = turn.then(write);
    return turn;
  };
  void next();
  const timer = setInterval(() => void next(), interval_s * 1000);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      return next();
    },
  };
}

function replace(path: string, text: string): void {
  const temp = `${path}.tmp`;
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const fd = openSync(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o644);
  try {
    // Whatever the umask says: node_exporter is another user.
    fchmodSync(fd, 0o644);
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
  renameSync(temp, path);
}
