/**
 * Sketches: for each 256 entries of the log, which words stand in them, as a Bloom filter of 2 KiB. A list that looks for
 * a word passes over the entries whose sketch lacks it; a sketch that says too much costs a look, and none that is there
 * says too little. They are part of the index: derived, disposable, made again by whoever looks through entries without
 * one. What the words are is not known here.
 */
import { crc32c } from './crc32c.ts';
import { type Database, key } from './database.ts';

/** Entries of one sketch. */
export const SKETCH_ENTRIES = 256;
const BYTES = 2048;
const BITS = 8 * BYTES;
/** Bits of one word: with eight words an entry, three in a hundred others seem to be there. */
const PROBES = 4;

/** FNV-1a, twice with different beginnings: the probes of a word. */
function probes(word: string): number[] {
  let a = 0x811c9dc5;
  let b = 0x9dc5811c;
  for (let i = 0; i < word.length; i++) {
    const unit = word.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x01000193);
  }
  const step = (b | 1) >>> 0;
  return Array.from({ length: PROBES }, (_, i) => ((a >>> 0) + i * step) % BITS);
}

/** The sketch of these words. */
export function sketchOf(words: Iterable<string>): Uint8Array {
  const bits = new Uint8Array(BYTES);
  for (const word of words)
    for (const at of probes(word)) bits[at >> 3] = (bits[at >> 3] as number) | (1 << (at & 7));
  return bits;
}

/** Whether every one of these words may stand in what a sketch is of. */
export const mayHold = (sketch: Uint8Array, words: readonly string[]): boolean =>
  words.every((word) => probes(word).every((at) => ((sketch[at >> 3] as number) & (1 << (at & 7))) !== 0));

/** The sketches of a log, by the number of their 256 entries. Key `b` u48; value crc32c[4] over number and bits, bits. */
export class Sketches {
  readonly #db: Database;
  readonly #soon: () => void;
  #pending = new Map<number, Uint8Array>();

  /** @param soon has what is pending written */
  constructor(db: Database, soon: () => void) {
    this.#db = db;
    this.#soon = soon;
  }

  /** Absent where there is none, or a damaged one. */
  get(block: number): Uint8Array | undefined {
    const kept = this.#pending.get(block);
    if (kept !== undefined) return kept;
    const value = this.#db.get(key('b', block));
    if (value?.length !== 4 + BYTES) return undefined;
    const bits = value.subarray(4);
    return value.readUInt32BE(0) === check(block, bits) ? bits : undefined;
  }

  /** Keeps one: of entries that are durable, for those never change. */
  put(block: number, sketch: Uint8Array): void {
    this.#pending.set(block, sketch);
    this.#soon();
  }

  /** Removes those of the first blocks: what they say is of records that are to be gone. */
  async drop(blocks: number): Promise<void> {
    const all = Array.from({ length: blocks }, (_, block) => block);
    for (const block of all) this.#pending.delete(block);
    await Promise.all(all.map((block) => this.#db.remove(key('b', block))));
  }

  /** Writes what is pending, in a batch of the caller's. What is lost is made again. */
  puts(): void {
    const pending = this.#pending;
    this.#pending = new Map();
    for (const [block, bits] of pending) {
      const value = Buffer.alloc(4 + BYTES);
      value.writeUInt32BE(check(block, bits), 0);
      value.set(bits, 4);
      void this.#db.put(key('b', block), value);
    }
  }
}

/** Bound to its number: a sketch in the place of another would hide what is there. */
const check = (block: number, bits: Uint8Array): number => crc32c(bits, crc32c(key('b', block))) >>> 0;
