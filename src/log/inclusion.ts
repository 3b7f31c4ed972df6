/**
 * Inclusion proofs (RFC 9162 §2.1.3): that a leaf is entry `index` of the tree with this size and root. The
 * verifier takes whatever an attacker wrote and answers no; it never throws.
 */
import { equal } from '../core/bytes.ts';
import { isHash } from './merkle.ts';
import { chainBorder, chainInner, pathShape } from './path.ts';
import { checkIndex, isSize, splitPoint } from './position.ts';
import { coveringNodes, type Node, type NodeSource, readGroups } from './source.ts';

/** What an inclusion proof states. */
export interface Inclusion {
  readonly index: number;
  readonly size: number;
  readonly leafHash: Uint8Array;
  /** Siblings, that of the leaf first. */
  readonly proof: readonly Uint8Array[];
}

/** The root that follows from the proof, or undefined when its numbers and lengths do not fit together. */
export function inclusionRoot({ index, size, leafHash, proof }: Inclusion): Uint8Array | undefined {
  if (!isSize(index) || !isSize(size) || index >= size) return undefined;
  if (!isHash(leafHash) || !Array.isArray(proof)) return undefined;
  const { inner, border } = pathShape(index, size);
  if (proof.length !== inner + border || !proof.every(isHash)) return undefined;
  return chainBorder(chainInner(leafHash, proof.slice(0, inner), index), proof.slice(inner));
}

/** Whether the proof leads to `root`. */
export function verifyInclusion(inclusion: Inclusion, root: Uint8Array): boolean {
  const computed = inclusionRoot(inclusion);
  return computed !== undefined && isHash(root) && equal(computed, root);
}

/** The nodes behind each hash of the proof, in its order. @throws MALFORMED when `index` is not in the tree */
export function inclusionPlan(index: number, size: number): Node[][] {
  checkIndex(index, size);
  const groups: Node[][] = [];
  let begin = 0;
  let end = size;
  while (end - begin > 1) {
    const middle = begin + splitPoint(end - begin);
    if (index < middle) {
      groups.push(coveringNodes(middle, end));
      end = middle;
    } else {
      groups.push(coveringNodes(begin, middle));
      begin = middle;
    }
  }
  return groups.reverse();
}

/** The inclusion proof of entry `index` in the tree of `size`. @throws MALFORMED when `index` is not in the tree */
export async function inclusionProof(index: number, size: number, source: NodeSource): Promise<Uint8Array[]> {
  return readGroups(inclusionPlan(index, size), source);
}
