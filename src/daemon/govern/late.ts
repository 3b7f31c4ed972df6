/**
 * Decisions that the log could not take when they were made: no TPM at the start, a disk without room, a log whose
 * continuity is lost. They are kept here, synced before the answer leaves, and go into the log, marked late, as soon as
 * there is one. The file is allocated beforehand, so that a full disk does not silence it. Nothing that a caller
 * withheld is in it.
 *
 * A last line that was cut off by a loss of power is told and dropped: its answer never left. Any other line that cannot be
 * read stops nothing and is not thrown away: it is set aside in a file of its own, which a gap in the log names by digest.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { AttestdError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import type { Body } from '../../evidence/record.ts';
import { writeDurably } from '../layout.ts';

/** A decision that waits for the log. */
export interface LateDecision {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly uid: number;
  readonly body: Body<'denial'>;
}

/** What is in the journal. */
export interface Waiting {
  /** With the line that each was read from. */
  readonly decisions: readonly (LateDecision & { readonly line: string })[];
  /** How many more there were. */
  readonly lost: number;
  /** Lines that are none. */
  readonly damaged: readonly string[];
}

export interface LateJournal {
  /** Keeps a decision durably; where there is no room any more, counts it. Never throws. */
  keep(decision: LateDecision): void;
  waiting(): Waiting;
  /** Puts lines into a file of their own, durably; the same lines always into the same one. @throws STORAGE_UNAVAILABLE */
  setAside(lines: readonly string[]): { readonly file: string; readonly sha256: string };
  /** Empties the journal, when everything that waits is in the log, and says of `lost` more that they were lost. */
  clear(lost: number): void;
  /** Has `heard` called whenever something is kept; the newest listener alone. */
  onKept(heard: () => void): void;
}

const SIZE = 256 * 1024;
const LOST = 16;
const HEAD = /^ *[0-9]+\n$/;

/** What the file holds: decisions, and where the next one goes. */
interface Content extends Waiting {
  readonly end: number;
  /** Bytes before `end` that no newline ends: a decision, or the beginning of one. */
  readonly unended?: 'whole' | { readonly at: number; readonly bytes: number };
}

function decisionIn(line: string): LateDecision | undefined {
  try {
    const value = parseJson(line) as unknown as LateDecision | null;
    const { at, uid, body } = value ?? {};
    return typeof at === 'number' && typeof uid === 'number' && typeof body === 'object'
      ? (value as LateDecision)
      : undefined;
  } catch {
    return undefined;
  }
}

function readContent(bytes: Buffer): Content {
  const head = bytes.toString('latin1', 0, LOST);
  const damaged = HEAD.test(head) || /^\0*$/.test(head) ? [] : [head];
  let end = bytes.length;
  while (end > LOST && bytes[end - 1] === 0) end--;
  const decisions: Content['decisions'][number][] = [];
  let unended: Content['unended'];
  for (let at = LOST; at < end; ) {
    const newline = bytes.indexOf(0x0a, at);
    const stop = newline < 0 || newline >= end ? end : newline;
    const line = bytes.toString('utf8', at, stop);
    const decision = decisionIn(line);
    // Where pages of one write came to the disk and others did not, there are zeros.
    const torn = stop + 1 >= end && (stop === end || line.includes('\0'));
    if (decision !== undefined) {
      decisions.push({ ...decision, line });
      if (stop === end) unended = 'whole';
    } else if (torn) {
      unended = { at, bytes: end - at };
      end = at;
    } else if (line !== '') damaged.push(line);
    at = stop + 1;
  }
  const lost = damaged.includes(head) ? 0 : Number.parseInt(head, 10) || 0;
  return {
    decisions,
    lost,
    damaged,
    end: Math.max(end, LOST),
    ...(unended === undefined ? {} : { unended }),
  };
}

/**
 * Opens the journal at `path`, or allocates it.
 * @param onFault a decision could not be kept
 * @param onTorn the last line was cut off after so many bytes, and is dropped
 */
export function openLateJournal(
  path: string,
  onFault: (e: Error) => void,
  onTorn: (bytes: number) => void,
): LateJournal {
  let end = LOST;
  const write = (text: Buffer, at: number): void => {
    const fd = openSync(path, existsSync(path) ? 'r+' : 'w+', 0o600);
    try {
      for (let done = 0; done < text.length; ) done += writeSync(fd, text, done, undefined, at + done);
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
  };
  const count = (n: number): Buffer => Buffer.from(`${String(n).padStart(LOST - 1, ' ')}\n`);
  const read = (): Content => {
    const content = readContent(existsSync(path) ? readFileSync(path) : Buffer.alloc(0));
    end = content.end;
    return content;
  };

  let lost = 0;
  let heard = (): void => undefined;
  try {
    if (!existsSync(path)) write(Buffer.concat([count(0), Buffer.alloc(SIZE - LOST)]), 0);
    const { unended, ...found } = read();
    lost = found.lost;
    if (unended === 'whole') write(Buffer.from('\n'), end++);
    else if (unended !== undefined) {
      write(Buffer.alloc(unended.bytes), unended.at);
      onTorn(unended.bytes);
    }
  } catch (e) {
    onFault(e as Error);
  }
  return {
    keep(decision) {
      const line = Buffer.from(`${JSON.stringify(decision)}\n`);
      try {
        if (end + line.length > SIZE) write(count(++lost), 0);
        else {
          write(line, end);
          end += line.length;
        }
      } catch (e) {
        onFault(e as Error);
      }
      heard();
    },
    waiting: read,
    setAside(lines) {
      const text = `${lines.join('\n')}\n`;
      const sha256 = createHash('sha256').update(text).digest('hex');
      const file = `${path}.damaged-${sha256.slice(0, 16)}`;
      try {
        writeDurably(file, text);
      } catch (cause) {
        const what = `damaged lines of ${path} cannot be set aside: ${(cause as Error).message}`;
        throw new AttestdError('STORAGE_UNAVAILABLE', what, { cause });
      }
      return { file: basename(file), sha256 };
    },
    clear(told) {
      lost = Math.max(0, lost - told);
      write(Buffer.concat([count(lost), Buffer.alloc(SIZE - LOST)]), 0);
      end = LOST;
    },
    onKept(listener) {
      heard = listener;
    },
  };
}
