/**
 * A file's signature in an entry of `ima-sig` or `ima-sigv2`: the extended attribute `security.ima` as it was when the
 * file was measured (Linux security/integrity/integrity.h: `signature_v2_hdr`; ima_appraise.c: `calc_file_id_hash`). The
 * kernel signs a digest, which WebCrypto does not verify, so the arithmetic is done here; all of it is over public values.
 */
import { p256, p384 } from '@noble/curves/nist.js';
import { concat, equal, fromHex, toHex } from '../../../core/bytes.ts';
import { keyFacts } from '../../x509/algorithm.ts';
import { readDer, wholeBits } from '../../x509/der.ts';
import { hashOf } from '../hashes.ts';
import type { ImaDigest } from './entry.ts';

/** EVM_IMA_XATTR_DIGSIG: over the digest of the content. */
const OF_CONTENT = 3;
/** IMA_VERITY_DIGSIG: over the digest of a description of the fs-verity digest. */
const OF_VERITY = 6;
const HEADER = 9;
type SignedHash = 'sha1' | 'sha256' | 'sha384' | 'sha512';
/** `enum hash_algo` of the kernel, those whose signatures are verified. */
const HASHES: Readonly<Record<number, SignedHash>> = { 2: 'sha1', 4: 'sha256', 5: 'sha384', 6: 'sha512' };
/** DigestInfo up to the digest (RFC 8017 §9.2). */
const DIGEST_INFO: Readonly<Record<SignedHash, Uint8Array>> = {
  sha1: fromHex('3021300906052b0e03021a05000414'),
  sha256: fromHex('3031300d060960864801650304020105000420'),
  sha384: fromHex('3041300d060960864801650304020205000430'),
  sha512: fromHex('3051300d060960864801650304020305000440'),
};

const CURVES: Readonly<Record<string, typeof p256>> = { 'P-256': p256, 'P-384': p384 };

/** A key under which files are signed. */
export interface ImaKey {
  /** Whether `signature` is this key's over `digest`, PKCS #1 v1.5 or DER of ECDSA. */
  verifies(hash: SignedHash, digest: Uint8Array, signature: Uint8Array): boolean;
}

/** The key in a SubjectPublicKeyInfo; undefined for one of a kind that is not verified here. */
export function imaKey(spki: Uint8Array): ImaKey | undefined {
  try {
    const deviations: string[] = [];
    const node = readDer(spki, deviations);
    if (deviations.length > 0) return undefined;
    const facts = keyFacts(node);
    const bits = wholeBits(node.children[1], 'the key');
    if (facts.kind === 'rsa') return rsaKey(bits);
    const curve = facts.kind === 'ec' ? CURVES[facts.curve] : undefined;
    return curve === undefined ? undefined : ecKey(curve, bits);
  } catch {
    return undefined;
  }
}

function ecKey(curve: typeof p256, point: Uint8Array): ImaKey {
  curve.Point.fromBytes(point).assertValidity();
  return {
    verifies(_, digest, signature) {
      try {
        return curve.verify(signature, digest, point, { prehash: false, format: 'der', lowS: false });
      } catch {
        return false;
      }
    },
  };
}

function rsaKey(bits: Uint8Array): ImaKey | undefined {
  const [modulus, exponent] = readDer(bits, []).children;
  if (modulus === undefined || exponent === undefined) return undefined;
  const n = BigInt(`0x${toHex(modulus.content)}`);
  const e = BigInt(`0x${toHex(exponent.content)}`);
  const length = modulus.content.length - (modulus.content[0] === 0 ? 1 : 0);
  // A large exponent would make a verifier work for whoever wrote the policy's key.
  if (length < 256 || length > 1024 || e < 3n || e > 0xffff_ffffn || e % 2n === 0n) return undefined;
  return {
    verifies(hash, digest, signature) {
      if (signature.length !== length) return false;
      const s = BigInt(`0x${toHex(signature)}`);
      if (s >= n) return false;
      const message = fromHex(
        power(s, e, n)
          .toString(16)
          .padStart(2 * length, '0'),
      );
      const tail = concat(DIGEST_INFO[hash], digest);
      const filling = new Uint8Array(length - tail.length - 3).fill(0xff);
      return equal(message, concat(Uint8Array.of(0, 1), filling, Uint8Array.of(0), tail));
    },
  };
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % modulus;
    if (bit === '1') result = (result * base) % modulus;
  }
  return result;
}

/**
 * Whether the attribute is a signature by one of the keys over this digest of the file. Never throws; a signature by
 * another algorithm than the digest's own says nothing of the digest, and is none.
 */
export function signedBy(keys: readonly ImaKey[], attribute: Uint8Array, digest: ImaDigest): boolean {
  if (attribute.length <= HEADER || keys.length === 0) return false;
  const [type, version, algorithm] = attribute;
  const length = ((attribute[7] as number) << 8) | (attribute[8] as number);
  const hash = HASHES[algorithm as number];
  if (length !== attribute.length - HEADER || hash === undefined || hash !== digest.algorithm) return false;
  const verity = digest.type === 'verity';
  const fits = verity ? type === OF_VERITY && version === 3 : type === OF_CONTENT && version === 2;
  if (!fits) return false;
  const signed = verity
    ? hashOf(hash)(concat(Uint8Array.of(OF_VERITY, algorithm as number), digest.value))
    : digest.value;
  const signature = attribute.subarray(HEADER);
  return keys.some((key) => key.verifies(hash, signed, signature));
}
