/**
 * Room for many small arrays: one allocation serves some hundreds of them. What was handed out is never written again,
 * so it may be kept, and costs its page while it is.
 */

const PAGE = 64 * 1024;

export class Arena {
  /** Where to write. */
  page = new Uint8Array(0);
  #used = 0;

  /** Makes room for `n` bytes of zeros in `page` and says where it begins; what is not taken is given out again. */
  room(n: number): number {
    if (this.page.length - this.#used < n) {
      this.page = new Uint8Array(Math.max(PAGE, n));
      this.#used = 0;
    }
    return this.#used;
  }

  /** Takes the first `n` bytes of the last room without a view of them. */
  skip(n: number): void {
    this.#used += n;
  }

  /** Takes the first `n` bytes of the last room; the rest must still be zeros. */
  take(n: number): Uint8Array {
    const from = this.#used;
    this.#used += n;
    return this.page.subarray(from, this.#used);
  }
}
