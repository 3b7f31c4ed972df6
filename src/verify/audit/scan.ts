/**
 * Canonical form by one look at the bytes. JSON.parse decides what is JSON; this walk beside it says whether the same
 * bytes are how RFC 8785 prints it. It knows the plain case only (no escapes, whole numbers below 10^15, names in
 * ASCII) and says "not known" for everything else, which the slow reader then decides.
 */
import { MAX_DEPTH } from '../../core/ijson.ts';

/** Beginning and end of the last name of each object that is open. */
const nameFrom = new Int32Array(MAX_DEPTH + 2);
const nameTo = new Int32Array(MAX_DEPTH + 2);
const MAX_DIGITS = 15;

/**
 * @param b UTF-8 that JSON.parse accepts as an object
 * @returns where the first array or object inside the outermost one ends, when `b` is certainly canonical; otherwise -1
 */
export function scanCanonical(b: Uint8Array): number {
  let depth = 0;
  let first = -1;
  /** Bit `depth` is set where an object is open: at depth 32 the shift wraps to bit 0, which nothing else uses. */
  let objects = 0;
  let name = false;
  for (let i = 0; i < b.length; i++) {
    const c = b[i] as number;
    if (c === 0x22) {
      const from = i + 1;
      let high = 0;
      let s = b[++i] as number;
      while (s !== 0x22) {
        if (s === 0x5c || i >= b.length) return -1;
        high |= s;
        s = b[++i] as number;
      }
      if (!name) continue;
      if (high > 0x7f || !follows(b, depth, from, i)) return -1;
      nameFrom[depth] = from;
      nameTo[depth] = i;
      name = false;
    } else if (c === 0x7b || c === 0x5b) {
      if (++depth > MAX_DEPTH) return -1;
      name = c === 0x7b;
      objects = name ? objects | (1 << (depth & 31)) : objects & ~(1 << (depth & 31));
      nameTo[depth] = -1;
    } else if (c === 0x7d || c === 0x5d) {
      if (--depth === 1 && first === -1) first = i + 1;
      name = false;
    } else if (c === 0x2c) name = (objects & (1 << (depth & 31))) !== 0;
    else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      const digits = c === 0x2d ? i + 1 : i;
      if (c === 0x2d && b[digits] === 0x30) return -1;
      while (i + 1 < b.length && (b[i + 1] as number) >= 0x30 && (b[i + 1] as number) <= 0x39) i++;
      const after = b[i + 1];
      if (i - digits >= MAX_DIGITS || after === 0x2e || after === 0x65 || after === 0x45) return -1;
    } else if (c <= 0x20) return -1;
  }
  return first;
}

/** Whether a name stands behind the one before it in the same object: by bytes, which for ASCII is by UTF-16 units. */
function follows(b: Uint8Array, depth: number, from: number, to: number): boolean {
  const end = nameTo[depth] as number;
  if (end === -1) return true;
  let p = nameFrom[depth] as number;
  let i = from;
  for (; p < end && i < to; p++, i++) {
    const d = (b[i] as number) - (b[p] as number);
    if (d !== 0) return d > 0;
  }
  return p === end && i < to;
}
