/**
 * Keys that wait to take the place of those in force (`rotation.json`, 0600): made by the operator, certified by an
 * authority where one is the AK, put in force by the daemon when a run begins. The log is the truth about whether that
 * has happened: the ids of the entries that will say so are chosen here, before anything else, so that whoever finds
 * this file knows by one look at the log whether to go on with it or only to bring the files in line.
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { equal, fromBase64, toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { jcsBytes, parseJson } from '../core/json.ts';
import { ulid } from '../core/ulid.ts';
import { parseCertificateFile } from '../evidence/certfile.ts';
import { publicName } from '../evidence/tpm/public.ts';
import { parseCertificate } from '../evidence/x509/certificate.ts';
import { readSmall, writeDurable } from './file.ts';
import { createKey, type Key, type KeyCreation, keyOf, type Random } from './key.ts';
import { akTemplate, recordTemplate } from './template.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions } from './work.ts';

const MAX_FILE = 2 * 1024 * 1024;
const closed = { additionalProperties: false } as const;
const text = () => Type.String({ maxLength: 8192 });
const blobs = { id: Type.String({ maxLength: 26 }), public: text(), private: text(), auth: text() };

const RotationFile = Type.Object(
  {
    v: Type.Literal(1),
    reason: Type.String({ maxLength: 256 }),
    /** `logged`: the log names these keys; what is left is to write the files of the identity. */
    state: Type.Union([Type.Literal('waiting'), Type.Literal('logged')]),
    ak: Type.Optional(
      Type.Object(
        {
          ...blobs,
          creation: Type.Object({ data: text(), hash: text(), ticket: text() }, closed),
          /** The certificate file of the authority, base64. */
          certificate: Type.Optional(Type.String({ maxLength: MAX_FILE })),
        },
        closed,
      ),
    ),
    recordKey: Type.Optional(Type.Object(blobs, closed)),
  },
  closed,
);
export type Rotation = Static<typeof RotationFile>;

const pathOf = (dir: string) => join(dir, 'rotation.json');
export const certificatePath = (dir: string) => join(dir, 'certificate.pem');
/** Where the certificate of a key that was in force before is kept: what it sealed is still shown under it. */
export const retiredPath = (dir: string, spki: Uint8Array) =>
  join(dir, 'retired', `${toHex(sha256(spki)).slice(0, 32)}.pem`);

const write = (dir: string, rotation: Rotation) => writeDurable(pathOf(dir), jcsBytes(rotation));

/** The keys that wait; undefined where none do. @throws MALFORMED */
export async function readRotation(dir: string): Promise<Rotation | undefined> {
  const file = await readSmall(pathOf(dir), MAX_FILE);
  if (file === null) return undefined;
  const json = parseJson(file);
  if (!Value.Check(RotationFile, json)) {
    throw new AttestdError('MALFORMED', `${pathOf(dir)} is not what attestd writes`);
  }
  return json as Rotation;
}

export interface RotationWish {
  readonly ak: boolean;
  readonly recordKey: boolean;
  /** Why, for the auditor. */
  readonly reason: string;
  /** Binds the new record key to states approved under it. */
  readonly recordPolicy?: Uint8Array;
}

/** Makes the keys and stores them. @throws EXISTS while others wait; what the TPM throws */
export async function beginRotation(
  tpm: Tpm,
  dir: string,
  { ak, recordKey, reason, recordPolicy }: RotationWish,
  timeMs: number,
  random: Random,
  o?: RunOptions,
): Promise<Rotation> {
  if ((await readRotation(dir)) !== undefined) {
    throw new AttestdError('EXISTS', 'keys wait already to be put in force');
  }
  const make = async (template: Uint8Array) => {
    const made = await createKey(tpm, template, random, o);
    const kept = {
      id: ulid(timeMs, random(10)),
      public: toBase64(made.blobs.public),
      private: toBase64(made.blobs.private),
      auth: toBase64(made.blobs.auth),
    };
    return { kept, creation: made.creation };
  };
  const rotation: Rotation = { v: 1, reason, state: 'waiting' };
  if (ak) {
    const { kept, creation } = await make(akTemplate());
    const { data, hash, ticket } = creation;
    rotation.ak = {
      ...kept,
      creation: { data: toBase64(data), hash: toBase64(hash), ticket: toBase64(ticket) },
    };
  }
  if (recordKey) rotation.recordKey = (await make(recordTemplate(recordPolicy))).kept;
  await write(dir, rotation);
  return rotation;
}

