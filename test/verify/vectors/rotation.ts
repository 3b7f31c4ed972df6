/** Changes of the host's own keys: what an attacker would have a verifier take for one. */
import { toBase64 } from '../../../src/core/bytes.ts';
import { KEY_ROLES, keyExtraData } from '../../../src/evidence/binding.ts';
import { ALG_ECDSA, ALG_SHA256 } from '../../../src/evidence/tpm/algorithm.ts';
import { ATTEST_CERTIFY, ATTEST_QUOTE, type Attest } from '../../../src/evidence/tpm/attest.ts';
import { type AttributeName, makeAttributes } from '../../../src/evidence/tpm/attributes.ts';
import { printPublic } from '../../../src/evidence/tpm/public.ts';
import type { Keys } from '../../kit/authority.ts';
import { flip } from '../../kit/forge.ts';
import { eccPublic, FLAGS } from '../../kit/forgedtpm.ts';
import {
  type Certification,
  EPOCH,
  FLEET,
  HOST,
  type Hooks,
  type Rotation,
  type World,
} from '../../kit/hooks.ts';
import type { Vector } from './vector.ts';

const ORIGIN = `${FLEET}/${HOST}/${EPOCH}`;
/** A rotation of both keys with one thing about it changed. */
const rotated = (change: Partial<Rotation> = {}): Hooks => ({
  rotation: { roles: ['ak', 'record'], ...change },
});
const certified = (which: Certification, change: (a: Attest) => Attest): Hooks =>
  rotated({ certify: (a, w) => (w === which ? change(a) : a) });
/** Another Name in a certification. */
const renamed =
  (member: 'name' | 'qualifiedName') =>
  (a: Attest): Attest =>
    a.attested.kind === 'certify'
      ? { ...a, attested: { ...a.attested, [member]: flip(a.attested[member], 4) } }
      : a;

/** Host keys that were replaced, in every combination. */
export const ROTATIONS: Readonly<Record<string, Hooks>> = {
  'another AK': { rotation: { roles: ['ak'] } },
  'another record key': { rotation: { roles: ['record'] } },
  'another AK, which certifies another record key': rotated(),
};

const CHANGE_VECTORS: readonly Vector[] = [
  {
    id: 'inclusion-keys',
    name: 'a change that is not in the tree',
    hooks: {
      ...rotated(),
      raw: (r) => ({
        ...r,
        keyChanges: (r.keyChanges ?? []).map((c) => ({ ...c, hashes: c.hashes.map((h) => flip(h, 0)) })),
      }),
    },
  },
  {
    id: 'key-order',
    name: 'a change that names another one before it',
    hooks: rotated({
      body: (b, role) =>
        role === 'ak' ? { ...b, prev: { ...(b.prev as object), digest: 'ab'.repeat(32) } } : b,
    }),
  },
  {
    id: 'key-order',
    name: 'a change in the middle of the chain is left out',
    hooks: {
      rotation: { roles: ['record', 'ak'] },
      lines: (l) => l.slice(0, 1),
      raw: (r) => ({ ...r, keyChanges: (r.keyChanges ?? []).slice(1) }),
    },
  },
  {
    id: 'key-order',
    name: 'a change back to a key that was retired',
    hooks: { rotation: { roles: ['ak', 'back'] } },
  },
  {
    id: 'key-succession',
    name: 'a change by a key that is not in force',
    hooks: rotated({ signs: (k, which, w) => (which === 'ak' ? w.other : k) }),
  },
  {
    id: 'key-succession',
    name: 'a change that names another signer than the key in force',
    hooks: certified('ak', (a) => ({ ...a, qualifiedSigner: flip(a.qualifiedSigner, 7) })),
  },
  {
    id: 'key-succession',
    name: 'a change of another epoch',
    hooks: certified('ak', (a) => ({ ...a, extraData: keyExtraData(KEY_ROLES.ak, `${FLEET}/${HOST}/8`) })),
  },
  {
    id: 'key-succession',
    name: 'the certification of a caller stands in for one of an AK',
    hooks: certified('ak', (a) => ({ ...a, extraData: keyExtraData(KEY_ROLES.workload, ORIGIN) })),
  },
  {
    id: 'key-succession',
    name: 'the two certifications of a change back, exchanged',
    hooks: certified('retired', (a) => ({ ...a, extraData: keyExtraData(KEY_ROLES.ak, ORIGIN) })),
  },
  {
    id: 'key-succession',
    name: 'another key was certified',
    hooks: certified('ak', renamed('name')),
  },
  {
    id: 'key-succession',
    name: 'the new key has another parent',
    hooks: certified('ak', renamed('qualifiedName')),
  },
  {
    id: 'key-succession',
    name: 'a quote stands in for the certification',
    hooks: certified('retired', (a) => ({
      ...a,
      type: ATTEST_QUOTE,
      attested: { kind: 'quote', selections: [], pcrDigest: new Uint8Array(32) },
    })),
  },
  {
    id: 'key-succession',
    name: 'the new key did not sign for the old one',
    hooks: rotated({ signs: (k, which, w) => (which === 'retired' ? w.other : k) }),
  },
  {
    id: 'ak-attributes',
    name: 'a new AK that signs whatever it is given',
    hooks: rotated({ akPublic: (p) => ({ ...p, attributes: makeAttributes(...FLAGS, 'sign') }) }),
  },
  {
    id: 'key-attributes',
    name: 'an old AK that signed whatever it was given',
    hooks: { ...rotated(), akPublic: (p) => ({ ...p, attributes: makeAttributes(...FLAGS, 'sign') }) },
  },
  {
    id: 'record-key',
    name: 'a new record key that was not made in the TPM',
    hooks: rotated({
      recordPublic: (p) => ({
        ...p,
        attributes: makeAttributes('fixedTPM', 'fixedParent', 'userWithAuth', 'noDA', 'sign'),
      }),
    }),
  },
];

