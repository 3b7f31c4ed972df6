/** Random bytes bought in bulk: one call to the source for hundreds of salts. No byte is given out twice. */

/** Gives `n` random bytes, fresh and never given before; valid until the next call. */
export type RandomBytes = (n: number) => Uint8Array;

/**
 * A pool in front of a random source.
 * @param random gives that many random bytes; called with `size`
 * @param size bytes bought at a time
 */
export function createRandomPool(random: RandomBytes, size = 8192): RandomBytes {
  let pool = new Uint8Array(0);
  let at = 0;
  return (n) => {
    if (n > size) return random(n);
    if (at + n > pool.length) {
      pool = Uint8Array.from(random(size));
      at = 0;
    }
    at += n;
    return pool.subarray(at - n, at);
  };
}
