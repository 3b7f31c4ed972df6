/**
 * Idempotency keys of callers. A key belongs to its caller, whatever it is sent with: the same key with the same request
 * gives the same record again, and with another it is refused.
 */
import { createHash } from 'node:crypto';
import { AttestdError } from '../core/errors.ts';

/** SHA-256 of a caller's idempotency key, and of the body that came with it. */
export interface Idempotency {
  readonly key: Uint8Array;
  readonly body: Uint8Array;
}

const KEY = /^[\x21-\x7e]{1,255}$/;

/** The key that a request came with. @throws INVALID_REQUEST when it is none */
export function idempotencyKey(header: string | readonly string[] | undefined): string | undefined {
  if (header !== undefined && (typeof header !== 'string' || !KEY.test(header)))
    throw badKey('is not 1 to 255 visible characters');
  return header;
}

/**
 * @param ended id of the attempt that the request ends: the same words about another attempt are another request
 * @returns the digests that the store keeps of an Idempotency-Key and a body
 */
export function idempotencyOf(key: string, body: Uint8Array, ended?: string): Idempotency {
  const words = createHash('sha256');
  // No body is taken for this: what is JSON begins otherwise.
  if (ended !== undefined) words.update(`complete ${ended}\n`);
  return {
    key: createHash('sha256').update(`attestd.dev/idempotency/v1\n${key}`).digest(),
    body: words.update(body).digest(),
  };
}

/** The refusal of a key, where none or another is taken. */
export const badKey = (why: string) =>
  new AttestdError('INVALID_REQUEST', `the Idempotency-Key ${why}`, { field: 'idempotency-key' });
