/**
 * Decisions that the log could not take when they were made: no TPM at the start, a disk without room, a log whose
 * continuity is lost. They are kept here, synced before the answer leaves, and go into the log, marked late, as soon as
 * there is one. The file is allocated beforehand, so that a full disk does not silence it. Nothing that a caller
 * withheld is in it.
 */
import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { parseJson } from '../../core/json.ts';
import type { Body } from '../../evidence/record.ts';

/** A decision that waits for the log. */
export interface LateDecision {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly uid: number;
  readonly body: Body<'denial'>;
}

export interface LateJournal {
  /** Keeps a decision durably; where there is no room any more, counts it. Never throws. */
  keep(decision: LateDecision): void;
  /** What waits, and how many more there were. */
  waiting(): { readonly decisions: readonly LateDecision[]; readonly lost: number };
  /** Empties the journal, when everything that waits is in the log, and says of `lost` more that they were lost. */
  clear(lost: number): void;
  /** Has `heard` called whenever something is kept; the newest listener alone. */
  onKept(heard: () => void): void;
}

const SIZE = 256 * 1024;
const LOST = 16;

/** Opens the journal at `path`, or allocates it. @param onFault a decision could not be kept */
export function openLateJournal(path: string, onFault: (e: Error) => void): LateJournal {
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

  function read(): { decisions: LateDecision[]; lost: number } {
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    const decisions: LateDecision[] = [];
    end = LOST;
    for (const line of bytes.subarray(LOST).toString('utf8').split('\n')) {
      if (line.startsWith('\0') || line === '') break;
      try {
        decisions.push(parseJson(line) as unknown as LateDecision);
      } catch {
        break;
      }
      end += Buffer.byteLength(line) + 1;
    }
    return { decisions, lost: Number.parseInt(bytes.subarray(0, LOST).toString('latin1'), 10) || 0 };
  }

  let lost = 0;
  let heard = (): void => undefined;
  try {
    if (!existsSync(path)) write(Buffer.concat([count(0), Buffer.alloc(SIZE - LOST)]), 0);
    lost = read().lost;
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
