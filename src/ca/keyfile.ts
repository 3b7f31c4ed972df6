/**
 * The root key on disk: PKCS#8, encrypted with PBES2 (PBKDF2-HMAC-SHA-256 and AES-256-CBC, RFC 8018), or, for a
 * demonstration and only when asked for in so many words, plain, in a file whose name and first line say so. The
 * passphrase comes as bytes that the caller read from a file or descriptor: never an argument, never the environment.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import * as pkijs from 'pkijs';
import { fromUtf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { printPem } from '../evidence/certfile.ts';
import { readIfThere, writeDurably } from './folder.ts';
import { importSigner, type RootCurve, type Signer } from './signer.ts';

/**
 * How the key is kept: in a file, or elsewhere, as in a TPM: then `create` makes it, writes what is needed to find it
 * again into the folder, and gives the signer.
 */
export type KeyProtection =
  | { readonly passphrase: Uint8Array }
  | { readonly unencrypted: true }
  | { readonly create: (dir: string) => Promise<Signer> };

const ENCRYPTED = 'root-key.pem';
const PLAIN = 'root-key.UNENCRYPTED.pem';
const PLAIN_NOTICE =
  '# UNENCRYPTED root key, for demonstrations: whoever reads this file can issue certificates\n';
/** OWASP's figure for PBKDF2 with HMAC-SHA-256. */
const ITERATIONS = 600_000;
/** Shortest passphrase, bytes. */
export const MIN_PASSPHRASE = 8;
const MAX_PASSPHRASE = 1024;

/**
 * Reads a passphrase from a file or an open descriptor: all of it, one newline at the end taken off.
 * @throws USAGE when it is shorter than 8 or longer than 1024 bytes
 */
export async function readPassphrase(source: string | number): Promise<Uint8Array> {
  const file = await open(typeof source === 'number' ? `/dev/fd/${source}` : source, 'r');
  try {
    const { bytesRead, buffer } = await file.read(
      Buffer.alloc(MAX_PASSPHRASE + 2),
      0,
      MAX_PASSPHRASE + 2,
      null,
    );
    let end = bytesRead;
    if (end > 0 && buffer[end - 1] === 10) end--;
    return checkPassphrase(new Uint8Array(buffer.subarray(0, end)));
  } finally {
    await file.close();
  }
}

function checkPassphrase(passphrase: Uint8Array): Uint8Array {
  if (passphrase.length < MIN_PASSPHRASE || passphrase.length > MAX_PASSPHRASE) {
    throw new AttestdError('USAGE', `a passphrase has ${MIN_PASSPHRASE} to ${MAX_PASSPHRASE} bytes`);
  }
  return passphrase;
}

/** Makes a root key and writes it into the folder. */
export async function createRootKey(
  dir: string,
  curve: RootCurve,
  protection: KeyProtection,
): Promise<Signer> {
  if ('create' in protection) return protection.create(dir);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
  const pkcs8 = new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }));
  const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
  if ('unencrypted' in protection) {
    const pem = printPem([{ label: 'PRIVATE KEY', der: pkcs8 }]);
    await writeDurably(join(dir, PLAIN), PLAIN_NOTICE + pem);
  } else {
    const der = await encrypt(pkcs8, checkPassphrase(protection.passphrase));
    await writeDurably(join(dir, ENCRYPTED), printPem([{ label: 'ENCRYPTED PRIVATE KEY', der }]));
  }
  return importSigner(pkcs8, spki, curve);
}

async function encrypt(pkcs8: Uint8Array, passphrase: Uint8Array): Promise<Uint8Array> {
  const crypto = webcrypto as unknown as ConstructorParameters<typeof pkijs.CryptoEngine>[0]['crypto'];
  const bag = new pkijs.PKCS8ShroudedKeyBag({
    parsedValue: pkijs.PrivateKeyInfo.fromBER(pkcs8),
  });
  await bag.makeInternalValues(
    {
      password: passphrase.slice().buffer as ArrayBuffer,
      contentEncryptionAlgorithm: { name: 'AES-CBC', length: 256 } as never,
      hmacHashAlgorithm: 'SHA-256',
      iterationCount: ITERATIONS,
    },
    new pkijs.CryptoEngine({ name: 'attestd', crypto }),
  );
  return new Uint8Array(bag.toSchema().toBER());
}

/**
 * Opens the root key.
 * @param passphrase absent for an unencrypted key
 * @throws USAGE when a passphrase is missing or given for an unencrypted key, PASSPHRASE_WRONG, AUTHORITY_CORRUPT
 */
export async function openRootKey(dir: string, passphrase?: Uint8Array): Promise<Signer> {
  const plain = await readIfThere(join(dir, PLAIN));
  const encrypted = await readIfThere(join(dir, ENCRYPTED));
  if (plain !== undefined && encrypted === undefined) {
    if (passphrase !== undefined)
      throw new AttestdError('USAGE', 'the root key of this authority has no passphrase');
    return load(fromUtf8(plain));
  }
  if (encrypted === undefined || plain !== undefined) {
    throw new AttestdError('AUTHORITY_CORRUPT', 'the folder does not hold exactly one root key');
  }
  if (passphrase === undefined) throw new AttestdError('USAGE', 'the root key needs its passphrase');
  return load(fromUtf8(encrypted), passphrase);
}

async function load(pem: string, passphrase?: Uint8Array): Promise<Signer> {
  let key: ReturnType<typeof createPrivateKey>;
  try {
    const secret = passphrase === undefined ? {} : { passphrase: Buffer.from(passphrase) };
    key = createPrivateKey({ key: pem, format: 'pem', ...secret });
  } catch (cause) {
    if (passphrase === undefined) {
      throw new AttestdError('AUTHORITY_CORRUPT', 'the root key cannot be read', { cause });
    }
    throw new AttestdError('PASSPHRASE_WRONG', 'the root key does not open', { cause });
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve !== 'prime256v1' && curve !== 'secp384r1') {
    throw new AttestdError('AUTHORITY_CORRUPT', 'the root key is not on P-256 or P-384');
  }
  return importSigner(
    new Uint8Array(key.export({ format: 'der', type: 'pkcs8' })),
    new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' })),
    curve === 'prime256v1' ? 'P-256' : 'P-384',
  );
}
