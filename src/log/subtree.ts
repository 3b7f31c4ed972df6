/**
 * Proofs about a subtree [start, end) of a log (draft-ietf-plants-merkle-tree-certs §4): what mirrors and
 * subtree cosignatures use. A subtree is valid where `start` is a multiple of the power of two that holds it.
 */
import { equal } from '../core/bytes.ts';
import type { TreeHead } from './consistency.ts';
import { verifyInclusion } from './inclusion.ts';
import { EMPTY_ROOT, isHash, nodeHash } from './merkle.ts';
import { half, isOdd, isSize } from './position.ts';

/** The entries start to end - 1 of a log, and the root over them alone. */
export interface Subtree {
  readonly start: number;
  readonly end: number;
  readonly root: Uint8Array;
}

/** Whether [start, end) may be a subtree: not empty, and aligned to the power of two that holds it. */
export function isSubtree(start: number, end: number): boolean {
  if (!isSize(start) || !isSize(end) || start >= end) return false;
  let width = 1;
  while (width < end - start) width *= 2;
  return start % width === 0;
}

/** Whether `proof` shows that the leaf is entry `index` of the log, within the subtree. */
export function verifySubtreeInclusion(
  index: number,
  leafHash: Uint8Array,
  proof: readonly Uint8Array[],
  subtree: Subtree,
): boolean {
  const { start, end, root } = subtree;
  if (!isSubtree(start, end) || !isSize(index) || index < start) return false;
  return verifyInclusion({ index: index - start, size: end - start, leafHash, proof }, root);
}

/** Whether `proof` shows that the subtree is part of the tree `head`. */
export function verifySubtreeConsistency(
  subtree: Subtree,
  head: TreeHead,
  proof: readonly Uint8Array[],
): boolean {
  const { start, end } = subtree;
  if (!isSize(start) || !isSize(end) || !isSize(head.size) || end > head.size) return false;
  if (!isHash(subtree.root) || !isHash(head.root) || !Array.isArray(proof) || !proof.every(isHash)) {
    return false;
  }
  // The subtree without entries is part of every tree that reaches it.
  if (start === end) return proof.length === 0 && equal(subtree.root, EMPTY_ROOT);
  if (!isSubtree(start, end)) return false;

  // Positions, on one level at a time, of the subtree's first and last node and of the tree's last node.
  let first = start;
  let last = end - 1;
  let edge = head.size - 1;
  const up = () => {
    first = half(first);
    last = half(last);
    edge = half(edge);
  };
  if (last === edge) while (first !== last) up();
  else while (first !== last && isOdd(last)) up();

  const rest = [...proof];
  const seed = first === last ? subtree.root : rest.shift();
  if (seed === undefined) return false;
  let oldRoot = seed;
  let newRoot = seed;
  for (const sibling of rest) {
    if (edge === 0) return false;
    if (isOdd(last) || last === edge) {
      if (first < last) oldRoot = nodeHash(sibling, oldRoot);
      newRoot = nodeHash(sibling, newRoot);
      while (!isOdd(last) && last > 0) up();
    } else {
      newRoot = nodeHash(newRoot, sibling);
    }
    up();
  }
  return edge === 0 && equal(oldRoot, subtree.root) && equal(newRoot, head.root);
}
