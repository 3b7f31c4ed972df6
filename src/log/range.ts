/**
 * A compact range: the roots of the perfect subtrees that make up a tree from entry 0. It is all that appending
 * needs, at most 53 hashes, whatever the size of the log.
 */
import { AttestdError } from '../core/errors.ts';
import { EMPTY_ROOT, isHash, nodeHash } from './merkle.ts';
import { checkSize, half, isOdd, MAX_SIZE } from './position.ts';

/** Told of each perfect subtree that an append completes: level 0 is the leaf itself. */
export type NodeVisitor = (level: number, index: number, hash: Uint8Array) => void;

export class CompactRange {
  #size: number;
  /** Roots of the perfect subtrees, the largest (leftmost) first: one for each 1 bit of #size. */
  readonly #hashes: Uint8Array[];

  /**
   * A range of `size` entries from the hashes that `hashes` gave for it; without arguments the empty one.
   * @throws MALFORMED when the number of hashes does not fit the size
   */
  constructor(size = 0, hashes: readonly Uint8Array[] = []) {
    checkSize(size, 'tree size');
    let ones = 0;
    for (let n = size; n > 0; n = half(n)) if (isOdd(n)) ones++;
    if (hashes.length !== ones || !hashes.every(isHash)) {
      throw new AttestdError('MALFORMED', `a tree of ${size} has ${ones} perfect subtrees of 32 bytes each`);
    }
    this.#size = size;
    this.#hashes = [...hashes];
  }

  get size(): number {
    return this.#size;
  }

  /** Roots of the perfect subtrees, the largest first; a copy of the list. */
  get hashes(): Uint8Array[] {
    return [...this.#hashes];
  }

  /**
   * Appends one leaf hash.
   * @param visit is told the leaf and every inner node that it completes, lowest level first
   * @throws MALFORMED when it is not 32 bytes or the tree has 2^53 - 1 entries
   */
  append(leaf: Uint8Array, visit?: NodeVisitor): void {
    if (!isHash(leaf)) throw new AttestdError('MALFORMED', 'a leaf hash is not 32 bytes');
    if (this.#size === MAX_SIZE) throw new AttestdError('TOO_LARGE', 'the tree has 2^53 - 1 entries');
    let hash = leaf;
    let index = this.#size;
    let level = 0;
    visit?.(level, index, hash);
    while (isOdd(index)) {
      hash = nodeHash(this.#hashes.pop() as Uint8Array, hash);
      index = half(index);
      level++;
      visit?.(level, index, hash);
    }
    this.#hashes.push(hash);
    this.#size++;
  }

  /** Root of the tree (RFC 9162 §2.1.1). */
  root(): Uint8Array {
    return this.#size === 0 ? EMPTY_ROOT.slice() : foldRight(this.#hashes);
  }

  /** An independent copy. */
  clone(): CompactRange {
    return new CompactRange(this.#size, this.#hashes);
  }
}

/** One hash over neighbouring subtrees that get smaller to the right. @throws MALFORMED when there is none */
export function foldRight(hashes: readonly Uint8Array[]): Uint8Array {
  let hash = hashes.at(-1);
  if (hash === undefined) throw new AttestdError('MALFORMED', 'no hash to fold');
  for (let i = hashes.length - 2; i >= 0; i--) hash = nodeHash(hashes[i] as Uint8Array, hash);
  return hash;
}
