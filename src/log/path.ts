/**
 * What verification of inclusion and consistency share: the shape of a path from a leaf to the root, and the
 * chains of hashes along it. Below the point where the path leaves the right edge of the tree (inner part) a
 * sibling is left or right by the bits of the index; above it (border part) every sibling is on the left.
 */
import { nodeHash } from './merkle.ts';
import { half, isOdd } from './position.ts';

/** Numbers of siblings of leaf `index` in a tree of `size`, lowest level first. */
export function pathShape(index: number, size: number): { inner: number; border: number } {
  let at = index;
  let edge = size - 1;
  let inner = 0;
  while (at !== edge) {
    at = half(at);
    edge = half(edge);
    inner++;
  }
  let border = 0;
  for (; at > 0; at = half(at)) if (isOdd(at)) border++;
  return { inner, border };
}

/** Hashes up the inner part: left or right by the bits of `index`. */
export function chainInner(seed: Uint8Array, siblings: readonly Uint8Array[], index: number): Uint8Array {
  let hash = seed;
  let at = index;
  for (const sibling of siblings) {
    hash = isOdd(at) ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
    at = half(at);
  }
  return hash;
}

/** As chainInner, but takes only the siblings on the left: the path within the smaller, older tree. */
export function chainInnerRight(
  seed: Uint8Array,
  siblings: readonly Uint8Array[],
  index: number,
): Uint8Array {
  let hash = seed;
  let at = index;
  for (const sibling of siblings) {
    if (isOdd(at)) hash = nodeHash(sibling, hash);
    at = half(at);
  }
  return hash;
}

/** Hashes up the border part: every sibling is on the left. */
export function chainBorder(seed: Uint8Array, siblings: readonly Uint8Array[]): Uint8Array {
  let hash = seed;
  for (const sibling of siblings) hash = nodeHash(sibling, hash);
  return hash;
}
