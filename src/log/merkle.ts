/**
 * The hashes of the Merkle tree: RFC 6962 §2.1 (RFC 9162 §2.1.1). Leaf and node hashing are kept apart by their
 * first byte, so no entry can be passed off as an inner node.
 */
import { fromHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';

/** Length of every hash here, in bytes. */
export const HASH_SIZE = 32;

/** Root of the tree without entries: SHA-256 of nothing. */
export const EMPTY_ROOT: Uint8Array = fromHex(
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
);

// Scratch for the input of a leaf: sha256 is synchronous and keeps nothing of its input.
const leafInput = new Uint8Array(1 + 65_535);

/** SHA-256(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  if (entry.length < leafInput.length) {
    leafInput.set(entry, 1);
    return sha256(leafInput.subarray(0, 1 + entry.length));
  }
  const input = new Uint8Array(1 + entry.length);
  input.set(entry, 1);
  return sha256(input);
}

// One scratch input for all node hashes: sha256 is synchronous and keeps nothing of its input.
const nodeInput = new Uint8Array(1 + 2 * HASH_SIZE).fill(1, 0, 1);

/** SHA-256(0x01 ‖ left ‖ right). @throws MALFORMED when a side is not 32 bytes */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== HASH_SIZE || right.length !== HASH_SIZE) {
    throw new AttestdError('MALFORMED', 'a tree hash is not 32 bytes');
  }
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_SIZE);
  return sha256(nodeInput);
}

/** Whether `v` is a hash of 32 bytes. Takes anything, because proofs carry what an attacker wrote. */
export function isHash(v: unknown): v is Uint8Array {
  return v instanceof Uint8Array && v.length === HASH_SIZE;
}
