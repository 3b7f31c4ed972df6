/**
 * Bundles that fill as the log grows: what was just written is kept until its 256 entries are there, so that publishing
 * them reads nothing back. What is not here is read from the log; nothing relies on it.
 */
import { WIDTH } from './edge.ts';

/** Whole bundles that wait to be published, at most; a publisher that is further behind reads. */
const WAITING = 8;
/** A bundle of more bytes is not kept: a record may be 64 KiB, and 256 of them much memory. */
const MAX_BYTES = 1 << 20;

export class Bundles {
  /** The bundle that is filling, and how many of its entries are there; whoever begins in its middle waits for the next. */
  #n = -1;
  #count = 0;
  #bytes = 0;
  #filling: Buffer = Buffer.allocUnsafeSlow(256 * 1024);
  readonly #whole = new Map<number, Buffer>();

  /** Takes `count` entries from index `first` on, in the encoding of a bundle (u16 length ‖ bytes, each); copied. */
  take(first: number, count: number, entries: Buffer): void {
    let from = 0;
    for (let index = first, left = count; left > 0; ) {
      const n = Math.floor(index / WIDTH);
      const some = Math.min(left, (n + 1) * WIDTH - index);
      const end = some === left ? entries.length : skip(entries, from, some);
      this.#put(n, index % WIDTH, some, entries.subarray(from, end));
      from = end;
      index += some;
      left -= some;
    }
  }

  /** Bundle `n` if it is here, which is then forgotten. */
  whole(n: number): Buffer | undefined {
    const bundle = this.#whole.get(n);
    // One that was passed over will not be asked for any more.
    for (const kept of this.#whole.keys()) if (kept <= n) this.#whole.delete(kept);
    return bundle;
  }

  /** Forgets all. */
  drop(): void {
    this.#n = -1;
    this.#whole.clear();
  }

  #put(n: number, at: number, some: number, entries: Buffer): void {
    if (at === 0) {
      this.#n = n;
      this.#count = 0;
      this.#bytes = 0;
    }
    if (this.#n !== n || this.#count !== at) return;
    const end = this.#bytes + entries.length;
    if (end > MAX_BYTES) {
      this.#n = -1;
      return;
    }
    if (end > this.#filling.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(MAX_BYTES, Math.max(end, 2 * this.#filling.length)));
      this.#filling.copy(larger, 0, 0, this.#bytes);
      this.#filling = larger;
    }
    entries.copy(this.#filling, this.#bytes);
    this.#bytes = end;
    this.#count = at + some;
    if (this.#count < WIDTH) return;
    if (this.#whole.size < WAITING) this.#whole.set(n, Buffer.from(this.#filling.subarray(0, end)));
    this.#n = -1;
  }
}

/** Where the entry stands that follows `count` of them from `from` on. */
function skip(entries: Buffer, from: number, count: number): number {
  let at = from;
  for (let i = 0; i < count; i++) at += 2 + entries.readUInt16BE(at);
  return at;
}
