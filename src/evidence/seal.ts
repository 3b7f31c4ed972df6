/**
 * The seal: a TPM2_Quote whose extraData commits to a checkpoint, as the bytes of a note signature line of type 0xff
 * (C2SP signed-note). Header, then attest and signature, each with a 16-bit length:
 * `u8 1 ‖ u64 time_ms ‖ u64 seq ‖ u64 boot_index ‖ u64 anchor_ctr ‖ prev_seal[32]`, big-endian, 65 bytes.
 */
import { concat, equal, u8, u64, utf8, ZERO32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { Reader } from '../core/reader.ts';
import { MAX_ATTEST } from './tpm/attest.ts';
import { MAX_SIGNATURE } from './tpm/signature.ts';
import { bounded, tpm2b } from './tpm/wire.ts';

/** Version byte of the header. */
const VERSION = 1;
/** Length of an encoded header in bytes. */
export const SEAL_HEADER_BYTES = 65;
/** Largest seal that is read, in bytes. */
export const MAX_SEAL = SEAL_HEADER_BYTES + 2 + MAX_ATTEST + 2 + MAX_SIGNATURE;
/** Identifier behind the 0xff type byte, and the tag of the seal's extraData. */
export const SEAL_TYPE = 'attestd.dev/tpm-quote/v1';
/** Last millisecond that a JavaScript date, and so a record's time, can say. */
const MAX_TIME = 8.64e15;

/** What the quote commits to beside the note text. */
export interface SealHeader {
  /** Host time in milliseconds since 1970, when the quote was asked for. */
  readonly timeMs: number;
  /** 1 for the first seal of an epoch, then one more each. */
  readonly seq: number;
  /** Index of this run's boot entry. */
  readonly bootIndex: number;
  /** Value of the newest anchor with index below the sealed size; 0 where there is none. */
  readonly anchorCtr: bigint;
  /** Digest of the previous seal; zeros for the first of an epoch. */
  readonly prevSeal: Uint8Array;
}

/** A parsed seal; attest and signature as they stand on the wire. */
export interface Seal {
  readonly header: SealHeader;
  readonly attest: Uint8Array;
  readonly signature: Uint8Array;
}

const malformed = (why: string) => new AttestdError('MALFORMED', `seal: ${why}`);

function check(h: SealHeader): void {
  if (!Number.isInteger(h.timeMs) || h.timeMs < 0 || h.timeMs > MAX_TIME)
    throw malformed('time_ms is no time');
  if (!Number.isSafeInteger(h.seq) || h.seq < 1) throw malformed('seq is not between 1 and 2^53 - 1');
  if (!Number.isSafeInteger(h.bootIndex) || h.bootIndex < 0) throw malformed('boot_index is not below 2^53');
  if (h.anchorCtr < 0n || h.anchorCtr >= 1n << 64n) throw malformed('anchor_ctr is not 64 bits');
  if (h.prevSeal.length !== 32) throw malformed('prev_seal is not 32 bytes');
  if ((h.seq === 1) !== equal(h.prevSeal, ZERO32)) throw malformed('prev_seal is zero for seq 1 only');
}

/** The 65 bytes of a header. @throws MALFORMED for a value out of range, or zeros as prev_seal after seq 1 */
export function encodeSealHeader(h: SealHeader): Uint8Array {
  check(h);
  return concat(u8(VERSION), u64(h.timeMs), u64(h.seq), u64(h.bootIndex), u64(h.anchorCtr), h.prevSeal);
}

/** The bytes of a seal, as they stand in the note line after the key ID. @throws MALFORMED */
export function encodeSeal(header: SealHeader, attest: Uint8Array, signature: Uint8Array): Uint8Array {
  return concat(
    encodeSealHeader(header),
    tpm2b(field(attest, MAX_ATTEST, 'attest')),
    tpm2b(field(signature, MAX_SIGNATURE, 'signature')),
  );
}

function field(b: Uint8Array, max: number, what: string): Uint8Array {
  if (b.length === 0) throw malformed(`${what} is empty`);
  return bounded(b, max, `seal: ${what}`);
}

/** Reads a seal; what is accepted encodes back to the same bytes. @throws MALFORMED */
export function parseSeal(bytes: Uint8Array): Seal {
  const r = new Reader(bounded(bytes, MAX_SEAL, 'seal'), 'seal');
  const version = r.u8();
  if (version !== VERSION) throw r.fail(`version ${version} is not ${VERSION}`);
  const header: SealHeader = {
    timeMs: Number(r.u64()),
    seq: Number(r.u64()),
    bootIndex: Number(r.u64()),
    anchorCtr: r.u64(),
    prevSeal: r.bytes(32),
  };
  const attest = field(r.sized(MAX_ATTEST), MAX_ATTEST, 'attest');
  const signature = field(r.sized(MAX_SIGNATURE), MAX_SIGNATURE, 'signature');
  r.end();
  check(header);
  return { header, attest, signature };
}

/** SHA-256 of a seal's bytes (without its key ID): the prev_seal of the next one. */
export function sealDigest(seal: Uint8Array): Uint8Array {
  return sha256(seal);
}

/**
 * Key ID of the seal's note line: SHA-256(name ‖ 0x0A ‖ 0xFF ‖ type ‖ AK SPKI DER), first four bytes.
 * @param origin name of the note line
 * @param akSpki DER SubjectPublicKeyInfo of the certified AK
 */
export function sealKeyId(origin: string, akSpki: Uint8Array): Uint8Array {
  return sha256(concat(utf8(origin), Uint8Array.of(0x0a, 0xff), utf8(SEAL_TYPE), akSpki)).slice(0, 4);
}
