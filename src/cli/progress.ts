/**
 * Progress on stderr for anything longer than a second: a bar on a terminal, a line every five seconds elsewhere,
 * JSON events when asked for. Shows counts and rate, not only a picture.
 */
import { AttestdError } from '../core/errors.ts';
import type { Io } from './io.ts';

export interface Progress {
  /** @param done of `total`; total may be an estimate and is never shown below done */
  update(done: number, total: number): void;
  end(): void;
}

const STYLES = ['auto', 'bar', 'lines', 'json', 'none'] as const;
const BAR = 30;

/**
 * @param what a noun in the plural: `entries`
 * @param style auto, bar, lines, json or none
 * @throws USAGE for another style
 */
export function createProgress(io: Io, what: string, style = 'auto'): Progress {
  const chosen = STYLES.find((s) => s === style);
  if (chosen === undefined) throw new AttestdError('USAGE', `--progress is one of ${STYLES.join(', ')}`);
  const kind = chosen === 'auto' ? (io.stderrIsTerminal ? 'bar' : 'lines') : chosen;
  const started = performance.now();
  const every = kind === 'bar' ? 100 : kind === 'json' ? 1000 : 5000;
  let shown = started;
  let drawn = false;
  return {
    update(done, total) {
      const now = performance.now();
      if (kind === 'none' || now - shown < every) return;
      shown = now;
      const seconds = (now - started) / 1000;
      const all = Math.max(done, total, 1);
      const rate = Math.round(done / seconds);
      if (kind === 'json') {
        process.stderr.write(`${JSON.stringify({ progress: what, done, total: all, seconds, rate })}\n`);
        return;
      }
      const left = Math.ceil((all - done) / Math.max(rate, 1));
      const text = `${done.toLocaleString('en')} of ${all.toLocaleString('en')} ${what}, ${rate.toLocaleString('en')}/s, ${left} s left`;
      if (kind === 'lines') io.note(text);
      else {
        const full = Math.round((done / all) * BAR);
        process.stderr.write(`\r[${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${text}\u001b[K`);
        drawn = true;
      }
    },
    end() {
      if (drawn) process.stderr.write('\r\u001b[K');
    },
  };
}
