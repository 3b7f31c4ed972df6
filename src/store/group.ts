/**
 * One group of records on its way to the disk: entries are copied and laid out as they arrive, while the
 * group before is being synced, so that finishing the frame costs little once its turn has come.
 */
import { type Item, MAX_ENTRY, META_MAX, putMeta } from './batch.ts';
import { HEADER, sealFrame, TYPE } from './frame.ts';
import { leavesInto } from './hash.ts';

/** A caller that waits for items `from` to `to` - 1 of the group. */
export interface Waiter {
  readonly from: number;
  resolve(first: number): void;
  reject(error: Error): void;
}

/** Bytes that an item takes in a frame, at most. */
export function itemBytes(item: Item): number {
  return 2 + item.entry.length + META_MAX + (item.opening?.length ?? 0);
}

export class Group {
  #frame: Buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #at: number = HEADER;
  #leaves: Buffer = Buffer.allocUnsafeSlow(256 * 32);
  #items: Item[] = [];
  #erasable: Buffer[] = [];
  #hidden = 0;
  waiters: Waiter[] = [];
  /** Bytes that the frame will have, at most. */
  bytes: number = HEADER;

  get count(): number {
    return this.#items.length;
  }
  get items(): readonly Item[] {
    return this.#items;
  }

  /** Hashes the entries: their leaf hashes, 32 bytes each, good until `reset`. */
  leaves(): Buffer {
    if (this.#leaves.length < this.count * 32) this.#leaves = Buffer.allocUnsafeSlow(this.count * 64);
    leavesInto(this.#frame, HEADER, this.count, this.#leaves);
    return this.#leaves;
  }

  /** Takes a checked item. The entry is copied; the opening is not. */
  add(item: Item): void {
    const { entry, opening } = item;
    this.#reserve(2 + entry.length);
    const b = this.#frame;
    b[this.#at] = entry.length >> 8;
    b[this.#at + 1] = entry.length & MAX_ENTRY & 255;
    b.set(entry, this.#at + 2);
    this.#at += 2 + entry.length;
    this.#items.push(item);
    if (opening !== undefined) {
      this.#erasable.push(Buffer.from(opening.buffer, opening.byteOffset, opening.length));
      this.#hidden += opening.length;
    }
    this.bytes += itemBytes(item);
  }

  /**
   * The finished frame: header and payload in one buffer, which is good until `reset`, and the erasable part.
   * Openings after their payload: a torn write then shows in the payload's CRC or in an opening's own.
   */
  finish(first: number, salt: Buffer, chain: Buffer): { frame: Buffer; erasable: Buffer[]; bytes: number } {
    this.#reserve(this.count * META_MAX);
    for (const item of this.#items) this.#at = putMeta(this.#frame, item, this.#at);
    const frame = this.#frame.subarray(0, this.#at);
    sealFrame(frame, { type: TYPE.batch, first, count: this.count, erasable: this.#hidden, salt, chain });
    return { frame, erasable: this.#erasable, bytes: frame.length + this.#hidden };
  }

  /** Makes it an empty group again, with the buffers that it has grown. */
  reset(): void {
    this.#at = HEADER;
    this.#items = [];
    this.#erasable = [];
    this.#hidden = 0;
    this.waiters = [];
    this.bytes = HEADER;
  }

  #reserve(n: number): void {
    let size = this.#frame.length;
    if (this.#at + n <= size) return;
    while (size < this.#at + n) size *= 2;
    const more = Buffer.allocUnsafeSlow(size);
    this.#frame.copy(more, 0, 0, this.#at);
    this.#frame = more;
  }
}
