/**
 * The keys of design §5 as TPMT_PUBLIC templates, and the public area of the NV counter. What stands here decides the
 * Names of all keys: a change is a new identity.
 */
import { utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { ALG_AES, ALG_CFB, ALG_ECDSA, ALG_SHA256 } from '../evidence/tpm/algorithm.ts';
import { type AttributeName, makeAttributes } from '../evidence/tpm/attributes.ts';
import { makeNvAttributes, NT_COUNTER, type NvPublic, printNvPublic } from '../evidence/tpm/nv.ts';
import { CURVE_P256, type EccPublic, printPublic } from '../evidence/tpm/public.ts';

/** Keeps our storage primary apart from those of other users of the endorsement hierarchy. */
export const STORAGE_LABEL = 'attestd-storage-v1';

const NONE = new Uint8Array(0);
const AES_128_CFB = { alg: ALG_AES, keyBits: 128, mode: ALG_CFB } as const;
const ECDSA_SHA256 = { alg: ALG_ECDSA, hash: ALG_SHA256 } as const;
const OURS: readonly AttributeName[] = [
  'fixedTPM',
  'fixedParent',
  'sensitiveDataOrigin',
  'userWithAuth',
  'noDA',
];

function ecc(
  part: Pick<EccPublic, 'attributes' | 'symmetric' | 'scheme'> & Partial<Pick<EccPublic, 'authPolicy'>>,
  x: Uint8Array = NONE,
  y: Uint8Array = NONE,
): Uint8Array {
  return printPublic({
    type: 'ecc',
    nameAlg: ALG_SHA256,
    authPolicy: NONE,
    ...part,
    curve: CURVE_P256,
    kdf: null,
    x,
    y,
  });
}

/** Storage primary, endorsement hierarchy: P-256, restricted decrypt, no DA, `unique` from the label. */
export function storageTemplate(): Uint8Array {
  const attributes = makeAttributes(...OURS, 'restricted', 'decrypt');
  const x = sha256(utf8(`${STORAGE_LABEL}/x`));
  const y = sha256(utf8(`${STORAGE_LABEL}/y`));
  return ecc({ attributes, symmetric: AES_128_CFB, scheme: null }, x, y);
}

/** AK: P-256, restricted signing with ECDSA-SHA256. */
export function akTemplate(): Uint8Array {
  const attributes = makeAttributes(...OURS, 'restricted', 'sign');
  return ecc({ attributes, symmetric: null, scheme: ECDSA_SHA256 });
}

/** Record key (and workload keys): P-256, unrestricted signing with ECDSA-SHA256. */
export function signingTemplate(): Uint8Array {
  return ecc({ attributes: makeAttributes(...OURS, 'sign'), symmetric: null, scheme: ECDSA_SHA256 });
}

/**
 * A record key that signs only in an approved state (approved.ts): its auth value alone is good for certifying it, which
 * the ADMIN role allows in any state, and for nothing else.
 * @param policy `recordPolicy` of evidence/stateapproval.ts
 */
function boundTemplate(policy: Uint8Array): Uint8Array {
  const attributes = makeAttributes(...OURS.filter((a) => a !== 'userWithAuth'), 'sign');
  return ecc({ attributes, symmetric: null, scheme: ECDSA_SHA256, authPolicy: policy });
}

/** The record key, bound to approved states where a policy is given. */
export const recordTemplate = (policy: Uint8Array | undefined): Uint8Array =>
  policy === undefined ? signingTemplate() : boundTemplate(policy);

/**
 * The NV counter (design §6, Rollback): not orderly, so no increment is ever lost; written and read under its own
 * auth only, never by the owner; not subject to dictionary-attack lockout. Its Name without the WRITTEN bit.
 */
export function counterPublic(nvIndex: number): NvPublic {
  return {
    nvIndex,
    nameAlg: ALG_SHA256,
    attributes: makeNvAttributes(NT_COUNTER, 'authWrite', 'authRead', 'noDA'),
    authPolicy: NONE,
    dataSize: 8,
  };
}

/** TPMS_NV_PUBLIC bytes of the counter as it is defined. */
export const counterTemplate = (nvIndex: number): Uint8Array => printNvPublic(counterPublic(nvIndex));
