/**
 * What the AK signs: extraData for each role, SHA-256(`attestd.dev/<tag>\n` ‖ body), one tag per purpose. Nothing that
 * a caller sends becomes extraData itself, so no quote, certification or creation of one role passes for another.
 */
import { sha512 } from '@noble/hashes/sha2.js';
import { concat, u8, u16, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { TAG_PREFIX } from '../core/namespace.ts';
import { encodeSealHeader, type SealHeader } from './seal.ts';

/** The tag of each role. */
export const TAGS = {
  seal: 'tpm-quote/v1',
  fresh: 'tpm-fresh/v1',
  freshCounter: 'tpm-fresh-counter/v1',
  anchor: 'tpm-anchor/v1',
  enrol: 'tpm-enrol/v1',
  key: 'tpm-key/v1',
  creation: 'tpm-creation/v1',
} as const;

/**
 * Roles of a certified key: our own records, a caller's signatures, a TLS client, another AK that takes the place of
 * the one that signs, and the AK whose place the one that signs takes. The last two differ, or the two certifications
 * of a change would be, exchanged, those of a change back.
 */
export const KEY_ROLES = { record: 1, workload: 2, tls: 3, ak: 4, retired: 5 } as const;

/** Bounds of an auditor's or authority's nonce, in bytes. */
export const MIN_NONCE = 16;
export const MAX_NONCE = 64;

const bytesOf = (text: string | Uint8Array): Uint8Array => (typeof text === 'string' ? utf8(text) : text);

function bind(tag: string, ...body: readonly Uint8Array[]): Uint8Array {
  return sha256(concat(utf8(`${TAG_PREFIX}${tag}\n`), ...body));
}

function sized(b: Uint8Array, what: string, min: number, max: number): Uint8Array {
  if (b.length < min || b.length > max) {
    const range = min === max ? `${min}` : `${min}–${max}`;
    throw new AttestdError('MALFORMED', `${what} is ${b.length} bytes, ${range} expected`);
  }
  return b;
}
const digest = (b: Uint8Array, what: string) => sized(b, what, 32, 32);

/** Seal: header ‖ note text, the text through the newline of the root line. @throws MALFORMED */
export function sealExtraData(header: SealHeader, noteText: string | Uint8Array): Uint8Array {
  return bind(TAGS.seal, encodeSealHeader(header), bytesOf(noteText));
}

function freshBody(nonce: Uint8Array, sealDigest: Uint8Array, noteText: string | Uint8Array): Uint8Array {
  sized(nonce, 'the nonce', MIN_NONCE, MAX_NONCE);
  return concat(u8(nonce.length), nonce, digest(sealDigest, 'the seal digest'), bytesOf(noteText));
}

/** Fresh quote: u8 len ‖ nonce ‖ SHA-256(seal) ‖ note text. @throws MALFORMED when the nonce is not 16–64 bytes */
export function freshExtraData(
  nonce: Uint8Array,
  sealDigest: Uint8Array,
  noteText: string | Uint8Array,
): Uint8Array {
  return bind(TAGS.fresh, freshBody(nonce, sealDigest, noteText));
}

/** Fresh counter certification: the same body under its own tag. @throws MALFORMED */
export function freshCounterExtraData(
  nonce: Uint8Array,
  sealDigest: Uint8Array,
  noteText: string | Uint8Array,
): Uint8Array {
  return bind(TAGS.freshCounter, freshBody(nonce, sealDigest, noteText));
}

/**
 * Anchor: record digest of the previous anchor (the genesis record for the first; zeros in genesis itself) ‖ text of
 * a durable checkpoint. @throws MALFORMED
 */
export function anchorExtraData(previous: Uint8Array, checkpointText: string | Uint8Array): Uint8Array {
  return bind(TAGS.anchor, digest(previous, 'the previous anchor'), bytesOf(checkpointText));
}

/** Enrolment quote: SHA-256(request) ‖ SHA-256(challenge). @throws MALFORMED */
export function enrolExtraData(requestDigest: Uint8Array, challengeDigest: Uint8Array): Uint8Array {
  return bind(
    TAGS.enrol,
    digest(requestDigest, 'the request digest'),
    digest(challengeDigest, 'the challenge digest'),
  );
}

/** Certification of a key: u8 role ‖ origin. @throws MALFORMED for an unknown role */
export function keyExtraData(role: number, origin: string): Uint8Array {
  if (!(Object.values(KEY_ROLES) as number[]).includes(role)) {
    throw new AttestdError('MALFORMED', `key role ${role} is not known`);
  }
  return bind(TAGS.key, u8(role), utf8(origin));
}

/** Creation attestation: the host's nonce. @throws MALFORMED when it is not 16–64 bytes */
export function creationExtraData(hostNonce: Uint8Array): Uint8Array {
  return bind(TAGS.creation, sized(hostNonce, 'the host nonce', MIN_NONCE, MAX_NONCE));
}

/** Tag of what a confidential machine signs: not the AK, and so not one of the roles above. */
const TEE_TAG = 'tee/v1';

/**
 * Report data of a confidential machine, 64 bytes: SHA-512(tag ‖ u16 len ‖ AK Name ‖ JCS(boot predicate without `tee`)).
 * So a report names one TPM key and one run, and none of a neighbour's or of yesterday's passes for it.
 */
export function teeReportData(akName: Uint8Array, bootPredicate: Uint8Array): Uint8Array {
  return sha512(concat(utf8(`${TAG_PREFIX}${TEE_TAG}\n`), u16(akName.length), akName, bootPredicate));
}
