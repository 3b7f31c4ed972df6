/**
 * Keys made for callers (design §5): children of the storage primary, certified by the AK, each for one uid and unit
 * under a name of that caller's choosing. Made, it is first recorded and then kept: a key that can sign is always one
 * whose certification is in the log. Names are each caller's own, so none can be taken or probed by another.
 */
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Check } from 'typebox/value';
import { fromBase64, toBase64, toHex, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { jcs, jcsBytes, parseJson } from '../core/json.ts';
import { KEY_ROLES, keyExtraData } from '../evidence/binding.ts';
import type { WorkloadRole } from '../evidence/export/workload.ts';
import type { Body } from '../evidence/record.ts';
import { oneOf } from '../evidence/schema/field.ts';
import { certifyKey } from '../tpm/certify.ts';
import { readSmallSync } from '../tpm/file.ts';
import { createKey, type Key, keyOf } from '../tpm/key.ts';
import type { Identity } from '../tpm/keys.ts';
import { createSigner, type MessageSigner } from '../tpm/signer.ts';
import { signingTemplate } from '../tpm/template.ts';
import type { Tpm } from '../tpm/tpm.ts';
import type { Caller } from './caller.ts';
import { writeDurably } from './layout.ts';

/** Most keys of one uid, and of all. */
const MAX_OWN = 32;
const MAX_ALL = 1024;
const MAX_FILE = 16_384;

const text = () => Type.String({ maxLength: 8192 });
const KeyFile = Type.Object(
  {
    v: Type.Literal(1),
    name: Type.String(),
    role: oneOf('workload', 'tls'),
    uid: Type.Integer(),
    unit: Type.Optional(Type.String()),
    origin: Type.String(),
    record: Type.String(),
    public: text(),
    private: text(),
    auth: text(),
    attest: text(),
    signature: text(),
  },
  { additionalProperties: false },
);
type KeyFile = Static<typeof KeyFile>;

/** A key of a caller. */
export interface WorkloadKey {
  readonly name: string;
  readonly role: WorkloadRole;
  readonly uid: number;
  readonly unit?: string;
  /** Id of the record that certifies it. */
  readonly record: string;
  readonly key: Key;
  readonly signer: MessageSigner;
  /** TPMS_ATTEST and TPMT_SIGNATURE of the AK's certification. */
  readonly attest: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Keyring {
  /** Makes, certifies and records a key. @throws EXISTS, RATE_LIMITED for too many, what the TPM throws */
  create(caller: Caller, name: string, role: WorkloadRole): Promise<WorkloadKey>;
  /** The caller's own key of this name. @throws NOT_FOUND alike for what is not there and what is another's */
  find(caller: Caller, name: string): WorkloadKey;
  /** The keys of this caller; of all callers for the admin socket. */
  list(caller: Caller): WorkloadKey[];
  /** Records the withdrawal, then forgets the key for ever. @throws NOT_FOUND */
  withdraw(caller: Caller, name: string, reason: string): Promise<WorkloadKey>;
}

export interface KeyringInput {
  readonly dir: string;
  readonly origin: string;
  readonly tpm: Tpm;
  readonly identity: Identity;
  readonly random: (n: number) => Uint8Array;
  /** Makes a key change durable in the log, as an entry of that uid's. @returns its id */
  record(change: Body<'keychange'>, uid: number): Promise<string>;
}

type Owner = Pick<KeyFile, 'uid' | 'unit'>;
const ownerOf = ({ uid, observed }: Caller): Owner =>
  observed.unit === undefined ? { uid } : { uid, unit: observed.unit };
const isOf = (key: Owner, caller: Caller): boolean =>
  key.uid === caller.uid && key.unit === caller.observed.unit;

export function createKeyring(input: KeyringInput): Keyring {
  const { dir, tpm, identity, origin } = input;
  /** By file name; one object for each key, for by it the TPM's slots are kept. */
  const open = new Map<string, WorkloadKey>();
  /** The same for those that were asked for: the name of a file is a hash, and a caller may sign with every request. */
  const found = new Map<string, WorkloadKey>();
  let turn: Promise<unknown> = Promise.resolve();

  const fileOf = ({ uid, unit }: Owner, name: string): string =>
    `${toHex(sha256(utf8(jcs([uid, unit ?? null, name])))).slice(0, 32)}.json`;

  function load(file: string): WorkloadKey | undefined {
    const known = open.get(file);
    if (known !== undefined) return known;
    const bytes = readSmallSync(join(dir, file), MAX_FILE);
    if (bytes === null) return undefined;
    const stored = parseJson(bytes);
    if (!Check(KeyFile, stored))
      throw new AttestdError('STORE_CORRUPT', `keys/${file} is not what attestd writes`);
    // A key of an epoch that is over was certified for another log.
    if (stored.origin !== origin) return undefined;
    const made = opened(stored);
    open.set(file, made);
    return made;
  }

  function opened(f: KeyFile): WorkloadKey {
    const blobs = { public: fromBase64(f.public), private: fromBase64(f.private), auth: fromBase64(f.auth) };
    const key = keyOf(`key ${f.name}`, blobs, identity.storage.name);
    const { name, uid, record } = f;
    return {
      name,
      role: f.role as WorkloadRole,
      uid,
      ...(f.unit === undefined ? {} : { unit: f.unit }),
      record,
      key,
      signer: createSigner(tpm, key),
      attest: fromBase64(f.attest),
      signature: fromBase64(f.signature),
    };
  }

  function all(): WorkloadKey[] {
    let files: string[];
    try {
      files = readdirSync(dir);
    } catch {
      return [];
    }
    return files.filter((f) => /^[0-9a-f]{32}\.json$/.test(f)).flatMap((f) => load(f) ?? []);
  }

  /** No name has a space, and the unit is last: no two mean the same. */
  const placeOf = (caller: Caller, name: string): string =>
    `${caller.uid} ${name} ${caller.observed.unit ?? ''}`;

  const find = (caller: Caller, name: string): WorkloadKey => {
    const place = placeOf(caller, name);
    let key = found.get(place);
    if (key !== undefined && isOf(key, caller)) return key;
    key = load(fileOf(ownerOf(caller), name));
    if (key === undefined || !isOf(key, caller)) {
      throw new AttestdError('NOT_FOUND', `there is no key ${name} of yours`);
    }
    found.set(place, key);
    return key;
  };

  async function create(caller: Caller, name: string, role: WorkloadRole): Promise<WorkloadKey> {
    const owner = ownerOf(caller);
    const file = fileOf(owner, name);
    if (load(file) !== undefined) throw new AttestdError('EXISTS', `you have a key ${name} already`);
    const others = all();
    if (others.length >= MAX_ALL || others.filter((k) => k.uid === caller.uid).length >= MAX_OWN) {
      throw new AttestdError('RATE_LIMITED', `this caller has as many keys as it may, ${MAX_OWN}`);
    }
    const { blobs } = await createKey(tpm, signingTemplate(), input.random);
    const key = keyOf(`key ${name}`, blobs, identity.storage.name);
    const extraData = keyExtraData(KEY_ROLES[role], origin);
    const certified = await certifyKey(tpm, identity.ak, key, extraData);
    const certification = {
      public: toBase64(blobs.public),
      attest: toBase64(certified.attest),
      signature: toBase64(certified.signature),
    };
    const record = await input.record(
      { change: 'added', role, name, reason: 'asked for by its caller', caller: owner, key: certification },
      caller.uid,
    );
    const stored: KeyFile = {
      v: 1,
      name,
      role,
      ...owner,
      origin,
      record,
      ...certification,
      private: toBase64(blobs.private),
      auth: toBase64(blobs.auth),
    };
    writeDurably(join(dir, file), jcsBytes(stored));
    return find(caller, name);
  }

  async function withdraw(caller: Caller, name: string, reason: string): Promise<WorkloadKey> {
    const key = find(caller, name);
    const certification = {
      public: toBase64(key.key.public),
      attest: toBase64(key.attest),
      signature: toBase64(key.signature),
    };
    const owner = ownerOf(caller);
    await input.record(
      { change: 'withdrawn', role: key.role, name, reason, caller: owner, key: certification },
      caller.uid,
    );
    const file = fileOf(owner, name);
    unlinkSync(join(dir, file));
    open.delete(file);
    found.delete(placeOf(caller, name));
    return key;
  }

  /** One change after the other, so that no two make one name. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  }

  return {
    create: (caller, name, role) => inTurn(() => create(caller, name, role)),
    find,
    list: (caller) => all().filter((k) => caller.admin || isOf(k, caller)),
    withdraw: (caller, name, reason) => inTurn(() => withdraw(caller, name, reason)),
  };
}
