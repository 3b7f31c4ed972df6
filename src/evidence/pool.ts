/** Random bytes bought in bulk, one call to the source for hundreds of salts; and room for entries, bought likewise. */
import { toBase64Url } from '../core/bytes.ts';

/** Bytes of one slab: some sixty records. */
const SLAB = 1 << 16;

/**
 * Gives copies of bytes out of shared slabs, because thousands a second of buffers of their own keep the collector
 * busy. No byte is given out twice; a slab lives as long as the last copy in it.
 */
export function createCopier(): (source: Uint8Array, from: number, to: number) => Uint8Array {
  let slab = new Uint8Array(0);
  let at = 0;
  return (source, from, to) => {
    const length = to - from;
    if (length > SLAB / 4) return source.slice(from, to);
    if (at + length > slab.length) {
      slab = new Uint8Array(SLAB);
      at = 0;
    }
    const copy = slab.subarray(at, at + length);
    copy.set(source.subarray(from, to));
    at += length;
    return copy;
  };
}

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

/** Salts of one purchase. */
const SALTS = 128;
/** Bytes that a salt takes in a purchase: 16 of its own and two zeros, so that each begins a new group of base64. */
const STRIDE = 18;
const STRIDE_CHARS = 24;
const SALT_CHARS = 22;

/** Gives salts of 16 random bytes in base64url, none of them twice: spelt a hundred at a time. */
export function createSalts(random: RandomBytes): () => string {
  const room = new Uint8Array(SALTS * STRIDE);
  let texts = '';
  let at = 0;
  return () => {
    if (at === texts.length) {
      for (let i = 0; i < SALTS; i++) room.set(random(16), i * STRIDE);
      texts = toBase64Url(room);
      at = 0;
    }
    at += STRIDE_CHARS;
    return texts.slice(at - STRIDE_CHARS, at - STRIDE_CHARS + SALT_CHARS);
  };
}
