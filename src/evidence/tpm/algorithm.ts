/**
 * TPM algorithm identifiers and the hashes behind them. Sizes bound every digest field of the parsers; whether an
 * algorithm is good enough is a trust decision and stands elsewhere. TCG TPM 2.0 Library part 2 §6.3.
 */
import { sha1 } from '@noble/hashes/legacy.js';
import { sha384, sha512 } from '@noble/hashes/sha2.js';
import { AttestdError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';

export const ALG_RSA = 0x0001;
export const ALG_SHA1 = 0x0004;
export const ALG_AES = 0x0006;
export const ALG_KEYEDHASH = 0x0008;
export const ALG_SHA256 = 0x000b;
export const ALG_SHA384 = 0x000c;
export const ALG_SHA512 = 0x000d;
export const ALG_NULL = 0x0010;
export const ALG_RSASSA = 0x0014;
export const ALG_RSAES = 0x0015;
export const ALG_RSAPSS = 0x0016;
export const ALG_OAEP = 0x0017;
export const ALG_ECDSA = 0x0018;
export const ALG_ECDH = 0x0019;
export const ALG_ECC = 0x0023;
export const ALG_CFB = 0x0043;

/** Size of the largest digest, which bounds digests, nonces and policies. */
export const MAX_DIGEST = 64;
/** Size of the largest Name: algorithm and digest. */
export const MAX_NAME = 2 + MAX_DIGEST;

interface Hash {
  readonly name: string;
  readonly size: number;
  readonly digest: (data: Uint8Array) => Uint8Array;
}

const HASHES: ReadonlyMap<number, Hash> = new Map([
  [ALG_SHA1, { name: 'sha1', size: 20, digest: (d: Uint8Array) => sha1(d) }],
  [ALG_SHA256, { name: 'sha256', size: 32, digest: (d: Uint8Array) => sha256(d) }],
  [ALG_SHA384, { name: 'sha384', size: 48, digest: (d: Uint8Array) => sha384(d) }],
  [ALG_SHA512, { name: 'sha512', size: 64, digest: (d: Uint8Array) => sha512(d) }],
]);

function hash(alg: number): Hash {
  const h = HASHES.get(alg);
  if (h === undefined)
    throw new AttestdError('MALFORMED', `hash algorithm 0x${alg.toString(16)} is not known`);
  return h;
}

/** Digest size in bytes of a TPM hash algorithm. @throws MALFORMED when it is not a hash known here */
export const hashSize = (alg: number): number => hash(alg).size;
/** `sha256` and the like, the bank's name in PCR values. @throws MALFORMED when it is not a hash known here */
export const hashName = (alg: number): string => hash(alg).name;
/** Digest of `data` under a TPM hash algorithm. @throws MALFORMED when it is not a hash known here */
export const tpmHash = (alg: number, data: Uint8Array): Uint8Array => hash(alg).digest(data);
