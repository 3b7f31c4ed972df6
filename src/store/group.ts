/**
 * One group of records on its way to the disk: entries are copied and laid out as they arrive, while the
 * group before is being synced, so that finishing the frame costs little once its turn has come.
 */
import { type Item, MAX_ENTRY, META_MAX, putMeta } from './batch.ts';
import { HEADER, sealFrame, TYPE } from './frame.ts';

/** Items that became durable. */
export interface Committed {
  /** Index of the first. */
  readonly first: number;
  /** Their record digests (SHA-256 of the entry) in hexadecimal, 64 characters each, from character `at` on. */
  readonly digests: string;
  readonly at: number;
}

/** A caller that waits for the items of the group from `from` on. */
export interface Waiter {
  readonly from: number;
  resolve(made: Committed): void;
  reject(error: Error): void;
}

/** A frame, and where its entries are. */
export interface Finished {
  readonly frame: Buffer;
  readonly erasable: readonly Buffer[];
  readonly entries: { readonly from: number; readonly count: number };
}

/** Bytes that an item takes in a frame, at most. */
export function itemBytes(item: Item): number {
  return 2 + item.entry.length + META_MAX + (item.opening?.length ?? 0);
}

export class Group {
  #frame: Buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #at: number = HEADER;
  #items: Item[] = [];
  #openings: Buffer = Buffer.allocUnsafeSlow(32 * 1024);
  #hidden = 0;
  #entriesEnd: number = HEADER;
  waiters: Waiter[] = [];
  /** Bytes that the frame will have, at most. */
  bytes: number = HEADER;

  get count(): number {
    return this.#items.length;
  }
  get items(): readonly Item[] {
    return this.#items;
  }

  /** The entries as they stand in a bundle (u16 length ‖ bytes, each), good until `reset`. */
  entries(): Buffer {
    return this.#frame.subarray(HEADER, this.#entriesEnd);
  }

  /** Takes a checked item, whose entry and opening are copied. */
  add(item: Item): void {
    const { entry, opening } = item;
    this.#frame = withRoom(this.#frame, this.#at, 2 + entry.length);
    const b = this.#frame;
    b[this.#at] = entry.length >> 8;
    b[this.#at + 1] = entry.length & MAX_ENTRY & 255;
    b.set(entry, this.#at + 2);
    this.#at += 2 + entry.length;
    this.#entriesEnd = this.#at;
    this.#items.push(item);
    if (opening !== undefined) {
      this.#openings = withRoom(this.#openings, this.#hidden, opening.length);
      this.#openings.set(opening, this.#hidden);
      this.#hidden += opening.length;
    }
    this.bytes += itemBytes(item);
  }

  /**
   * The finished frame: header and payload in one buffer, and the erasable part, both good until `reset`.
   * Openings after their payload: a torn write then shows in the payload's CRC or in an opening's own.
   */
  finish(first: number, salt: Buffer, chain: Buffer): Finished {
    this.#frame = withRoom(this.#frame, this.#at, this.count * META_MAX);
    for (const item of this.#items) this.#at = putMeta(this.#frame, item, this.#at);
    const frame = this.#frame.subarray(0, this.#at);
    sealFrame(frame, { type: TYPE.batch, first, count: this.count, erasable: this.#hidden, salt, chain });
    const erasable = this.#hidden === 0 ? [] : [this.#openings.subarray(0, this.#hidden)];
    return { frame, erasable, entries: { from: HEADER, count: this.count } };
  }

  /** Makes it an empty group again, with the buffers that it has grown. */
  reset(): void {
    this.#at = HEADER;
    this.#entriesEnd = HEADER;
    this.#items = [];
    this.#hidden = 0;
    this.waiters = [];
    this.bytes = HEADER;
  }
}

/** `b`, of which `used` bytes are taken, or a larger copy where it has no room for `more`. */
function withRoom(b: Buffer, used: number, more: number): Buffer {
  let size = b.length;
  if (used + more <= size) return b;
  while (size < used + more) size *= 2;
  const larger = Buffer.allocUnsafeSlow(size);
  b.copy(larger, 0, 0, used);
  return larger;
}
