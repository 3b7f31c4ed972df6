/** A tree by the book (RFC 9162 §2.1): slow, recursive, and the measure of the real one. */

import { concat, utf8 } from '../../src/core/bytes.ts';
import { sha256 } from '../../src/core/hash.ts';

export const leaf = (entry: Uint8Array): Uint8Array => sha256(concat(Uint8Array.of(0), entry));
export const node = (l: Uint8Array, r: Uint8Array): Uint8Array => sha256(concat(Uint8Array.of(1), l, r));

/** Leaf hashes of the entries "0", "1", … */
export const leaves = (n: number): Uint8Array[] => Array.from({ length: n }, (_, i) => leaf(utf8(String(i))));

function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

export function mth(d: Uint8Array[]): Uint8Array {
  if (d.length === 0) return sha256(new Uint8Array(0));
  if (d.length === 1) return d[0] as Uint8Array;
  const k = split(d.length);
  return node(mth(d.slice(0, k)), mth(d.slice(k)));
}

export function path(m: number, d: Uint8Array[]): Uint8Array[] {
  if (d.length === 1) return [];
  const k = split(d.length);
  return m < k
    ? [...path(m, d.slice(0, k)), mth(d.slice(k))]
    : [...path(m - k, d.slice(k)), mth(d.slice(0, k))];
}

export function subproof(m: number, d: Uint8Array[], b: boolean): Uint8Array[] {
  if (m === d.length) return b ? [] : [mth(d)];
  const k = split(d.length);
  return m <= k
    ? [...subproof(m, d.slice(0, k), b), mth(d.slice(k))]
    : [...subproof(m - k, d.slice(k), false), mth(d.slice(0, k))];
}

/** Every perfect subtree of the leaves, as a node source. */
export function nodes(d: Uint8Array[]): (level: number, index: number) => Uint8Array {
  return (level, index) => {
    const width = 2 ** level;
    const part = d.slice(index * width, (index + 1) * width);
    if (part.length !== width) throw new Error(`no node ${index} of level ${level}`);
    return mth(part);
  };
}
