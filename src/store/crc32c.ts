/**
 * CRC32C (Castagnoli polynomial, RFC 3720 §B.4) by slicing-by-8: it tells a frame that was written whole from one
 * that was not. It protects against nobody who can write: that is what the chain hash and the seals are for.
 */
/** The same by the addon, for pieces that are worth the call. */
export type Crc32c = (b: Uint8Array, seed: number, begin: number, end: number) => number;

/** Below this many bytes the call costs more than it saves. */
const WORTH_A_CALL = 200;
let native: Crc32c | undefined;

/** Has longer pieces done by the processor's own instruction. Only an entry point calls this; a test holds both equal. */
export function useCrc32c(f: Crc32c): void {
  native = f;
}

const POLYNOMIAL = 0x82f63b78;

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  const first = tables[0] as Int32Array;
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1;
    first[i] = c;
  }
  for (let k = 1; k < 8; k++) {
    const below = tables[k - 1] as Int32Array;
    const table = tables[k] as Int32Array;
    for (let i = 0; i < 256; i++) {
      const c = below[i] as number;
      table[i] = (c >>> 8) ^ (first[c & 255] as number);
    }
  }
  return tables;
}

const [T0, T1, T2, T3, T4, T5, T6, T7] = makeTables() as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/**
 * CRC32C of `b` from `begin` to `end`, going on from `seed` (the CRC of what stood before it).
 * @returns an unsigned 32-bit number
 */
export function crc32c(b: Uint8Array, seed = 0, begin = 0, end: number = b.length): number {
  if (native !== undefined && end - begin >= WORTH_A_CALL)
    return native(b, seed, begin, Math.min(end, b.length));
  let c = ~seed;
  let i = begin;
  // The bounds are checked here once; within the loop every index is below `end`.
  for (const last = Math.min(end, b.length) - 8; i <= last; i += 8) {
    c ^=
      (b[i] as number) |
      ((b[i + 1] as number) << 8) |
      ((b[i + 2] as number) << 16) |
      ((b[i + 3] as number) << 24);
    c =
      (T7[c & 255] as number) ^
      (T6[(c >>> 8) & 255] as number) ^
      (T5[(c >>> 16) & 255] as number) ^
      (T4[c >>> 24] as number) ^
      (T3[b[i + 4] as number] as number) ^
      (T2[b[i + 5] as number] as number) ^
      (T1[b[i + 6] as number] as number) ^
      (T0[b[i + 7] as number] as number);
  }
  for (const stop = Math.min(end, b.length); i < stop; i++) {
    c = (c >>> 8) ^ (T0[(c ^ (b[i] as number)) & 255] as number);
  }
  return ~c >>> 0;
}
