/**
 * Tree sizes and positions as checked JS numbers below 2^53, with the binary arithmetic that Merkle trees need.
 * JavaScript's own bit operators cut to 32 bits, so nothing here uses them: halving and comparing are exact for
 * every integer that a double holds.
 */
import { AttestdError } from '../core/errors.ts';

/** The largest size a tree may have: 2^53 - 1 entries. */
export const MAX_SIZE: number = Number.MAX_SAFE_INTEGER;

/** Whether `n` is an integer from 0 to 2^53 - 1. Takes anything, because proofs carry what an attacker wrote. */
export function isSize(n: unknown): n is number {
  return typeof n === 'number' && Number.isSafeInteger(n) && n >= 0 && !Object.is(n, -0);
}

/** @throws MALFORMED when `n` is not an integer from 0 to 2^53 - 1 */
export function checkSize(n: number, what: string): void {
  if (!isSize(n)) throw new AttestdError('MALFORMED', `${what}: not an integer from 0 to 2^53 - 1`);
}

/** @throws MALFORMED when there is no entry `index` in a tree of `size` */
export function checkIndex(index: number, size: number): void {
  checkSize(size, 'tree size');
  checkSize(index, 'index');
  if (index >= size) throw new AttestdError('MALFORMED', `index ${index} is not in a tree of ${size}`);
}

/** `n >> 1`, exact. */
export const half = (n: number): number => Math.floor(n / 2);

/** The lowest bit of `n`. */
export const isOdd = (n: number): boolean => n % 2 === 1;

/** How often `n` can be halved without a rest; 0 for 0. */
export function trailingZeros(n: number): number {
  let zeros = 0;
  for (let m = n; m > 0 && m % 2 === 0; m /= 2) zeros++;
  return zeros;
}

/** The largest power of two that is smaller than `n`, for n ≥ 2 (RFC 9162 §2.1.1, the split point). */
export function splitPoint(n: number): number {
  let k = 1;
  while (k < n / 2) k *= 2;
  return k;
}

/** Reads an ASCII decimal without leading zeros, up to 2^53 - 1. @throws MALFORMED naming `what` */
export function parseDecimal(text: string, what: string): number {
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text) || !isSize(Number(text))) {
    throw new AttestdError('MALFORMED', `${what}: not a decimal from 0 to 2^53 - 1 without leading zeros`);
  }
  return Number(text);
}
