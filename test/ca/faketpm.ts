/** Keys of a TPM and TPM2_ActivateCredential in plain node:crypto: the other side of what the authority makes. */
import {
  constants,
  createDecipheriv,
  createECDH,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
} from 'node:crypto';
import { kdfa, kdfe } from '../../src/ca/credential.ts';
import { concat, equal } from '../../src/core/bytes.ts';
import { Reader } from '../../src/core/reader.ts';
import {
  ALG_AES,
  ALG_CFB,
  ALG_ECDSA,
  ALG_SHA256,
  ALG_SHA384,
  hashName,
  hashSize,
} from '../../src/evidence/tpm/algorithm.ts';
import { makeAttributes } from '../../src/evidence/tpm/attributes.ts';
import { CURVE_P256, CURVE_P384, type TpmPublic } from '../../src/evidence/tpm/public.ts';

const POLICY_A = Buffer.from('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa', 'hex');
const POLICY_B_384 = Buffer.from(
  'b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12',
  'hex',
);

/** Kinds of EK that the authority serves. */
export type EkKind = 'rsa2048' | 'p256' | 'p384';

/** An EK and its private part. */
export interface FakeEk {
  readonly privateKey: KeyObject;
  readonly public: TpmPublic;
}

const coordinates = (key: KeyObject) => {
  const jwk = key.export({ format: 'jwk' });
  const part = (name: 'x' | 'y' | 'n') => new Uint8Array(Buffer.from(jwk[name] as string, 'base64url'));
  return part;
};

/** An EK as the TCG templates make it. */
export function ekKey(kind: EkKind): FakeEk {
  const common = { authPolicy: new Uint8Array(POLICY_A), scheme: null, nameAlg: ALG_SHA256 };
  const names = [
    'fixedTPM',
    'fixedParent',
    'sensitiveDataOrigin',
    'adminWithPolicy',
    'restricted',
    'decrypt',
  ] as const;
  const attributes = makeAttributes(...names);
  const symmetric = { alg: ALG_AES, keyBits: 128, mode: ALG_CFB };
  if (kind === 'rsa2048') {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const n = coordinates(publicKey)('n');
    return {
      privateKey,
      public: { type: 'rsa', ...common, attributes, symmetric, keyBits: 2048, exponent: 0, n },
    };
  }
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: kind === 'p256' ? 'P-256' : 'P-384',
  });
  const at = coordinates(publicKey);
  const point = { type: 'ecc', kdf: null, scheme: null, x: at('x'), y: at('y') } as const;
  if (kind === 'p256')
    return { privateKey, public: { ...common, ...point, attributes, symmetric, curve: CURVE_P256 } };
  return {
    privateKey,
    public: {
      ...point,
      nameAlg: ALG_SHA384,
      authPolicy: new Uint8Array(POLICY_B_384),
      attributes: makeAttributes(...names, 'userWithAuth'),
      symmetric: { alg: ALG_AES, keyBits: 256, mode: ALG_CFB },
      curve: CURVE_P384,
    },
  };
}

/** A P-256 key of ours: storage primary or AK. */
export function p256(attributes: TpmPublic['attributes'], signing: boolean) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const at = coordinates(publicKey);
  const area: TpmPublic = {
    type: 'ecc',
    nameAlg: ALG_SHA256,
    attributes,
    authPolicy: new Uint8Array(),
    symmetric: signing ? null : { alg: ALG_AES, keyBits: 128, mode: ALG_CFB },
    scheme: signing ? { alg: ALG_ECDSA, hash: ALG_SHA256 } : null,
    curve: CURVE_P256,
    kdf: null,
    x: at('x'),
    y: at('y'),
  };
  return { privateKey, area };
}

/** TPM2_ActivateCredential in software. */
export function activate(
  ek: FakeEk,
  name: Uint8Array,
  credentialBlob: Uint8Array,
  encryptedSecret: Uint8Array,
): Uint8Array {
  const { nameAlg, symmetric } = ek.public;
  const bits = symmetric?.keyBits ?? 0;
  const blob = new Reader(new Reader(credentialBlob, 'blob').sized(512), 'id object');
  const outer = blob.sized(64);
  const identity = blob.bytes(blob.left);
  const seed = openSeed(ek, new Reader(encryptedSecret, 'secret').sized(1024));
  const none = new Uint8Array();
  const macKey = kdfa(nameAlg, seed, 'INTEGRITY', none, none, 8 * hashSize(nameAlg));
  const mac = createHmac(hashName(nameAlg), macKey).update(concat(identity, name)).digest();
  if (!equal(mac, outer)) throw new Error('TPM_RC_INTEGRITY');
  const key = kdfa(nameAlg, seed, 'STORAGE', name, none, bits);
  const cipher = createDecipheriv(`aes-${bits}-cfb`, key, new Uint8Array(16));
  return new Reader(concat(cipher.update(identity), cipher.final()), 'identity').sized(64);
}

function openSeed(ek: FakeEk, encrypted: Uint8Array): Uint8Array {
  const { nameAlg } = ek.public;
  if (ek.public.type === 'rsa') {
    const oaep = {
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: hashName(nameAlg),
      oaepLabel: Buffer.from('IDENTITY\0'),
    };
    return new Uint8Array(privateDecrypt({ key: ek.privateKey, ...oaep }, encrypted));
  }
  const point = new Reader(encrypted, 'point');
  const [x, y] = [point.sized(66), point.sized(66)];
  const d = Buffer.from(ek.privateKey.export({ format: 'jwk' }).d as string, 'base64url');
  const ecdh = createECDH(ek.public.curve === CURVE_P256 ? 'prime256v1' : 'secp384r1');
  ecdh.setPrivateKey(d);
  const z = ecdh.computeSecret(concat(Uint8Array.of(4), x, y));
  return kdfe(nameAlg, z, 'IDENTITY', x, ek.public.x, 8 * hashSize(nameAlg));
}
