/**
 * `ak-key`: the certificate is of the key in force under the seal: that of genesis, or of the newest change. `ak-attributes`: that key is what design §5 says an AK is, so
 * that the TPM alone decides what it signs and the key cannot leave it.
 */
import { equal, toHex } from '../../core/bytes.ts';
import { ALG_ECDSA, ALG_SHA256 } from '../../evidence/tpm/algorithm.ts';
import { type AttributeName, makeAttributes } from '../../evidence/tpm/attributes.ts';
import { CURVE_P256, type TpmPublic } from '../../evidence/tpm/public.ts';
import { akOf, leafOf } from '../evidence.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';

export const akKey: CheckDefinition = {
  id: 'ak-key',
  level: 1,
  run: (e) => {
    const parts = together({ leaf: leafOf(e), ak: akOf(e) });
    if (!parts.ok) return blocked(parts);
    const { leaf, ak } = parts.value;
    return equal(leaf.spki, ak.spki)
      ? pass('The certificate is of the attestation key that is in force in the log.')
      : fail(
          'The certificate is of another key than the one in force in the log.',
          toHex(ak.spki),
          toHex(leaf.spki),
        );
  },
};

const AK_ATTRIBUTES: readonly AttributeName[] = [
  'fixedTPM',
  'fixedParent',
  'sensitiveDataOrigin',
  'userWithAuth',
  'noDA',
  'restricted',
  'sign',
];
/** The record key signs what it is given, so it is not restricted; all else is the same. */
const RECORD_KEY_ATTRIBUTES = AK_ATTRIBUTES.filter((a) => a !== 'restricted');
const STORAGE_ATTRIBUTES: readonly AttributeName[] = [
  'fixedTPM',
  'fixedParent',
  'sensitiveDataOrigin',
  'userWithAuth',
  'noDA',
  'restricted',
  'decrypt',
];

/** What a record key is whose use the TPM binds to approved states: by its policy, and not by its auth value alone. */
const BOUND_KEY_ATTRIBUTES = RECORD_KEY_ATTRIBUTES.filter((a) => a !== 'userWithAuth');
const POLICY_BYTES = 32;

/**
 * Why a key has not exactly these attributes, P-256 and SHA-256; undefined when it has.
 * @param policy bytes of its authPolicy; none where it is used by its auth value
 */
export function keyFault(key: TpmPublic, wanted: readonly AttributeName[], policy = 0): string | undefined {
  if (key.type !== 'ecc' || key.curve !== CURVE_P256) return 'it is not on P-256';
  if (key.nameAlg !== ALG_SHA256) return 'its Name is not SHA-256';
  const raw = makeAttributes(...wanted).raw;
  if (key.attributes.raw !== raw) {
    return `its attributes are 0x${key.attributes.raw.toString(16)} and not 0x${raw.toString(16)}`;
  }
  if (key.authPolicy.length === policy) return undefined;
  return policy === 0 ? 'it can be used by a policy' : 'it has no policy of SHA-256, and no other use';
}

/** Why a key is no attestation key of ours; undefined when it is. */
export function akFault(key: TpmPublic): string | undefined {
  const why = keyFault(key, AK_ATTRIBUTES);
  if (why !== undefined) return why;
  const { scheme } = key;
  const alone = scheme?.alg === ALG_ECDSA && scheme.hash === ALG_SHA256;
  return alone ? undefined : 'it does not sign by ECDSA with SHA-256 alone';
}

/** Why a key is no key that we make for a caller; undefined when it is. */
export const signingKeyFault = (key: TpmPublic): string | undefined => keyFault(key, RECORD_KEY_ATTRIBUTES);

/** Whether the TPM lets a key be used by its policy only. */
export const isBound = (key: TpmPublic): boolean => !key.attributes.userWithAuth && key.authPolicy.length > 0;

/** Why a key is no record key of ours; undefined when it is. One that is bound has exactly one form too. */
export const recordKeyFault = (key: TpmPublic): string | undefined =>
  isBound(key) ? keyFault(key, BOUND_KEY_ATTRIBUTES, POLICY_BYTES) : signingKeyFault(key);

export const akAttributes: CheckDefinition = {
  id: 'ak-attributes',
  level: 2,
  run: (e) => {
    const parts = together({ ak: akOf(e), genesis: e.genesisFacts });
    if (!parts.ok) return blocked(parts);
    const { ak, genesis } = parts.value;
    const { storage } = genesis;
    const why = akFault(ak.public);
    if (why !== undefined) return fail(`The key in force is no attestation key: ${why}.`);
    const parent = keyFault(storage.public, STORAGE_ATTRIBUTES);
    if (parent !== undefined) return fail(`The parent in genesis is no storage primary of ours: ${parent}.`);
    return pass('The attestation key is restricted to what the TPM makes itself, and cannot leave it.');
  },
};
