/**
 * Reads the kernel's integrity measurement list (IMA) as it comes, in pieces of any size: what is held is one entry and
 * one piece, however long the list. ASCII and binary form, the hash that the list is kept by and the order of bytes
 * are told from its beginning. Framing is strict; an entry of a template that nobody knows is kept and replayed in the
 * binary form, where its bytes are there, and refused in the ASCII form, where they cannot be put together again.
 */
import { AttestdError } from '../../../core/errors.ts';
import { Arena } from './arena.ts';
import { AsciiLines } from './ascii.ts';
import { BinaryEntries, MAX_DATA, SHAPE_BYTES, shapeOf } from './binary.ts';
import type { ImaEntry } from './entry.ts';
import { recordedHashHolds } from './replay.ts';

/** Longest line of the ASCII form: the data in hexadecimal and what stands around it. */
const MAX_LINE = 2 * MAX_DATA + 4096;
/** A piece is taken in steps of so many bytes, so that a large one costs no second copy of itself. */
const STEP = 256 * 1024;
const NEWLINE = 0x0a;
const SPACE = 0x20;
/** Bytes of the template hash in `binary_runtime_measurements`. */
const USUAL_HASH = 20;

export type ImaFormat = 'ascii' | 'binary';

export interface ImaOptions {
  /** Told from the first byte where it is absent. */
  readonly format?: ImaFormat;
  /** An ASCII list of a big-endian host; a binary list shows it by itself. */
  readonly bigEndian?: boolean;
}

export interface ImaReader {
  /** Entries handed on so far. */
  readonly entries: number;
  /**
   * Takes the next piece of the list; it may be overwritten afterwards.
   * @throws MALFORMED naming the entry
   */
  push(chunk: Uint8Array): void;
  /**
   * The list ends here.
   * @throws MALFORMED when its last entry is cut off; what came before it was handed on
   */
  end(): void;
}

/**
 * A reader that hands each entry to `take`, in order. What an entry holds are views of buffers that are never written
 * again, but one entry that is kept keeps its whole buffer (at most some hundred kilobytes).
 */
export function createImaReader(take: (entry: ImaEntry) => void, options: ImaOptions = {}): ImaReader {
  return new Reader(take, options);
}

/** All entries of a list that is at hand whole. @throws MALFORMED naming the entry */
export function readImaList(bytes: Uint8Array, options: ImaOptions = {}): ImaEntry[] {
  const entries: ImaEntry[] = [];
  const reader = createImaReader((entry) => entries.push(entry), options);
  reader.push(bytes);
  reader.end();
  return entries;
}

class Reader implements ImaReader {
  entries = 0;
  readonly #take: (entry: ImaEntry) => void;
  readonly #options: ImaOptions;
  readonly #arena = new Arena();
  #lines: AsciiLines | undefined;
  /** For lines of which it must be found out where they end. */
  #spare: AsciiLines | undefined;
  #binary: BinaryEntries | undefined;
  /** Bytes [from, to) of `held` wait; what is before was handed out, and nothing is ever overwritten. */
  #held = new Uint8Array(0);
  #from = 0;
  #to = 0;
  /** Up to here no newline was found. */
  #scanned = 0;
  #ended = false;

  constructor(take: (entry: ImaEntry) => void, options: ImaOptions) {
    this.#take = take;
    this.#options = options;
  }

  push(chunk: Uint8Array): void {
    if (this.#ended) throw new TypeError('the list was ended');
    for (let at = 0; at < chunk.length; at += STEP) {
      this.#append(chunk.subarray(at, at + STEP));
      this.#drain(false);
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#drain(true);
    if (this.#from === this.#to) return;
    // The kernel ends every line; a tool that dropped the last newline is believed only if the hash says so.
    if (this.#lines !== undefined) {
      const entry = this.#attempt(this.#to);
      if (entry !== undefined && recordedHashHolds(entry) === true && !entry.violation) {
        this.#from = this.#to;
        this.#hand(entry);
        return;
      }
    }
    throw this.#fault(`is cut off after ${this.#to - this.#from} bytes`);
  }

  /** The line up to `end`, which may be none: a failed reading spoils what it was read with. */
  #attempt(end: number): ImaEntry | undefined {
    this.#spare ??= new AsciiLines(new Arena(), this.#options.bigEndian ?? false);
    try {
      return this.#spare.read(this.#held, this.#from, end, this.entries);
    } catch {
      this.#spare = undefined;
      return undefined;
    }
  }

  #fault(why: string): AttestdError {
    return new AttestdError('MALFORMED', `IMA list: entry ${this.entries} ${why}`);
  }

  #hand(entry: ImaEntry): void {
    this.entries++;
    this.#take(entry);
  }

