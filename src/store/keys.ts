/**
 * Idempotency keys in the index: from a caller's uid and half of the SHA-256 of a key to the record that was made under it.
 * What is not written yet is found in memory. Key `k` u32 uid, key[16]; value u48 index.
 */
import { type Database, keyText, u48 } from './database.ts';

/** A key, and the record that was made under it. */
export interface KeyOf {
  readonly index: number;
  readonly uid: number;
  /** SHA-256 of it. */
  readonly key: Uint8Array;
}

const inFile = (text: string): Buffer => Buffer.from(`k${text}`, 'latin1');

export class IdempotencyKeys {
  readonly #db: Database;
  #pending = new Map<string, number>();
  /** What is being written; empty when nothing is. */
  #writing = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** How many are not written yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** The first record under a key is the one that stands. */
  add({ index, uid, key }: KeyOf): void {
    const text = keyText(uid, key);
    if (!this.#pending.has(text) && !this.#writing.has(text)) this.#pending.set(text, index);
  }

  /** Index of the first record under this key, by 128 bits of it: the caller compares the rest. */
  get(uid: number, key: Uint8Array): number | undefined {
    const text = keyText(uid, key);
    const written = this.#db.get(inFile(text));
    if (written !== undefined) return written.readUIntBE(0, 6);
    return this.#writing.get(text) ?? this.#pending.get(text);
  }

  /** Removes keys of records that are to be gone; one under which another record was made since stays. */
  async drop(keys: readonly KeyOf[]): Promise<void> {
    const removed: Promise<boolean>[] = [];
    for (const { index, uid, key } of keys) {
      const text = keyText(uid, key);
      if (this.#pending.get(text) === index) this.#pending.delete(text);
      if (this.get(uid, key) === index) removed.push(this.#db.remove(inFile(text)));
    }
    await Promise.all(removed);
  }

  /** Writes what is pending, in a batch of the caller's. */
  puts(): void {
    const writing = this.#pending;
    this.#pending = new Map();
    this.#writing = writing;
    for (const text of [...writing.keys()].sort())
      void this.#db.put(inFile(text), u48(writing.get(text) as number));
  }

  /** What was being written is. */
  written(): void {
    this.#writing = new Map();
  }
}
