/**
 * Proofs are computed from stored nodes: the hashes of perfect subtrees. A plan names the nodes that a proof
 * needs without reading any, so a caller may fetch them as it likes, together or one by one.
 */
import { AttestdError } from '../core/errors.ts';
import { EMPTY_ROOT, isHash } from './merkle.ts';
import { checkSize } from './position.ts';
import { foldRight } from './range.ts';

/** The perfect subtree over the entries index·2^level to (index + 1)·2^level - 1. */
export interface Node {
  readonly level: number;
  readonly index: number;
}

/** Gives the hash of a perfect subtree that lies wholly within the tree. */
export type NodeSource = (level: number, index: number) => Uint8Array | Promise<Uint8Array>;

/** The nodes that cover entries begin to end - 1, left to right; `begin` is a multiple of the largest of them. */
export function coveringNodes(begin: number, end: number): Node[] {
  const nodes: Node[] = [];
  let at = begin;
  let width = 1;
  let level = 0;
  while (width <= (end - begin) / 2) {
    width *= 2;
    level++;
  }
  while (at < end) {
    while (width > end - at) {
      width /= 2;
      level--;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/** Reads the nodes of each group and folds them into one hash. @throws MALFORMED when a source gives no hash */
export async function readGroups(
  groups: readonly (readonly Node[])[],
  source: NodeSource,
): Promise<Uint8Array[]> {
  const out: Uint8Array[] = [];
  for (const group of groups) {
    const hashes: Uint8Array[] = [];
    for (const { level, index } of group) {
      const given = source(level, index);
      // Nodes in memory come at once: waiting a turn for each would cost more than the hashing.
      const hash = given instanceof Uint8Array ? given : await given;
      if (!isHash(hash)) {
        throw new AttestdError('MALFORMED', `node ${index} of level ${level} is not a hash of 32 bytes`);
      }
      hashes.push(hash);
    }
    out.push(foldRight(hashes));
  }
  return out;
}

/** Root of the first `size` entries from stored nodes. @throws MALFORMED */
export async function rootAt(size: number, source: NodeSource): Promise<Uint8Array> {
  checkSize(size, 'tree size');
  if (size === 0) return EMPTY_ROOT.slice();
  const [root] = await readGroups([coveringNodes(0, size)], source);
  return root as Uint8Array;
}

/** The perfect subtrees of the first `size` entries, to go on appending with `new CompactRange(size, …)`. @throws MALFORMED */
export async function rangeHashes(size: number, source: NodeSource): Promise<Uint8Array[]> {
  checkSize(size, 'tree size');
  return readGroups(
    coveringNodes(0, size).map((node) => [node]),
    source,
  );
}
