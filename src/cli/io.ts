/**
 * Everything a person reads comes through here. Results go to stdout; messages, progress and errors go to stderr
 * with the prefix `attestctl: `, lower case, without a full stop; colour only on a terminal and never alone.
 */
import { styleText } from 'node:util';
import { AttestdError, ERRORS, isAttestdError } from '../core/errors.ts';
import { printableDocument, printableLines } from '../core/printable.ts';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

export interface Io {
  readonly stdin: NodeJS.ReadStream;
  readonly environment: NodeJS.ProcessEnv;
  /** One JSON document instead of text for people. */
  readonly json: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** Room on the terminal that stdout is, as it is now. */
  stdoutSize(): { readonly columns: number; readonly rows: number };
  /**
   * Writes to stdout: bytes as they are; of a text, what would drive a terminal only where `style` put it. Evidence is
   * read before anybody knows whether to believe it, and callers chose much of it.
   */
  out(text: string | Uint8Array): void;
  /** A message on stderr, prefixed. */
  note(text: string): void;
  style(style: Style, text: string): string;
}

/** What `style` puts into a text. Somebody else's is of the same five, and colour is never what tells things apart. */
const STYLES = new RegExp(`(${'\x1b'}\\[(?:0|1|2|22|31|32|33|39)m)`);
const shown = (text: string): string =>
  text
    .split(STYLES)
    .map((part, i) => (i % 2 === 0 ? printableLines(part) : part))
    .join('');

/** Io over the process's own streams. */
export function processIo(options: { json: boolean; color: boolean }): Io {
  const { stdin, stdout, stderr, env } = process;
  const colored =
    options.color && stdout.isTTY === true && (env.NO_COLOR ?? '') === '' && (env.TERM ?? 'dumb') !== 'dumb';
  return {
    stdin,
    environment: env,
    json: options.json,
    stdoutIsTerminal: stdout.isTTY === true,
    stderrIsTerminal: stderr.isTTY === true,
    // A terminal that was never told its size says 0.
    stdoutSize: () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 }),
    out: (text) =>
      void stdout.write(
        typeof text !== 'string' ? text : options.json ? printableDocument(text) : shown(text),
      ),
    note: (text) => void stderr.write(`attestctl: ${printableLines(text)}\n`),
    style: (style, text) => (colored ? styleText(style, text, { validateStream: false }) : text),
  };
}

/** Prints a fault with its code and next step; answers the exit status. */
export function reportFault(io: Io, fault: unknown): number {
  const error = isAttestdError(fault)
    ? fault
    : new AttestdError('INTERNAL', fault instanceof Error ? fault.message : String(fault), { cause: fault });
  const row = ERRORS[error.code];
  const tpm = error.facts.rcName === undefined ? '' : ` (${error.facts.rcName})`;
  const field = error.facts.field === undefined ? '' : ` at ${error.facts.field}`;
  io.note(`error: ${row.title}${field}: ${error.message}${tpm} [${error.code}]`);
  io.note(`hint: ${row.hint}`);
  if (error.code === 'INTERNAL' && io.environment.ATTESTD_DEBUG !== undefined && fault instanceof Error) {
    io.note(fault.stack ?? '');
  }
  return row.exit;
}
