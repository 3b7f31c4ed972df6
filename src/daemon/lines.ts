/**
 * Cuts a byte stream into lines without copying what lies within one chunk. A line longer than the limit is
 * reported once and skipped to its end, so the stream can go on. The reader can stop in the middle of a chunk and
 * go on later: that is how back-pressure reaches the sender.
 */
import { createJoiner } from './joiner.ts';

const NEWLINE = 0x0a;
const EMPTY = Buffer.alloc(0);

export type Line =
  | { readonly kind: 'line'; readonly bytes: Buffer }
  /** Longer than the limit; its bytes are gone. */
  | { readonly kind: 'long' };

export interface LineReader {
  /** Adds bytes as they came. */
  push(chunk: Buffer): void;
  /** The next whole line without its newline; undefined when there is none yet. */
  next(): Line | undefined;
  /** Puts the line that was just taken back, to be taken again. */
  back(): void;
  /** What is left without a newline at the end of the stream, as the last line; undefined when nothing is. */
  rest(): Line | undefined;
  /** Bytes held. */
  readonly held: number;
}

export function createLineReader(maxBytes: number): LineReader {
  const join = createJoiner();
  let chunk: Buffer = EMPTY;
  let at = 0;
  /** No newline is before this place. */
  let looked = 0;
  let lastAt = 0;
  let lastLong = false;
  let skipping = false;

  const take = (end: number): Line => {
    lastAt = at;
    lastLong = skipping;
    const bytes = chunk.subarray(at, end);
    at = end + 1;
    if (skipping || bytes.length > maxBytes) {
      skipping = false;
      return { kind: 'long' };
    }
    return { kind: 'line', bytes };
  };
  return {
    push(more) {
      const left = chunk.length - at;
      // The tail of a line that is too long already is not kept.
      if (left > maxBytes) skipping = true;
      looked = Math.max(0, looked - at);
      if (left === 0 || left > maxBytes) {
        chunk = more;
        looked = 0;
      } else chunk = join(chunk.subarray(at), more);
      at = 0;
    },
    next() {
      const end = chunk.indexOf(NEWLINE, Math.max(at, looked));
      if (end >= 0) return take(end);
      looked = chunk.length;
      return undefined;
    },
    back() {
      at = lastAt;
      looked = lastAt;
      skipping = lastLong;
    },
    rest() {
      if (at >= chunk.length && !skipping) return undefined;
      return take(chunk.length);
    },
    get held() {
      return Math.max(0, chunk.length - at);
    },
  };
}
