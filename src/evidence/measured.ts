/**
 * What our own register takes in (design: Measured state): of an event, the digest that is extended. The register is
 * extended by nobody else, so its entries in the log replay to what a quote says of it.
 */
import { concat, utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { jcsBytes } from '../core/json.ts';
import { TAG_PREFIX } from '../core/namespace.ts';
import type { MeasuredEvent } from './schema/predicates.ts';

const TAG = utf8(`${TAG_PREFIX}measure/v1\n`);

/** The register of a daemon whose configuration names no other: not resettable at locality 0, and nobody else's. */
export const OWN_PCR = 13;
/** The one other that may be configured: any process can reset it, and evidence says so. */
export const RESETTABLE_PCR = 23;

/** The digest of an event: SHA-256("attestd.dev/measure/v1\n" ‖ JCS(event)), 32 bytes. */
export function measuredDigest(event: MeasuredEvent): Uint8Array {
  return sha256(concat(TAG, jcsBytes(event)));
}

/** TPM2_PCR_Extend in the SHA-256 bank: SHA-256(old ‖ digest). */
export function extended(old: Uint8Array, digest: Uint8Array): Uint8Array {
  return sha256(concat(old, digest));
}
