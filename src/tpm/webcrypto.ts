/**
 * A WebCrypto whose ECDSA signs with a key in the TPM, so that pkijs can make requests and certificates with it
 * (W3C WebCrypto §23; the provider interface of webcrypto-core). Messages go through sign.ts: hashed here, never a
 * digest from outside. Everything else is the platform's own.
 */
import { webcrypto } from 'node:crypto';
import { Crypto } from '@peculiar/webcrypto';
import * as core from 'webcrypto-core';
import type { Key } from './key.ts';
import { signMessage } from './sign.ts';
import type { Tpm } from './tpm.ts';

const CURVE = 'P-256';
const HASH = 'SHA-256';

class TpmCryptoKey extends core.CryptoKey {
  override readonly algorithm = { name: 'ECDSA', namedCurve: CURVE };
  override readonly extractable: boolean;
  override readonly type: 'private' | 'public';
  override readonly usages: ('sign' | 'verify')[];
  readonly held: Key;

  constructor(held: Key, type: 'private' | 'public') {
    super();
    this.held = held;
    this.type = type;
    this.extractable = type === 'public';
    this.usages = [type === 'private' ? 'sign' : 'verify'];
  }
}

/** ArrayBuffer of exactly these bytes. */
const buffer = (b: Uint8Array): ArrayBuffer => Uint8Array.from(b).buffer;

class TpmEcdsaProvider extends core.EcdsaProvider {
  readonly #tpm: Tpm;

  constructor(tpm: Tpm) {
    super();
    this.#tpm = tpm;
  }

  override async onSign(algorithm: EcdsaParamsLike, key: unknown, data: ArrayBuffer): Promise<ArrayBuffer> {
    if (!(key instanceof TpmCryptoKey)) throw new core.OperationError('not a key of this TPM');
    if (hashName(algorithm) !== HASH) throw new core.OperationError(`the TPM key signs with ${HASH} only`);
    return buffer((await signMessage(this.#tpm, key.held, new Uint8Array(data))).p1363);
  }

  override async onVerify(
    algorithm: EcdsaParamsLike,
    key: unknown,
    signature: ArrayBuffer,
    data: ArrayBuffer,
  ): Promise<boolean> {
    const hash = hashName(algorithm);
    return webcrypto.subtle.verify({ name: 'ECDSA', hash }, await platformKey(key), signature, data);
  }

  override async onExportKey(format: string, key: unknown): Promise<ArrayBuffer | webcrypto.JsonWebKey> {
    const platform = await platformKey(key);
    if (format === 'jwk') return webcrypto.subtle.exportKey('jwk', platform);
    if (format !== 'spki' && format !== 'raw') throw new core.OperationError(`no export as ${format}`);
    return webcrypto.subtle.exportKey(format, platform);
  }

  override async onGenerateKey(): Promise<never> {
    throw new core.OperationError('keys of the TPM are made elsewhere');
  }

  override async onImportKey(): Promise<never> {
    throw new core.OperationError('keys of the TPM are loaded elsewhere');
  }
}

interface EcdsaParamsLike {
  readonly hash: string | { readonly name: string };
}
const hashName = ({ hash }: EcdsaParamsLike) => (typeof hash === 'string' ? hash : hash.name);

async function platformKey(key: unknown): Promise<webcrypto.CryptoKey> {
  if (!(key instanceof TpmCryptoKey) || key.type !== 'public') {
    throw new core.OperationError('not the public half of a key of this TPM');
  }
  const algorithm = { name: 'ECDSA', namedCurve: CURVE };
  return webcrypto.subtle.importKey('spki', key.held.spki, algorithm, true, ['verify']);
}

export interface TpmCrypto {
  /** For `new pkijs.CryptoEngine({ name, crypto })`. */
  readonly crypto: webcrypto.Crypto;
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
}

/** WebCrypto over one key of ours, as a rule the record key. */
export function tpmCrypto(tpm: Tpm, key: Key): TpmCrypto {
  const crypto = new Crypto();
  const subtle: unknown = crypto.subtle;
  if (!(subtle instanceof core.SubtleCrypto))
    throw new TypeError('two copies of webcrypto-core are installed');
  subtle.providers.set(new TpmEcdsaProvider(tpm));
  return {
    crypto: crypto as unknown as webcrypto.Crypto,
    privateKey: new TpmCryptoKey(key, 'private') as unknown as webcrypto.CryptoKey,
    publicKey: new TpmCryptoKey(key, 'public') as unknown as webcrypto.CryptoKey,
  };
}
