/** TPM structures that the native tests feed in, built by hand (TPM 2.0 Part 2): independent of the code under test. */
import { u16, u32 } from '../../src/core/bytes.ts';

const cat = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
/** A TPM2B. */
export const sized = (b: Uint8Array): Buffer => cat(u16(b.length), b);
const EMPTY = sized(new Uint8Array());

const FIXED_TPM = 1 << 1;
const FIXED_PARENT = 1 << 4;
const DATA_ORIGIN = 1 << 5;
const USER_WITH_AUTH = 1 << 6;
const ADMIN_WITH_POLICY = 1 << 7;
const NO_DA = 1 << 10;
const RESTRICTED = 1 << 16;
const DECRYPT = 1 << 17;
const SIGN = 1 << 18;
const OWN = FIXED_TPM | FIXED_PARENT | DATA_ORIGIN | USER_WITH_AUTH | NO_DA;

const NULL = u16(0x10);
const AES128CFB = cat(u16(6), u16(128), u16(0x43));
export const ECDSA_SHA256 = cat(u16(0x18), u16(0x0b));
const P256 = u16(3);

const publicArea = (type: number, attributes: number, rest: Uint8Array): Buffer =>
  cat(u16(type), u16(0x0b), u32(attributes), EMPTY, rest);
const ecc = (attributes: number, symmetric: Uint8Array, scheme: Uint8Array): Buffer =>
  publicArea(0x23, attributes, cat(symmetric, scheme, P256, NULL, EMPTY, EMPTY));

/** TPMT_PUBLIC templates. */
export const STORAGE = ecc(OWN | RESTRICTED | DECRYPT, AES128CFB, NULL);
export const AK = ecc(OWN | RESTRICTED | SIGN, NULL, ECDSA_SHA256);
export const SIGNER = ecc(OWN | SIGN, NULL, ECDSA_SHA256);
/** A public key that came from outside, as x ‖ y. */
export const publicSigner = (point: Uint8Array): Buffer =>
  cat(
    publicArea(0x23, USER_WITH_AUTH | SIGN, cat(NULL, ECDSA_SHA256, P256, NULL)),
    sized(point.subarray(0, 32)),
    sized(point.subarray(32)),
  );
/** A signing key that only the policy opens. */
export const signerBy = (policy: Uint8Array): Buffer =>
  cat(
    cat(u16(0x23), u16(0x0b), u32((OWN & ~USER_WITH_AUTH) | SIGN), sized(policy)),
    cat(NULL, ECDSA_SHA256, P256, NULL, EMPTY, EMPTY),
  );
/** TPMT_SIGNATURE of r ‖ s. */
export const ecdsa = (raw: Uint8Array): Buffer =>
  cat(ECDSA_SHA256, sized(raw.subarray(0, 32)), sized(raw.subarray(32)));
export const SEALED = publicArea(0x08, FIXED_TPM | FIXED_PARENT | USER_WITH_AUTH | NO_DA, cat(NULL, EMPTY));
/** A sealed object that only the policy opens. */
export const sealedBy = (policy: Uint8Array): Buffer =>
  cat(
    u16(0x08),
    u16(0x0b),
    u32(FIXED_TPM | FIXED_PARENT | ADMIN_WITH_POLICY | NO_DA),
    sized(policy),
    NULL,
    EMPTY,
  );
/** TPMT_PUBLIC_PARMS of the AK. */
export const AK_PARMS = cat(u16(0x23), NULL, ECDSA_SHA256, P256, NULL);

/** TPML_PCR_SELECTION of one SHA-256 bank. */
export function selection(pcrs: readonly number[]): Buffer {
  const bits = new Uint8Array(3);
  for (const p of pcrs) bits[p >> 3] = (bits[p >> 3] ?? 0) | (1 << (p & 7));
  return cat(u32(1), u16(0x0b), Uint8Array.of(3), bits);
}

/** TPML_DIGEST_VALUES of one SHA-256 digest. */
export const digestValues = (digest: Uint8Array): Buffer => cat(u32(1), u16(0x0b), digest);

const AUTHWRITE = 1 << 2;
const AUTHREAD = 1 << 18;
const OWNERREAD = 1 << 17;
const NV_NO_DA = 1 << 25;
/** TPMS_NV_PUBLIC; type 1 is a counter, 4 an extend index. */
export const nvPublic = (index: number, type: 1 | 4): Buffer =>
  cat(
    u32(index),
    u16(0x0b),
    u32((type << 4) | AUTHWRITE | AUTHREAD | OWNERREAD | NV_NO_DA),
    EMPTY,
    u16(type === 1 ? 8 : 32),
  );

/** TPMT_TK_VERIFIED that says nothing: a trial session takes it. */
export const NO_TICKET = cat(u16(0x8022), u32(0x40000007), EMPTY);
