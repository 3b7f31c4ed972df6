/**
 * Inclusion proofs (RFC 9162 §2.1.3) of many entries in one tree, from nodes that are in memory. All paths of a tree
 * meet at its right edge, whose hashes are not stored but folded; here each is folded once and not once for each entry.
 */
import { AttestdError } from '../core/errors.ts';
import { inclusionPlan } from './inclusion.ts';
import { isHash } from './merkle.ts';
import { foldRight } from './range.ts';

/** Gives the inclusion proof of an entry, the sibling of the leaf first. @throws MALFORMED when it is not in the tree */
export type InclusionProver = (index: number) => Uint8Array[];

/**
 * @param size of the tree
 * @param node gives the hash of a perfect subtree that lies wholly within the tree
 */
export function createInclusionProver(
  size: number,
  node: (level: number, index: number) => Uint8Array,
): InclusionProver {
  /** Folded hashes by the first entry that they cover: a group of several nodes always ends at the edge. */
  const folded = new Map<number, Uint8Array>();
  const read = (level: number, index: number): Uint8Array => {
    const hash = node(level, index);
    if (!isHash(hash)) {
      throw new AttestdError('MALFORMED', `node ${index} of level ${level} is not a hash of 32 bytes`);
    }
    return hash;
  };
  return (index) =>
    inclusionPlan(index, size).map((group) => {
      const [first] = group;
      if (first === undefined) throw new AttestdError('INTERNAL', 'a proof needs no nodes');
      if (group.length === 1) return read(first.level, first.index);
      const from = first.index * 2 ** first.level;
      let hash = folded.get(from);
      if (hash === undefined) {
        hash = foldRight(group.map(({ level, index: at }) => read(level, at)));
        folded.set(from, hash);
      }
      return hash;
    });
}

/** Proofs in whatever tree is asked for; the edge of the last one is kept, for one seal answers many records. */
export function createInclusionProvers(
  node: (level: number, index: number) => Uint8Array,
): (index: number, size: number) => Uint8Array[] {
  let last: { readonly size: number; readonly prove: InclusionProver } | undefined;
  return (index, size) => {
    if (last?.size !== size) last = { size, prove: createInclusionProver(size, node) };
    return last.prove(index);
  };
}
