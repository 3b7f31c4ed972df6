/**
 * The daemon's log lines: one JSON object a line on stdout, in pino's shape, with the syslog priority in front that
 * systemd understands (sd-daemon(3), SyslogLevelPrefix). Messages are constant sentences and the particulars are
 * fields, so that they can be counted. Nothing that a caller sent is ever written here.
 */
import { isAttestdError } from '../core/errors.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

const ORDER: Record<Level, { readonly syslog: number; readonly pino: number }> = {
  debug: { syslog: 7, pino: 20 },
  info: { syslog: 6, pino: 30 },
  warn: { syslog: 4, pino: 40 },
  error: { syslog: 3, pino: 50 },
};

export type Journal = {
  readonly [L in Level]: (message: string, facts?: Readonly<Record<string, unknown>>) => void;
};

/**
 * @param level the least that is written; a function where it may change (SIGHUP)
 * @param write where lines go; `(line) => process.stdout.write(line)` in the daemon
 * @param now milliseconds since 1970
 */
export function createJournal(
  level: Level | (() => Level),
  write: (line: string) => void,
  now: () => number = Date.now,
): Journal {
  const least = (): number => ORDER[typeof level === 'function' ? level() : level].pino;
  const at =
    (l: Level) =>
    (message: string, facts: Readonly<Record<string, unknown>> = {}): void => {
      const { syslog, pino } = ORDER[l];
      if (pino < least()) return;
      const line = JSON.stringify({ level: pino, time: now(), msg: message, ...plain(facts, l) });
      write(`<${syslog}>${line}\n`);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/**
 * Errors become their code and message; everything else is JSON already. Where one of the table is only warned of, its
 * sentence says all: whence it came is for faults.
 */
function plain(facts: Readonly<Record<string, unknown>>, level: Level): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(facts)) {
    if (value instanceof Error) {
      const { message, code, stack } = value as Error & { code?: unknown };
      const foreseen = level === 'warn' && isAttestdError(value) && value.code !== 'INTERNAL';
      out[name] = { message, code, ...(foreseen ? {} : { stack }) };
    } else out[name] = typeof value === 'bigint' ? value.toString() : value;
  }
  return out;
}
