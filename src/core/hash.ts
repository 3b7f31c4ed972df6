/**
 * SHA-256 for everything that must run in a browser. The implementation can be replaced once, by a Node entry
 * point, with the platform's own (several times faster); a test holds both equal.
 */
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';

export type Sha256 = (data: Uint8Array) => Uint8Array;

let implementation: Sha256 = nobleSha256;

/** Replaces the SHA-256 behind `sha256`. Only an entry point calls this, before anything is hashed. */
export function useSha256(f: Sha256): void {
  implementation = f;
}

/** SHA-256 (FIPS 180-4) of `data`, 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return implementation(data);
}

/** SHA-256 of what comes in pieces. */
export interface Sha256Stream {
  update(data: Uint8Array): unknown;
  digest(): Uint8Array;
}

/** Begins one. */
export function createSha256(): Sha256Stream {
  return nobleSha256.create();
}
