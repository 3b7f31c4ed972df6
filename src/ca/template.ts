/**
 * What the public areas of an enrolment must be: EK as the TCG EK Credential Profile templates (annex B), storage
 * primary and AK as this project makes them (TPM 2.0 Part 2 §8.3). Attributes are held exactly, bit by bit, because a
 * key that is restricted but duplicable, or fixed but not made by the TPM, proves nothing.
 */
import { equal, fromHex } from '../core/bytes.ts';
import {
  ALG_AES,
  ALG_CFB,
  ALG_ECDSA,
  ALG_SHA256,
  ALG_SHA384,
  ALG_SHA512,
} from '../evidence/tpm/algorithm.ts';
import { type AttributeName, makeAttributes, readAttributes } from '../evidence/tpm/attributes.ts';
import { CURVE_P256, CURVE_P384, CURVE_P521, parsePublic, type TpmPublic } from '../evidence/tpm/public.ts';
import { type EnrolKey, refusal } from './condition.ts';

const COMMON: readonly AttributeName[] = ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin', 'restricted'];
const EK: readonly AttributeName[] = [...COMMON, 'adminWithPolicy', 'decrypt'];
const STORAGE: readonly AttributeName[] = [...COMMON, 'userWithAuth', 'noDA', 'decrypt'];
const AK: readonly AttributeName[] = [...COMMON, 'userWithAuth', 'noDA', 'sign'];

/** PolicyA of the low range and PolicyB of the high range, by name algorithm (TCG EK Credential Profile, annex B). */
const EK_POLICIES: readonly { readonly alg: number; readonly policy: Uint8Array }[] = [
  [ALG_SHA256, '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa'],
  [ALG_SHA256, 'ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0'],
  [
    ALG_SHA384,
    'b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12',
  ],
  [
    ALG_SHA512,
    'b8221ca69e8550a4914de3faa6a18c072cc01208073a928d5d66d59ef79e49a4' +
      '29c41a6b269571d57edb25fbdb1838425608b413cd616a5f6db5b6071af99bea',
  ],
].map(([alg, hex]) => ({ alg: alg as number, policy: fromHex(hex as string) }));

/** The EK's public area. @throws ENROL_REFUSED */
export function readEk(bytes: Uint8Array): TpmPublic {
  const p = read('ek', bytes);
  const served =
    p.type === 'rsa' ? p.keyBits >= 2048 : [CURVE_P256, CURVE_P384, CURVE_P521].includes(p.curve);
  if (!served) throw refusal('ek-kind', 'the EK is not RSA-2048 or longer, P-256, P-384 or P-521');
  // The low range has no userWithAuth, the high range has it; both are policies of the same owner.
  holdAttributes('ek', p, EK, 'userWithAuth');
  holdSymmetric('ek', p);
  if (p.scheme !== null) throw refusal('ek-scheme', 'a storage key has no scheme');
  if (!EK_POLICIES.some((k) => k.alg === p.nameAlg && equal(k.policy, p.authPolicy))) {
    throw refusal('ek-auth-policy', 'the authorization policy is not one of the TCG templates');
  }
  return p;
}

/** The storage primary's public area. @throws ENROL_REFUSED */
export function readStorage(bytes: Uint8Array): TpmPublic {
  const p = read('storage', bytes);
  if (p.type !== 'ecc' || p.curve !== CURVE_P256) throw refusal('storage-kind', 'it is not an ECC P-256 key');
  if (p.nameAlg !== ALG_SHA256) throw refusal('storage-name-algorithm', 'it is not SHA-256');
  holdAttributes('storage', p, STORAGE);
  holdSymmetric('storage', p);
  if (p.scheme !== null || p.kdf !== null) throw refusal('storage-scheme', 'a storage key has no scheme');
  return p;
}

/** The AK's public area. @throws ENROL_REFUSED */
export function readAk(bytes: Uint8Array): TpmPublic & { readonly type: 'ecc' } {
  const p = read('ak', bytes);
  if (p.type !== 'ecc' || p.curve !== CURVE_P256) throw refusal('ak-kind', 'it is not an ECC P-256 key');
  if (p.nameAlg !== ALG_SHA256) throw refusal('ak-name-algorithm', 'it is not SHA-256');
  holdAttributes('ak', p, AK);
  if (p.symmetric !== null) throw refusal('ak-symmetric', 'a signing key has no symmetric cipher');
  if (p.scheme?.alg !== ALG_ECDSA || p.scheme.hash !== ALG_SHA256 || p.kdf !== null) {
    throw refusal('ak-scheme', 'the scheme is not fixed to ECDSA with SHA-256');
  }
  if (p.authPolicy.length !== 0) throw refusal('ak-auth-policy', 'the AK has an authorization policy');
  return p;
}

function read(key: EnrolKey, bytes: Uint8Array): TpmPublic {
  try {
    return parsePublic(bytes);
  } catch (cause) {
    throw refusal(`${key}-malformed`, (cause as Error).message, cause);
  }
}

function holdAttributes(
  key: EnrolKey,
  p: TpmPublic,
  required: readonly AttributeName[],
  either?: AttributeName,
): void {
  const names = Object.keys(readAttributes(0)).filter((n) => n !== 'raw') as AttributeName[];
  for (const name of names) {
    const wanted = required.includes(name);
    if (name !== either && p.attributes[name] !== wanted) {
      throw refusal(`${key}-attributes.${name}`, `the attribute ${name} is ${wanted ? 'not set' : 'set'}`);
    }
  }
  const known = makeAttributes(...names).raw;
  if ((p.attributes.raw & ~known) >>> 0 !== 0) {
    throw refusal(`${key}-attributes.reserved`, 'a reserved attribute bit is set');
  }
}

function holdSymmetric(key: EnrolKey, p: TpmPublic): void {
  const s = p.symmetric;
  if (s?.alg !== ALG_AES || s.mode !== ALG_CFB || (s.keyBits !== 128 && s.keyBits !== 256)) {
    throw refusal(`${key}-symmetric`, 'the children are not protected with AES-CFB');
  }
}
