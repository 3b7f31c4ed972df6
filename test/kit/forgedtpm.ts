/** The TPM of a forged host: public areas, Names, and structures signed as a TPM would sign them. */
import { toBase64, u64 } from '../../src/core/bytes.ts';
import { ALG_AES, ALG_CFB, ALG_ECDSA, ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import { ATTEST_MAGIC, type Attest, type Attested, printAttest } from '../../src/evidence/tpm/attest.ts';
import { makeAttributes } from '../../src/evidence/tpm/attributes.ts';
import { RH_ENDORSEMENT } from '../../src/evidence/tpm/names.ts';
import { makeNvAttributes, NT_COUNTER, nvName, printNvPublic } from '../../src/evidence/tpm/nv.ts';
import {
  CURVE_P256,
  type EccPublic,
  printPublic,
  publicName,
  qualifiedName,
} from '../../src/evidence/tpm/public.ts';
import { printSignature, type TpmSignature } from '../../src/evidence/tpm/signature.ts';
import { type Keys, signRaw } from './authority.ts';

import { type Alter, type Hooks, same, type World } from './hooks.ts';

export function eccPublic(
  keys: Keys,
  attributes: EccPublic['attributes'],
  over: Partial<EccPublic>,
): EccPublic {
  const point = keys.spki.subarray(-64);
  return {
    type: 'ecc',
    nameAlg: ALG_SHA256,
    attributes,
    authPolicy: new Uint8Array(),
    symmetric: null,
    scheme: null,
    curve: CURVE_P256,
    kdf: null,
    x: point.slice(0, 32),
    y: point.slice(32),
    ...over,
  };
}

export const FLAGS = ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin', 'userWithAuth', 'noDA'] as const;

/** Everything that a TPM would hold and sign for this host. */
export function createForgedTpm(hooks: Hooks, w: World) {
  const alter = <T>(hook: Alter<T> | undefined, value: T): T => (hook ?? same)(value, w);
  const sha256 = { alg: ALG_ECDSA, hash: ALG_SHA256 };
  const akPublic = printPublic(
    alter(
      hooks.akPublic,
      eccPublic(w.ak, makeAttributes(...FLAGS, 'restricted', 'sign'), { scheme: sha256 }),
    ),
  );
  const storagePublic = printPublic(
    alter(
      hooks.storagePublic,
      eccPublic(w.storage, makeAttributes(...FLAGS, 'restricted', 'decrypt'), {
        symmetric: { alg: ALG_AES, keyBits: 128, mode: ALG_CFB },
      }),
    ),
  );
  const recordPublic = printPublic(
    alter(hooks.recordPublic, eccPublic(w.record, makeAttributes(...FLAGS, 'sign'), { scheme: sha256 })),
  );
  const nvPublic = printNvPublic(
    alter(hooks.nvPublic, {
      nvIndex: 0x01_80_00_10,
      nameAlg: ALG_SHA256,
      attributes: makeNvAttributes(NT_COUNTER, 'authWrite', 'authRead', 'noDA', 'written'),
      authPolicy: new Uint8Array(),
      dataSize: 8,
    }),
  );
  const storageQn = qualifiedName(RH_ENDORSEMENT, publicName(storagePublic));
  /** Who signs what comes next. */
  let signer = { keys: w.ak, qualifiedName: qualifiedName(storageQn, publicName(akPublic)) };
  const attestOf = (type: number, extraData: Uint8Array, attested: Attested, clock: bigint): Attest => ({
    magic: ATTEST_MAGIC,
    type,
    qualifiedSigner: signer.qualifiedName,
    extraData,
    clockInfo: { clock, resetCount: 3, restartCount: 1, safe: true },
    firmwareVersion: 0x2019_1023n,
    attested,
  });
  const sign = async (
    a: Attest,
    keys: Keys = signer.keys,
  ): Promise<{ attest: Uint8Array; signature: TpmSignature }> => {
    const attest = printAttest(a);
    const raw = await signRaw(keys, attest);
    return { attest, signature: { alg: 'ecdsa', hash: ALG_SHA256, r: raw.slice(0, 32), s: raw.slice(32) } };
  };
  const certified = async (a: Attest, keys?: Keys) => {
    const { attest, signature } = await sign(a, keys);
    return { attest: toBase64(attest), signature: toBase64(printSignature(signature)) };
  };
  const nv = (value: bigint): Attested => ({
    kind: 'nv',
    indexName: nvName(nvPublic),
    offset: 0,
    contents: u64(value),
  });
  const recordName = publicName(recordPublic);
  const recordQn = qualifiedName(storageQn, recordName);
  /** Name and qualified Name of a key below the storage primary. */
  const named = (area: Uint8Array) => {
    const name = publicName(area);
    return { kind: 'certify' as const, name, qualifiedName: qualifiedName(storageQn, name) };
  };
  return {
    akPublic,
    storagePublic,
    recordPublic,
    nvPublic,
    recordName,
    recordQn,
    attestOf,
    sign,
    certified,
    nv,
    named,
    get signer() {
      return signer;
    },
    /** Another attestation key from here on. */
    use(keys: Keys, area: Uint8Array) {
      signer = { keys, qualifiedName: named(area).qualifiedName };
    },
  };
}

export type ForgedTpm = ReturnType<typeof createForgedTpm>;
