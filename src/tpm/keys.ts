/**
 * The identity of a host in its TPM: storage primary, AK and record key (design §5), in two files. The auth file is
 * written first, so the identity exists exactly when `identity.json` does.
 */
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { equal, fromBase64, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { jcsBytes, parseJson } from '../core/json.ts';
import { parsePublic, printPublic, publicName } from '../evidence/tpm/public.ts';
import { readSmall, writeDurable } from './file.ts';
import { createKey, type Key, type KeyCreation, keyOf, type Random } from './key.ts';
import { applyRotation, dropRotation, readRotation } from './rotation.ts';
import { akTemplate, recordTemplate, storageTemplate } from './template.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions } from './work.ts';

const MAX_FILE = 65_536;
const closed = { additionalProperties: false } as const;
const text = () => Type.String({ maxLength: 8192 });

const IdentityFile = Type.Object(
  {
    v: Type.Literal(1),
    storage: Type.Object({ public: text() }, closed),
    ak: Type.Object(
      {
        public: text(),
        private: text(),
        creation: Type.Object({ data: text(), hash: text(), ticket: text() }, closed),
      },
      closed,
    ),
    recordKey: Type.Object({ public: text(), private: text() }, closed),
  },
  closed,
);

const AuthFile = Type.Object({ v: Type.Literal(1), akName: text(), ak: text(), recordKey: text() }, closed);

export interface Identity {
  readonly storage: { readonly public: Uint8Array; readonly name: Uint8Array };
  /** Restricted: quotes and certifications, nothing else. */
  readonly ak: Key;
  readonly akCreation: KeyCreation;
  /** Unrestricted: our own messages only (sign.ts). */
  readonly recordKey: Key;
}

export interface IdentityPlaces {
  /** Folder of identity.json, and of identity.auth unless `authFile` says otherwise. */
  readonly dir: string;
  /** As handed over by LoadCredentialEncrypted=, for instance. */
  readonly authFile?: string;
  /** Directory of state approvals, for a record key that is bound to approved states. */
  readonly approvals?: string;
}

const paths = ({ dir, authFile }: IdentityPlaces) => ({
  identity: join(dir, 'identity.json'),
  auth: authFile ?? join(dir, 'identity.auth'),
});

async function readFile<T extends Type.TSchema>(schema: T, path: string): Promise<Static<T> | null> {
  const file = await readSmall(path, MAX_FILE);
  if (file === null) return null;
  const json = parseJson(file);
  if (!Value.Check(schema, json)) throw new AttestdError('MALFORMED', `${path} is not what attestd writes`);
  return json as Static<T>;
}

/**
 * Makes storage primary, AK and record key, and stores them.
 * @param o recordPolicy: binds the record key to states approved under it; absent, its auth value is enough
 * @throws EXISTS when there is an identity already: it is never overwritten
 */
export async function createIdentity(
  tpm: Tpm,
  places: IdentityPlaces,
  random: Random,
  o?: RunOptions & { readonly recordPolicy?: Uint8Array },
): Promise<Identity> {
  const at = paths(places);
  if ((await readSmall(at.identity, MAX_FILE)) !== null) {
    throw new AttestdError('EXISTS', `${at.identity} holds an identity already`);
  }
  tpm.pinStorage(null);
  const ak = await createKey(tpm, akTemplate(), random, o);
  checkStorage(ak.storagePublic);
  tpm.pinStorage(publicName(ak.storagePublic));
  const record = await createKey(tpm, recordTemplate(o?.recordPolicy), random, o);
  const auth: Static<typeof AuthFile> = {
    v: 1,
    akName: toHex(publicName(ak.blobs.public)),
    ak: toBase64(ak.blobs.auth),
    recordKey: toBase64(record.blobs.auth),
  };
  const identity: Static<typeof IdentityFile> = {
    v: 1,
    storage: { public: toBase64(ak.storagePublic) },
    ak: {
      public: toBase64(ak.blobs.public),
      private: toBase64(ak.blobs.private),
      creation: {
        data: toBase64(ak.creation.data),
        hash: toBase64(ak.creation.hash),
        ticket: toBase64(ak.creation.ticket),
      },
    },
    recordKey: { public: toBase64(record.blobs.public), private: toBase64(record.blobs.private) },
  };
  await writeDurable(at.auth, jcsBytes(auth));
  await writeDurable(at.identity, jcsBytes(identity));
  return loadIdentity(tpm, places, o);
}

/** The storage primary must be our template with a key in it: anything else would be a parent that somebody chose. */
function checkStorage(publicArea: Uint8Array): void {
  const made = parsePublic(publicArea);
  const template = parsePublic(storageTemplate());
  if (made.type !== 'ecc' || template.type !== 'ecc')
    throw new AttestdError('TPM_ERROR', 'no ECC key was made');
  if (!equal(printPublic({ ...made, x: template.x, y: template.y }), storageTemplate())) {
    throw new AttestdError('TPM_ERROR', 'the TPM made another storage primary than the template says');
  }
}

/**
 * Brings the files in line with a log that names other keys already. The rotation goes last, so a crash in between
 * leaves it to be done again.
 */
async function finishRotation(places: IdentityPlaces): Promise<void> {
  const rotation = await readRotation(places.dir);
  if (rotation?.state !== 'logged') return;
  const at = paths(places);
  const identity = await readFile(IdentityFile, at.identity);
  const auth = await readFile(AuthFile, at.auth);
  if (identity === null || auth === null) return;
  const made = await applyRotation(places.dir, rotation, { identity, auth });
  await writeDurable(at.auth, jcsBytes(made.auth as never));
  await writeDurable(at.identity, jcsBytes(made.identity as never));
  await dropRotation(places.dir);
}

/**
 * Reads the identity from its files, and asks no TPM. A rotation that was cut short is not finished here.
 * @throws NOT_INITIALISED when there is none, TPM_KEY_LOST when the files do not belong together, MALFORMED
 */
export async function readIdentity(places: IdentityPlaces): Promise<Identity> {
  const at = paths(places);
  const stored = await readFile(IdentityFile, at.identity);
  if (stored === null) throw new AttestdError('NOT_INITIALISED', `there is no ${at.identity}`);
  const auth = await readFile(AuthFile, at.auth);
  if (auth === null) throw new AttestdError('TPM_KEY_LOST', `there is no ${at.auth}`);
  const storagePublic = fromBase64(stored.storage.public);
  checkStorage(storagePublic);
  const storage = { public: storagePublic, name: publicName(storagePublic) };
  const key = (role: string, k: { public: string; private: string }, secret: string) =>
    keyOf(
      role,
      { public: fromBase64(k.public), private: fromBase64(k.private), auth: fromBase64(secret) },
      storage.name,
      places.approvals,
    );
  const ak = key('AK', stored.ak, auth.ak);
  const recordKey = key('record key', stored.recordKey, auth.recordKey);
  if (toHex(ak.name) !== auth.akName) {
    throw new AttestdError('TPM_KEY_LOST', `${at.auth} belongs to another AK than ${at.identity}`);
  }
  const { data, hash, ticket } = stored.ak.creation;
  const akCreation = { data: fromBase64(data), hash: fromBase64(hash), ticket: fromBase64(ticket) };
  return { storage, ak, akCreation, recordKey };
}

/** Compares the storage primary's Name with the stored one, and loads both keys. @throws TPM_KEY_LOST */
export async function loadKeys(tpm: Tpm, identity: Identity, o?: RunOptions): Promise<void> {
  tpm.pinStorage(identity.storage.name);
  await tpm.run(async (w) => {
    await w.key(identity.ak);
    await w.key(identity.recordKey);
    await w.authorised();
  }, o);
}

/**
 * Reads the identity, compares the storage primary's Name with the stored one, and loads both keys.
 * @throws NOT_INITIALISED when there is none, TPM_KEY_LOST when this TPM does not hold its keys, MALFORMED
 */
export async function loadIdentity(tpm: Tpm, places: IdentityPlaces, o?: RunOptions): Promise<Identity> {
  await finishRotation(places);
  const identity = await readIdentity(places);
  await loadKeys(tpm, identity, o);
  return identity;
}