/** The waiting keys, usable. */
export interface WaitingKeys {
  readonly ak?: Key;
  readonly akCreation?: KeyCreation;
  readonly recordKey?: Key;
}

/** @param storageName Name of the storage primary */
export function waitingKeys({ ak, recordKey }: Rotation, storageName: Uint8Array): WaitingKeys {
  const key = (role: string, k: Static<Type.TObject<typeof blobs>>) =>
    keyOf(
      role,
      { public: fromBase64(k.public), private: fromBase64(k.private), auth: fromBase64(k.auth) },
      storageName,
    );
  return {
    ...(ak === undefined
      ? {}
      : {
          ak: key('new AK', ak),
          akCreation: {
            data: fromBase64(ak.creation.data),
            hash: fromBase64(ak.creation.hash),
            ticket: fromBase64(ak.creation.ticket),
          },
        }),
    ...(recordKey === undefined ? {} : { recordKey: key('new record key', recordKey) }),
  };
}

/** Whether everything that is needed is there: an AK takes its place only with a certificate. */
export const isReady = ({ ak }: Rotation): boolean => ak === undefined || ak.certificate !== undefined;

/** Keeps the certificate of the waiting AK. @param file exact bytes of the certificate file */
export async function keepWaitingCertificate(
  dir: string,
  rotation: Rotation,
  file: Uint8Array,
): Promise<void> {
  if (rotation.ak === undefined) throw new AttestdError('NOT_FOUND', 'no AK waits');
  await write(dir, { ...rotation, ak: { ...rotation.ak, certificate: toBase64(file) } });
}

/** Says that the log names these keys: from here on the rotation can only be finished. */
export const markLogged = (dir: string, rotation: Rotation): Promise<void> =>
  write(dir, { ...rotation, state: 'logged' });

/** Forgets keys that wait. The caller has made sure that the log does not name them. */
export const dropRotation = (dir: string): Promise<void> => rm(pathOf(dir), { force: true });

/** The files of an identity that a finished rotation rewrites, as JSON values. */
export interface IdentityFiles {
  readonly identity: Record<string, unknown>;
  readonly auth: Record<string, unknown>;
}

/**
 * The identity with the waiting keys in the place of the old ones, whose blobs and auth values are gone with it. The
 * certificate of the old AK is kept, for what it sealed. Each step may be done again after a crash.
 */
export async function applyRotation(
  dir: string,
  { ak, recordKey }: Rotation,
  files: IdentityFiles,
): Promise<IdentityFiles> {
  if (ak?.certificate !== undefined) {
    const old = await readSmall(certificatePath(dir), MAX_FILE);
    const file = fromBase64(ak.certificate);
    const spki = (f: Uint8Array) => parseCertificate(parseCertificateFile(f).chain[0] as Uint8Array).spki;
    if (old !== null && !equal(spki(old), spki(file))) await writeDurable(retiredPath(dir, spki(old)), old);
    await writeDurable(certificatePath(dir), file);
  }
  const { identity, auth } = files;
  return {
    identity: {
      ...identity,
      ...(ak === undefined ? {} : { ak: { public: ak.public, private: ak.private, creation: ak.creation } }),
      ...(recordKey === undefined
        ? {}
        : { recordKey: { public: recordKey.public, private: recordKey.private } }),
    },
    auth: {
      ...auth,
      ...(ak === undefined ? {} : { ak: ak.auth, akName: toHex(publicName(fromBase64(ak.public))) }),
      ...(recordKey === undefined ? {} : { recordKey: recordKey.auth }),
    },
  };
}
