/**
 * TPM2_MakeCredential in software: encrypts a secret so that only the TPM that holds this EK can have it, and only if
 * it also holds an object of exactly this Name (TPM 2.0 Part 1 §24, Part 1 §11.4.10 KDFs, Part 1 annexes B.10.4 and
 * C.6.4 for seeds). Held against the vectors of go-tpm and Keylime.
 */
import {
  constants,
  createCipheriv,
  createECDH,
  createHmac,
  createPublicKey,
  type ECDH,
  publicEncrypt,
} from 'node:crypto';
import { concat, u16, u32, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { ALG_AES, ALG_CFB, hashName, hashSize, tpmHash } from '../evidence/tpm/algorithm.ts';
import {
  CURVE_P256,
  CURVE_P384,
  CURVE_P521,
  leftPad,
  publicSpki,
  type TpmPublic,
} from '../evidence/tpm/public.ts';

/** The two blobs of TPM2_ActivateCredential, each with its own u16 size in front. */
export interface Credential {
  readonly credentialBlob: Uint8Array;
  readonly encryptedSecret: Uint8Array;
}

/** Where a seed comes from; vectors fix it, everything else draws it. */
export interface CredentialRandom {
  /** Exactly `n` random bytes. */
  readonly bytes: (n: number) => Uint8Array;
  /** Ephemeral private scalar for an ECC EK; absent: the platform draws one. */
  readonly ephemeral?: Uint8Array;
}

const OPENSSL_CURVES: ReadonlyMap<number, { name: string; size: number }> = new Map([
  [CURVE_P256, { name: 'prime256v1', size: 32 }],
  [CURVE_P384, { name: 'secp384r1', size: 48 }],
  [CURVE_P521, { name: 'secp521r1', size: 66 }],
]);

/**
 * Protects `secret` for the TPM that holds `ek` and the object `name`.
 * @param ek a restricted decryption key with AES-CFB; RSA, P-256, P-384 or P-521
 * @param name Name of the object to be activated
 * @param secret at most as long as the EK's name algorithm
 * @throws ENROL_REFUSED when the EK has no symmetric parameters or a curve that is not served
 */
export function makeCredential(
  ek: TpmPublic,
  name: Uint8Array,
  secret: Uint8Array,
  random: CredentialRandom,
): Credential {
  const { symmetric, nameAlg } = ek;
  if (symmetric === null || symmetric.alg !== ALG_AES || symmetric.mode !== ALG_CFB) {
    throw new AttestdError('ENROL_REFUSED', 'ek-attributes: the EK does not protect with AES-CFB');
  }
  if (secret.length > hashSize(nameAlg)) {
    throw new AttestdError('INTERNAL', 'the secret is longer than the name algorithm of the EK');
  }
  const { seed, encrypted } = ek.type === 'rsa' ? rsaSeed(ek, random) : eccSeed(ek, random);
  return {
    credentialBlob: protect(nameAlg, symmetric.keyBits, seed, name, secret),
    encryptedSecret: concat(u16(encrypted.length), encrypted),
  };
}

/**
 * TPM2B_ID_OBJECT of a secret under a seed: AES-CFB under KDFa(STORAGE, Name), then HMAC under KDFa(INTEGRITY).
 * @param alg name algorithm of the EK
 */
export function protect(
  alg: number,
  keyBits: number,
  seed: Uint8Array,
  name: Uint8Array,
  secret: Uint8Array,
): Uint8Array {
  const none = new Uint8Array();
  const cipher = createCipheriv(
    `aes-${keyBits}-cfb`,
    kdfa(alg, seed, 'STORAGE', name, none, keyBits),
    new Uint8Array(16),
  );
  const identity = concat(cipher.update(concat(u16(secret.length), secret)), cipher.final());
  const macKey = kdfa(alg, seed, 'INTEGRITY', none, none, 8 * hashSize(alg));
  const mac = hmac(alg, macKey, concat(identity, name));
  const body = concat(u16(mac.length), mac, identity);
  return concat(u16(body.length), body);
}

/** RSA: the seed is as long as the name algorithm's digest, encrypted with OAEP, label "IDENTITY" and its NUL. */
function rsaSeed(ek: TpmPublic, random: CredentialRandom): { seed: Uint8Array; encrypted: Uint8Array } {
  const seed = random.bytes(hashSize(ek.nameAlg));
  const key = createPublicKey({ key: Buffer.from(publicSpki(ek)), format: 'der', type: 'spki' });
  const encrypted = publicEncrypt(
    {
      key,
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: hashName(ek.nameAlg),
      oaepLabel: Buffer.from('IDENTITY\0'),
    },
    seed,
  );
  return { seed, encrypted };
}

/** ECC: one-pass ECDH with an ephemeral key, then KDFe over both x coordinates. */
function eccSeed(
  ek: TpmPublic & { type: 'ecc' },
  random: CredentialRandom,
): { seed: Uint8Array; encrypted: Uint8Array } {
  const curve = OPENSSL_CURVES.get(ek.curve);
  if (curve === undefined) throw new AttestdError('ENROL_REFUSED', 'ek-attributes: the curve is not served');
  const { size } = curve;
  const own = createECDH(curve.name);
  if (random.ephemeral === undefined) own.generateKeys();
  else own.setPrivateKey(random.ephemeral);
  const x = leftPad(ek.x, size);
  const shared = leftPad(computeShared(own, concat(Uint8Array.of(4), x, leftPad(ek.y, size))), size);
  const point = own.getPublicKey();
  const ownX = point.subarray(1, 1 + size);
  const ownY = point.subarray(1 + size);
  return {
    seed: kdfe(ek.nameAlg, shared, 'IDENTITY', ownX, x, 8 * hashSize(ek.nameAlg)),
    encrypted: concat(u16(size), ownX, u16(size), ownY),
  };
}

function computeShared(own: ECDH, point: Uint8Array): Uint8Array {
  try {
    return own.computeSecret(point);
  } catch (cause) {
    throw new AttestdError('ENROL_REFUSED', 'ek-attributes: the EK is not a point of its curve', { cause });
  }
}

function hmac(alg: number, key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac(hashName(alg), key).update(data).digest();
}

/** KDFa (TPM 2.0 Part 1 §11.4.10.2): SP 800-108 in counter mode; the NUL after the label is the separator. */
export function kdfa(
  alg: number,
  key: Uint8Array,
  label: string,
  contextU: Uint8Array,
  contextV: Uint8Array,
  bits: number,
): Uint8Array {
  const rest = concat(utf8(`${label}\0`), contextU, contextV, u32(bits));
  return derive(bits, hashSize(alg), (i) => hmac(alg, key, concat(u32(i), rest)));
}

/** KDFe (TPM 2.0 Part 1 §11.4.10.3): SP 800-56A concatenation KDF. */
export function kdfe(
  alg: number,
  z: Uint8Array,
  label: string,
  partyU: Uint8Array,
  partyV: Uint8Array,
  bits: number,
): Uint8Array {
  const rest = concat(z, utf8(`${label}\0`), partyU, partyV);
  return derive(bits, hashSize(alg), (i) => tpmHash(alg, concat(u32(i), rest)));
}

function derive(bits: number, block: number, one: (counter: number) => Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 1; (i - 1) * block * 8 < bits; i++) parts.push(one(i));
  return concat(...parts).subarray(0, bits / 8);
}
