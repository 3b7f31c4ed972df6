/**
 * Consistency proofs (RFC 9162 §2.1.4): that the tree of size `to` has the tree of size `from` as its beginning.
 * The verifier takes whatever an attacker wrote and answers no; it never throws.
 */
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { isHash } from './merkle.ts';
import { chainBorder, chainInner, chainInnerRight, pathShape } from './path.ts';
import { checkSize, isSize, splitPoint, trailingZeros } from './position.ts';
import { coveringNodes, type Node, type NodeSource, readGroups } from './source.ts';

/** A tree head: how many entries, and the root over them. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/**
 * Whether `proof` shows that `from` is the beginning of `to`. Equal sizes need equal roots and an empty proof. From
 * size 0 to any other nothing is proven (every tree begins with the empty one) and the answer is no: a caller who
 * starts from nothing does so knowingly, as a witness does.
 */
export function verifyConsistency(from: TreeHead, to: TreeHead, proof: readonly Uint8Array[]): boolean {
  if (!isSize(from.size) || !isSize(to.size) || from.size > to.size) return false;
  if (!isHash(from.root) || !isHash(to.root) || !Array.isArray(proof) || !proof.every(isHash)) return false;
  if (from.size === to.size) return proof.length === 0 && equal(from.root, to.root);
  if (from.size === 0) return false;

  // The proof starts at the largest perfect subtree at the right edge of the old tree. Where that subtree is the
  // whole old tree, its hash is the old root and stands for itself.
  const shift = trailingZeros(from.size);
  const perfect = from.size === 2 ** shift;
  const seed = perfect ? from.root : proof[0];
  const rest = perfect ? proof : proof.slice(1);
  const shape = pathShape(from.size - 1, to.size);
  const inner = shape.inner - shift;
  if (seed === undefined || rest.length !== inner + shape.border) return false;

  const index = Math.floor((from.size - 1) / 2 ** shift);
  const low = rest.slice(0, inner);
  const high = rest.slice(inner);
  const oldRoot = chainBorder(chainInnerRight(seed, low, index), high);
  const newRoot = chainBorder(chainInner(seed, low, index), high);
  return equal(oldRoot, from.root) && equal(newRoot, to.root);
}

/** The nodes behind each hash of the proof, in its order; none for equal sizes or from 0. @throws MALFORMED */
export function consistencyPlan(from: number, to: number): Node[][] {
  checkSize(from, 'older tree size');
  checkSize(to, 'tree size');
  if (from > to) throw new AttestdError('MALFORMED', `a tree of ${from} is not older than one of ${to}`);
  if (from === 0) return [];
  const groups: Node[][] = [];
  let begin = 0;
  let end = to;
  // True while the part in hand starts at entry 0: then its root is the old root, which the verifier has.
  let known = true;
  while (from !== end) {
    const middle = begin + splitPoint(end - begin);
    if (from <= middle) {
      groups.push(coveringNodes(middle, end));
      end = middle;
    } else {
      groups.push(coveringNodes(begin, middle));
      begin = middle;
      known = false;
    }
  }
  if (!known) groups.push(coveringNodes(begin, end));
  return groups.reverse();
}

/** The consistency proof between two sizes; empty for equal sizes or from 0. @throws MALFORMED */
export async function consistencyProof(from: number, to: number, source: NodeSource): Promise<Uint8Array[]> {
  return readGroups(consistencyPlan(from, to), source);
}
