/**
 * Endorsement key templates of the TCG EK Credential Profile: the low range (L-1, L-2) and the high range (H-1 …), and
 * the policies that authorise their use. Only their use for comparison with a certificate makes a wrong one harmless.
 */
import { concat, fromHex, u32 } from '../core/bytes.ts';
import {
  ALG_AES,
  ALG_CFB,
  ALG_SHA256,
  ALG_SHA384,
  ALG_SHA512,
  hashSize,
  tpmHash,
} from '../evidence/tpm/algorithm.ts';
import { makeAttributes } from '../evidence/tpm/attributes.ts';
import { handleName, RH_ENDORSEMENT } from '../evidence/tpm/names.ts';
import { CURVE_P256, CURVE_P384, CURVE_P521, printPublic, type TpmPublic } from '../evidence/tpm/public.ts';

export type EkKind = 'rsa2048' | 'rsa3072' | 'rsa4096' | 'p256' | 'p384' | 'p521';

const CC_POLICY_SECRET = 0x151;
const CC_POLICY_OR = 0x171;
/** PolicyAuthorizeNV of the profile's index 0x01c07f01…03, by hash. */
const POLICY_C: ReadonlyMap<number, string> = new Map([
  [ALG_SHA256, '3767e2edd43ff45a3a7e1eaefcef78643dca964632e7aad82c673a30d8633fde'],
  [
    ALG_SHA384,
    'd6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b455e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165',
  ],
  [
    ALG_SHA512,
    '589ee1e146544716e8deafe6db247b01b81e9f9c7dd16b814aa159138749105fba5388dd1dea702f35240c184933121e2c61b8f50d3ef91393a49a38c3f73fc8',
  ],
]);

/** PolicySecret(endorsement): PolicyA of the profile. */
export function policyA(hash: number): Uint8Array {
  const zeros = new Uint8Array(hashSize(hash));
  const first = tpmHash(hash, concat(zeros, u32(CC_POLICY_SECRET), handleName(RH_ENDORSEMENT)));
  return tpmHash(hash, first);
}

/** The branches of PolicyB = PolicyOR(PolicyA, PolicyC). */
export function policyBranches(hash: number): readonly [Uint8Array, Uint8Array] {
  return [policyA(hash), fromHex(POLICY_C.get(hash) ?? '')];
}

export function policyB(hash: number): Uint8Array {
  const zeros = new Uint8Array(hashSize(hash));
  return tpmHash(hash, concat(zeros, u32(CC_POLICY_OR), ...policyBranches(hash)));
}

const LOW = [
  'fixedTPM',
  'fixedParent',
  'sensitiveDataOrigin',
  'adminWithPolicy',
  'restricted',
  'decrypt',
] as const;

/**
 * TPMT_PUBLIC of a default template.
 * @param range low: PolicyA, `unique` filled with zeros or the nonce; high: PolicyB, `unique` empty
 * @param nonce content of the nonce index, which replaces the start of `unique` (low range)
 */
export function ekTemplate(kind: EkKind, range: 'low' | 'high', nonce: Uint8Array | null = null): Uint8Array {
  const hash = HASH_OF[kind];
  const symmetric = { alg: ALG_AES, keyBits: hash === ALG_SHA256 ? 128 : 256, mode: ALG_CFB };
  const attributes = range === 'low' ? makeAttributes(...LOW) : makeAttributes(...LOW, 'userWithAuth');
  const authPolicy = range === 'low' ? policyA(hash) : policyB(hash);
  const common = { nameAlg: hash, attributes, authPolicy, symmetric, scheme: null };
  const unique = (size: number) => {
    if (range === 'high') return new Uint8Array(0);
    const out = new Uint8Array(size);
    if (nonce !== null) out.set(nonce.subarray(0, size));
    return out;
  };
  const rsaBits = RSA_BITS[kind];
  const key: TpmPublic =
    rsaBits !== undefined
      ? { type: 'rsa', ...common, keyBits: rsaBits, exponent: 0, n: unique(rsaBits / 8) }
      : {
          type: 'ecc',
          ...common,
          curve: CURVE_OF[kind] ?? 0,
          kdf: null,
          x: unique(32),
          y: range === 'low' ? new Uint8Array(32) : unique(32),
        };
  return printPublic(key);
}

const HASH_OF: Readonly<Record<EkKind, number>> = {
  rsa2048: ALG_SHA256,
  p256: ALG_SHA256,
  p384: ALG_SHA384,
  rsa3072: ALG_SHA384,
  rsa4096: ALG_SHA384,
  p521: ALG_SHA512,
};
const RSA_BITS: Readonly<Partial<Record<EkKind, number>>> = { rsa2048: 2048, rsa3072: 3072, rsa4096: 4096 };
const CURVE_OF: Readonly<Partial<Record<EkKind, number>>> = {
  p256: CURVE_P256,
  p384: CURVE_P384,
  p521: CURVE_P521,
};

/** What kind of key a public area is, or null for one that no template makes. */
export function kindOf(p: TpmPublic): EkKind | null {
  const kinds = Object.keys(HASH_OF) as EkKind[];
  const is = (k: EkKind) => (p.type === 'rsa' ? RSA_BITS[k] === p.keyBits : CURVE_OF[k] === p.curve);
  return kinds.find(is) ?? null;
}

/** Where certificates, nonces and templates stand in NV. */
export interface EkPlace {
  readonly kind: EkKind;
  readonly range: 'low' | 'high';
  readonly certificate: number;
  readonly nonce?: number;
  readonly template: number;
}

/** In order of preference: P-256, P-384, then RSA. */
export const EK_PLACES: readonly EkPlace[] = [
  { kind: 'p256', range: 'low', certificate: 0x01c0000a, nonce: 0x01c0000b, template: 0x01c0000c },
  { kind: 'p256', range: 'high', certificate: 0x01c00014, template: 0x01c00015 },
  { kind: 'p384', range: 'high', certificate: 0x01c00016, template: 0x01c00017 },
  { kind: 'p521', range: 'high', certificate: 0x01c00018, template: 0x01c00019 },
  { kind: 'rsa2048', range: 'low', certificate: 0x01c00002, nonce: 0x01c00003, template: 0x01c00004 },
  { kind: 'rsa2048', range: 'high', certificate: 0x01c00012, template: 0x01c00013 },
  { kind: 'rsa3072', range: 'high', certificate: 0x01c0001c, template: 0x01c0001d },
  { kind: 'rsa4096', range: 'high', certificate: 0x01c0001e, template: 0x01c0001f },
];
/** First and last index of the certificate chain. */
export const EK_CHAIN = { first: 0x01c00100, last: 0x01c001ff } as const;