  #append(chunk: Uint8Array): void {
    const waiting = this.#to - this.#from;
    if (this.#held.length - this.#to < chunk.length) {
      const next = new Uint8Array(Math.max(64 * 1024, 2 * waiting, waiting + chunk.length));
      next.set(this.#held.subarray(this.#from, this.#to));
      this.#scanned = Math.max(0, this.#scanned - this.#from);
      this.#held = next;
      this.#from = 0;
      this.#to = waiting;
    }
    this.#held.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  #drain(last: boolean): void {
    if (this.#lines === undefined && this.#binary === undefined && !this.#start(last)) return;
    if (this.#lines !== undefined) this.#drainLines(this.#lines, last);
    else if (this.#binary !== undefined) this.#drainEntries(this.#binary);
  }

  /** Finds out how the list is written; false while too little of it is here. */
  #start(last: boolean): boolean {
    if (this.#from === this.#to) return false;
    const first = this.#held[this.#from] as number;
    const ascii = first === 0x20 || (first >= 0x30 && first <= 0x39);
    if ((this.#options.format ?? (ascii ? 'ascii' : 'binary')) === 'ascii') {
      this.#lines = new AsciiLines(this.#arena, this.#options.bigEndian ?? false);
      return true;
    }
    const shape = shapeOf(this.#held.subarray(this.#from, this.#to));
    // The usual shape is tried first, so that more bytes would not change it; any other one may yet turn out to be that.
    if (shape?.hash !== USUAL_HASH && !last && this.#to - this.#from < SHAPE_BYTES) return false;
    if (shape === undefined)
      throw new AttestdError('MALFORMED', 'IMA list: no entry stands at its beginning');
    this.#binary = new BinaryEntries(this.#arena, shape);
    return true;
  }

  #drainLines(lines: AsciiLines, last: boolean): void {
    const held = this.#held.subarray(0, this.#to);
    for (;;) {
      const newline = held.indexOf(NEWLINE, Math.max(this.#from, this.#scanned));
      this.#scanned = newline < 0 ? this.#to : newline;
      if (newline < 0) break;
      const follows = last && newline + 1 === this.#to ? true : lineBegins(held, newline + 1);
      if (follows === undefined && !last) break;
      if (follows === false) {
        const end = this.#nameWithNewline(held, newline, last);
        if (end === undefined) break;
        if (end !== newline) continue;
      }
      const entry = lines.read(held, this.#from, newline, this.entries);
      this.#from = newline + 1;
      this.#scanned = this.#from;
      this.#hand(entry);
    }
    if (this.#to - this.#from > MAX_LINE) throw this.#fault(`has a line of more than ${MAX_LINE} bytes`);
  }

  /**
   * The kernel writes a newline in a name as it is. What follows this one is no entry, so it is taken for part of the
   * name where the hash says so, and the entry is handed on. Anybody may give a file such a name.
   * @returns where the entry ends; the same newline where it is its end after all; undefined while that is not here
   */
  #nameWithNewline(held: Uint8Array, newline: number, last: boolean): number | undefined {
    const short = this.#attempt(newline);
    if (short !== undefined && !short.violation && recordedHashHolds(short) === true) return newline;
    for (let end = held.indexOf(NEWLINE, newline + 1); end >= 0; end = held.indexOf(NEWLINE, end + 1)) {
      const follows = last && end + 1 === this.#to ? true : lineBegins(held, end + 1);
      if (follows === false) continue;
      if (follows === undefined && !last) return undefined;
      const long = this.#attempt(end);
      if (long === undefined || recordedHashHolds(long) !== true) return newline;
      this.#from = end + 1;
      this.#scanned = this.#from;
      this.#hand(long);
      return end;
    }
    return last || this.#to - this.#from > MAX_LINE ? newline : undefined;
  }

  #drainEntries(entries: BinaryEntries): void {
    for (;;) {
      const found = entries.read(this.#held, this.#from, this.#to, this.entries);
      if (found === undefined) return;
      this.#from = found.end;
      this.#hand(found.entry);
    }
  }
}

/** Whether a line begins here as the kernel writes one: `%2d`, a space, hexadecimal; undefined where it ends too soon. */
function lineBegins(bytes: Uint8Array, from: number): boolean | undefined {
  let at = from;
  if (bytes[at] === SPACE) at++;
  const digits = at;
  while (at - digits < 2 && isDigit(bytes[at])) at++;
  if (at >= bytes.length) return undefined;
  if (at === digits || bytes[at] !== SPACE) return false;
  const c = bytes[at + 1];
  return c === undefined ? undefined : isDigit(c) || (c >= 0x61 && c <= 0x66);
}

const isDigit = (c: number | undefined): boolean => c !== undefined && c >= 0x30 && c <= 0x39;
