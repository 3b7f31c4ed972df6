/** What an operator reads, and what a monitor does: `attestd.dev/doctor/v1`. */
import { formatTime } from '../../core/time.ts';
import type { Io } from '../io.ts';
import { VERSION } from '../version.ts';
import type { Status } from './check.ts';
import { type Judged, verdictOf } from './examine.ts';

/** A sign and a word, for colour is not to be relied on. */
const MARK = {
  ok: ['✓', 'green'],
  warn: ['!', 'yellow'],
  wrong: ['✗', 'red'],
  unknown: ['?', 'yellow'],
} as const satisfies Record<Status, readonly [string, 'green' | 'yellow' | 'red']>;

export function printText(judged: readonly Judged[], io: Pick<Io, 'style'>): string {
  const width = Math.max(...judged.map((j) => j.id.length));
  const lines = judged.map(({ id, status, sentence, fix }) => {
    const [sign, colour] = MARK[status];
    const line = `${io.style(colour, `${sign} ${status.padEnd(7)}`)}  ${io.style('bold', id.padEnd(width))}  ${sentence}\n`;
    return fix === undefined || status === 'ok' ? line : `${line}${' '.repeat(width + 13)}→ ${fix}\n`;
  });
  const counts = (['wrong', 'warn', 'unknown', 'ok'] as const).map(
    (s) => `${judged.filter((j) => j.status === s).length} ${s}`,
  );
  return `${lines.join('')}\n${verdictOf(judged)}: ${counts.join(', ')}\n`;
}

export function printJson(judged: readonly Judged[], now: number): string {
  const checks = judged.map(({ id, title, status, sentence, fix }) => ({
    id,
    title,
    status,
    sentence,
    ...(fix === undefined ? {} : { fix }),
  }));
  const document = {
    schema: 'attestd.dev/doctor/v1',
    version: VERSION,
    time: formatTime(now),
    verdict: verdictOf(judged),
    checks,
  };
  return `${JSON.stringify(document)}\n`;
}
