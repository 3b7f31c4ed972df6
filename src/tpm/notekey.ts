/**
 * The Ed25519 key of published checkpoints (line type 0x01), for public witnesses, which take nothing else. A TPM does not
 * sign with Ed25519, so the seed is sealed to it: a data object below the storage primary under an auth value of its own,
 * unsealed through a salted session when the daemon starts. It vouches for nothing but its line: an auditor's trust is in
 * the seal. Whoever reads the daemon's memory has it, and can show a witness another history; the seals of that are missing.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { join } from 'node:path';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { concat, equal, fromBase64, toBase64, u16, u32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { jcsBytes, parseJson } from '../core/json.ts';
import { ALG_KEYEDHASH, ALG_NULL, ALG_SHA256 } from '../evidence/tpm/algorithm.ts';
import { nameOf } from '../evidence/tpm/names.ts';
import { readSmall, writeDurable } from './file.ts';
import { bytes, freshAuth, type Random } from './key.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions } from './work.ts';

const MAX_FILE = 8192;
const text = () => Type.String({ maxLength: 4096 });
const File = Type.Object(
  { v: Type.Literal(1), public: text(), private: text(), auth: text(), key: text() },
  { additionalProperties: false },
);

/** fixedTPM, fixedParent, userWithAuth, noDA (part 2 §8.3): data that only this TPM opens, with its auth. */
const SEALED_ATTRIBUTES = 0x0000_0452;
/** PKCS#8 of an Ed25519 seed up to the seed (RFC 8410 §7). */
const PKCS8 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

/** TPMT_PUBLIC of a sealed data object: KEYEDHASH without scheme, `unique` empty. */
const sealedTemplate = (): Uint8Array =>
  concat(u16(ALG_KEYEDHASH), u16(ALG_SHA256), u32(SEALED_ATTRIBUTES), u16(0), u16(ALG_NULL), u16(0));

export interface SealedNoteKey {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/**
 * Opens the key of this folder, and makes it where there is none.
 * @throws TPM_KEY_LOST when this TPM does not open it, MALFORMED
 */
export async function openNoteKey(
  tpm: Tpm,
  dir: string,
  random: Random,
  o?: RunOptions,
): Promise<SealedNoteKey> {
  const path = join(dir, 'note.json');
  if ((await readSmall(path, MAX_FILE)) === null) await make(tpm, path, random, o);
  const file = await readSmall(path, MAX_FILE);
  const stored = file === null ? undefined : parseJson(file);
  if (!Value.Check(File, stored)) throw new AttestdError('MALFORMED', `${path} is not what attestd writes`);
  const area = fromBase64(stored.public);
  const name = nameOf(ALG_SHA256, area);
  const seed = await tpm.run(async (w) => {
    const input = { parent: await w.storage(), public: area, private: fromBase64(stored.private) };
    const loaded = await w.ctx.load(input, w.plain());
    w.keep(loaded.handle);
    if (!equal(loaded.name, name)) throw new AttestdError('TPM_KEY_LOST', `${path} loads under another Name`);
    await w.ctx.setAuth(loaded.handle, fromBase64(stored.auth));
    return bytes(await w.ctx.unseal(loaded.handle, await w.authorised()));
  }, o);
  const privateKey = createPrivateKey({
    key: Buffer.from(concat(PKCS8, seed)),
    format: 'der',
    type: 'pkcs8',
  });
  seed.fill(0);
  const key = rawOf(privateKey);
  if (!equal(key, fromBase64(stored.key)))
    throw new AttestdError('TPM_KEY_LOST', `${path} holds another key than it says`);
  return { key, sign: (message) => new Uint8Array(sign(null, message, privateKey)) };
}

async function make(tpm: Tpm, path: string, random: Random, o?: RunOptions): Promise<void> {
  const seed = random(32);
  const auth = freshAuth(random);
  const made = await tpm.run(async (w) => {
    const parent = await w.storage();
    const session = await w.salted(parent);
    const input = { parent, public: sealedTemplate(), sensitiveAuth: auth, sensitiveData: seed };
    return w.ctx.create(input, { ...w.plain(), auth: session });
  }, o);
  const privateKey = createPrivateKey({
    key: Buffer.from(concat(PKCS8, seed)),
    format: 'der',
    type: 'pkcs8',
  });
  seed.fill(0);
  await writeDurable(
    path,
    jcsBytes({
      v: 1,
      public: toBase64(bytes(made.public)),
      private: toBase64(bytes(made.private)),
      auth: toBase64(auth),
      key: toBase64(rawOf(privateKey)),
    }),
  );
}

const rawOf = (privateKey: KeyObject): Uint8Array =>
  new Uint8Array(Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x as string, 'base64url'));
