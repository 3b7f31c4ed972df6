/** The hash functions of PCR banks, by the names and numbers of the TCG Algorithm Registry. */
import { sha1 } from '@noble/hashes/legacy.js';
import { sha384, sha512 } from '@noble/hashes/sha2.js';
import { sha3_256, sha3_384, sha3_512 } from '@noble/hashes/sha3.js';
import { concat } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { sm3 } from './sm3.ts';

/** TPM_ALG_ID of each bank that is replayed. */
export const TPM_ALG = {
  sha1: 0x0004,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  sm3_256: 0x0012,
  sha3_256: 0x0027,
  sha3_384: 0x0028,
  sha3_512: 0x0029,
} as const;
export type HashName = keyof typeof TPM_ALG;

/** Bytes of a digest. */
export const SIZE: Readonly<Record<HashName, number>> = {
  sha1: 20,
  sha256: 32,
  sha384: 48,
  sha512: 64,
  sm3_256: 32,
  sha3_256: 32,
  sha3_384: 48,
  sha3_512: 64,
};

const HASHES: Readonly<Record<HashName, (data: Uint8Array) => Uint8Array>> = {
  sha1,
  sha256,
  sha384,
  sha512,
  sm3_256: sm3,
  sha3_256,
  sha3_384,
  sha3_512,
};

/** What the kernel calls some of them (crypto/hash_info.c), `sm3` since 5.19 and `sm3-256` before. */
const KERNEL: Readonly<Record<string, HashName>> = {
  sm3: 'sm3_256',
  'sm3-256': 'sm3_256',
  'sha3-256': 'sha3_256',
  'sha3-384': 'sha3_384',
  'sha3-512': 'sha3_512',
};

/** The function of a bank. */
export function hashOf(bank: HashName): (data: Uint8Array) => Uint8Array {
  return HASHES[bank];
}

/** Whether a name is that of a bank that is replayed. */
export function isHashName(name: string): name is HashName {
  return Object.hasOwn(TPM_ALG, name);
}

/** The function by the registry's name or the kernel's; absent where it is not known. */
export function hashNamed(name: string): HashName | undefined {
  return isHashName(name) ? name : Object.hasOwn(KERNEL, name) ? KERNEL[name] : undefined;
}

/** A register after TPM2_PCR_Extend: H(old ‖ digest). */
export function extend(bank: HashName, old: Uint8Array, digest: Uint8Array): Uint8Array {
  return HASHES[bank](concat(old, digest));
}
