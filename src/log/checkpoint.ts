/**
 * The text of a C2SP tlog-checkpoint: origin, size and root of a log, one on each line. Ours never have further
 * (extension) lines; those of other logs may, where the caller says so.
 */
import { fromBase64, toBase64 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { isHash } from './merkle.ts';
import { checkSize, parseDecimal } from './position.ts';

export interface Checkpoint {
  readonly origin: string;
  /** Entries in the tree, up to 2^53 - 1. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Extension lines of a foreign log, without newlines; absent where there are none. */
  readonly extensions?: readonly string[];
}

export interface CheckpointOptions {
  /** Takes extension lines. Default: refused, for no signature of a witness need cover them. */
  readonly extensions?: boolean;
}

const malformed = (why: string) => new AttestdError('MALFORMED', `checkpoint: ${why}`);

/** A line that the note around it can carry. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const isLine = (s: string): boolean => s !== '' && !/[\x00-\x1f\p{Surrogate}]/u.test(s);

/** The note text, through the newline of its last line. @throws MALFORMED */
export function printCheckpoint({ origin, size, root, extensions = [] }: Checkpoint): string {
  if (!isLine(origin)) throw malformed('the origin is empty or has a control character');
  checkSize(size, 'checkpoint: tree size');
  if (!isHash(root)) throw malformed('the root is not 32 bytes');
  if (!extensions.every(isLine)) throw malformed('an extension line is empty or has a control character');
  return `${[origin, size, toBase64(root), ...extensions].join('\n')}\n`;
}

/** Reads the text of a note as a checkpoint. @throws MALFORMED */
export function parseCheckpoint(text: string, options: CheckpointOptions = {}): Checkpoint {
  if (!text.endsWith('\n')) throw malformed('the text does not end in a newline');
  const [origin, size, root, ...extensions] = text.slice(0, -1).split('\n');
  if (origin === undefined || size === undefined || root === undefined) {
    throw malformed('fewer than three lines');
  }
  if (extensions.length > 0 && options.extensions !== true) throw malformed('an extension line');
  const checkpoint: Checkpoint = {
    origin,
    size: parseDecimal(size, 'checkpoint: tree size'),
    root: fromBase64(root),
    ...(extensions.length > 0 ? { extensions } : {}),
  };
  printCheckpoint(checkpoint);
  return checkpoint;
}
