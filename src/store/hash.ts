/**
 * SHA-256 into place: every hash of the tree has a place waiting for it. Without the addon (an audit has none) the
 * platform's one-shot hash does it, which gives a string several times faster than a buffer; the daemon has the addon
 * do it. Both are equal to src/log's by test.
 */
import { hash } from 'node:crypto';

/** What the addon offers of it. */
export interface NativeHash {
  sha256(input: Uint8Array, out: Uint8Array, at: number): void;
}

let native: NativeHash | undefined;

/** Has the addon hash from now on. Only an entry point calls this. */
export function useNativeHash(addon: NativeHash | undefined): void {
  native = addon;
}

/** Writes SHA-256(`input`) to `out` at `at`. */
export function sha256Into(input: Uint8Array, out: Buffer, at: number): void {
  if (native !== undefined) native.sha256(input, out, at);
  else out.write(hash('sha256', input, 'binary'), at, 32, 'latin1');
}

/** SHA-256(`input`) as a buffer of its own. */
export function sha256Of(input: Uint8Array): Buffer {
  if (native === undefined) return Buffer.from(hash('sha256', input, 'binary'), 'latin1');
  const out = Buffer.allocUnsafe(32);
  native.sha256(input, out, 0);
  return out;
}

// One scratch input each: hashing is synchronous and keeps nothing of its input.
const leafInput = Buffer.alloc(1 + 0xffff);
const nodeInput = Buffer.alloc(65, 1);

/** Writes the leaf hash of `entry` (RFC 6962 §2.1), at most 65,535 bytes, to `out` at `at`. */
export function leafInto(entry: Uint8Array, out: Buffer, at: number): void {
  leafInput.set(entry, 1);
  sha256Into(leafInput.subarray(0, 1 + entry.length), out, at);
}

/** Writes the node hash of the 64 bytes of `pair` from `from` (left ‖ right, RFC 6962 §2.1) to `out` at `at`. */
export function nodeInto(pair: Buffer, from: number, out: Buffer, at: number): void {
  pair.copy(nodeInput, 1, from, from + 64);
  sha256Into(nodeInput, out, at);
}