/** What a vector changes of a key that is made for a caller. */
interface KeyWish {
  readonly role?: keyof typeof KEY_ROLES;
  readonly origin?: string;
  readonly signer?: (w: World) => Keys;
  readonly flags?: readonly AttributeName[];
  readonly attest?: (a: Attest) => Attest;
  readonly area?: Uint8Array;
}

/** A host whose record makes a key for a caller. */
export function keyMade({
  role = 'workload',
  origin = ORIGIN,
  signer,
  flags = FLAGS,
  attest,
  area,
}: KeyWish = {}): Hooks {
  return {
    governed: async ({ build, put, next, world, tpm }) => {
      const scheme = { alg: ALG_ECDSA, hash: ALG_SHA256 };
      const made = printPublic(eccPublic(world.nextRecord, makeAttributes(...flags, 'sign'), { scheme }));
      const usual = tpm.attestOf(
        ATTEST_CERTIFY,
        keyExtraData(KEY_ROLES[role], origin),
        tpm.named(made),
        3000n,
      );
      const certified = await tpm.certified(attest?.(usual) ?? usual, signer?.(world));
      const key = { public: toBase64(area ?? made), ...certified };
      const caller = { uid: 1000 };
      const body = { change: 'added', role: 'workload', name: 'ci', reason: 'asked for', caller, key };
      return { record: put(build('keychange', body, next)), related: [] };
    },
  };
}

const id = 'workload-key';
const WORKLOAD_VECTORS: readonly Vector[] = [
  { id, name: 'certified for another role', hooks: keyMade({ role: 'tls' }) },
  { id, name: 'certified for another log', hooks: keyMade({ origin: `${FLEET}/${HOST}/8` }) },
  { id, name: 'certified by another key', hooks: keyMade({ signer: (w) => w.other }) },
  { id, name: 'a key that can leave the TPM', hooks: keyMade({ flags: FLAGS.slice(2) }) },
  { id, name: 'another key was certified', hooks: keyMade({ attest: renamed('name') }) },
  { id, name: 'a key with another parent', hooks: keyMade({ attest: renamed('qualifiedName') }) },
  { id, name: 'a key that is no public area', hooks: keyMade({ area: new Uint8Array(12) }) },
];

export const ROTATION_VECTORS: readonly Vector[] = [...CHANGE_VECTORS, ...WORKLOAD_VECTORS];
