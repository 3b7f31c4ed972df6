/**
 * A set of digests in a fixed amount of memory, however many are added: a Bloom filter. It may say of a digest that was
 * never added that it was (of 10 million, 1 in 2,700 others; of 50 million, 1 in 13), and never the opposite. So it is good
 * for what is to stay: a record too many stays.
 */

/** 32 MiB. */
const BITS = 2 ** 28;
/** Digests are as good as random, so their own bits are the probes. */
const PROBES = 4;

/** Digests, by their first 16 bytes at least. */
export class DigestFilter {
  readonly #bits = new Uint8Array(BITS / 8);

  add(digest: Buffer): void {
    for (let i = 0; i < PROBES; i++) {
      const at = digest.readUInt32BE(4 * i) % BITS;
      this.#bits[at >> 3] = (this.#bits[at >> 3] as number) | (1 << (at & 7));
    }
  }

  has(digest: Buffer): boolean {
    for (let i = 0; i < PROBES; i++) {
      const at = digest.readUInt32BE(4 * i) % BITS;
      if (((this.#bits[at >> 3] as number) & (1 << (at & 7))) === 0) return false;
    }
    return true;
  }
}
