/**
 * The host's own keys over the life of a log. Genesis names the first ones; each change in the log puts another in
 * force. What stands at an index, or seals that many entries, is by the key of the newest change below it. Which key
 * that is, is read here without judging whether the changes hold: the rules below are for checks and audit, one
 * reading for both, and for the daemon when it opens its log.
 */
import { equal, fromHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { KEY_ROLES, keyExtraData } from '../evidence/binding.ts';
import {
  type HostKeychange,
  isHostKeychange,
  type KeychangePredicate,
} from '../evidence/schema/keychange.ts';
import { ATTEST_CERTIFY, ATTEST_MAGIC } from '../evidence/tpm/attest.ts';
import { qualifiedName } from '../evidence/tpm/public.ts';
import type { SignatureVerifier } from '../evidence/x509/signature.ts';
import type { EntryFacts, GenesisFacts, KeyFacts, SignedAttest } from './evidence.ts';
import { keyOf, signedOf } from './keyfacts.ts';
import { type Attestor, attestor, attestSigned, storageQualifiedName } from './signed.ts';

/** A change of one of the host's own keys. */
export interface KeyChange {
  readonly index: number;
  /** Record digest of its entry. */
  readonly digest: Uint8Array;
  readonly role: 'ak' | 'record';
  /** Record digest of the change before, or of genesis. */
  readonly previous: Uint8Array;
  readonly key: KeyFacts;
  /** The attestation key before it certified the new key. */
  readonly certified: SignedAttest;
  /** The new attestation key certified the old one; absent for a record key. */
  readonly retires?: SignedAttest;
}

/** All keys that were in force in a log, as far as they are given. */
export interface Keys {
  readonly genesis: GenesisFacts;
  /** By rising index. */
  readonly changes: readonly KeyChange[];
}

/** What the predicate of a change says. @throws MALFORMED */
export function readKeyChange(
  index: number,
  digest: Uint8Array,
  p: HostKeychange,
  previous: Uint8Array,
): KeyChange {
  return {
    index,
    digest,
    role: p.role,
    previous,
    key: keyOf(p.key),
    certified: signedOf(p.key),
    ...(p.role === 'ak' ? { retires: signedOf(p.retires) } : {}),
  };
}

/** The change of a host key in an entry. @throws MALFORMED where there is none */
export function changeOf({ role, index, digest, statement }: EntryFacts): KeyChange {
  if (!statement.ok) throw new AttestdError('MALFORMED', statement.why);
  const { kind, predicate } = statement.value;
  const change = predicate as unknown as KeychangePredicate;
  if (kind !== 'keychange' || !isHostKeychange(change)) {
    throw new AttestdError('MALFORMED', `${role} is no change of a key of the host`);
  }
  return readKeyChange(index, digest, change, fromHex(change.prev.digest));
}

/** The newest change of a role below `at`. */
const newest = ({ changes }: Keys, role: KeyChange['role'], at: number): KeyChange | undefined =>
  changes.findLast((c) => c.role === role && c.index < at);

/** The attestation key of what stands at index `at`, or seals `at` entries. */
export const akAt = (keys: Keys, at: number): KeyFacts => newest(keys, 'ak', at)?.key ?? keys.genesis.ak;

/** The record key in force there, with its certification and the index at which it was certified. */
export function recordKeyAt(
  keys: Keys,
  at: number,
): { key: KeyFacts; certified: SignedAttest; index: number } {
  const { genesis } = keys;
  return (
    newest(keys, 'record', at) ?? { key: genesis.recordKey, certified: genesis.recordKeyCertified, index: 0 }
  );
}

/** Every key that genesis or a change names, each once. */
export function everyKey({ genesis, changes }: Keys): { role: 'ak' | 'record'; key: KeyFacts }[] {
  return [{ role: 'ak', key: genesis.ak }, { role: 'record', key: genesis.recordKey }, ...changes];
}

/**
 * Why a change does not follow those before it; undefined when it does. A key is in force once: one that came back
 * would make the time after its retirement its own again.
 * @param before the changes below, each of which follows
 * @param genesis record digest of the genesis entry
 */
export function orderFault(before: Keys, genesis: Uint8Array, change: KeyChange): string | undefined {
  const last = before.changes.at(-1);
  if (change.index <= (last?.index ?? 0)) return 'it does not stand behind the change before it';
  if (!equal(change.previous, last?.digest ?? genesis)) return 'it names another change before it';
  const back = everyKey(before).some(({ key }) => equal(key.name, change.key.name));
  return back ? 'it puts a key in force that was in force before' : undefined;
}

/** A certification of a key, TPM2_Certify. */
export interface KeyClaim {
  readonly certified: SignedAttest;
  /** `keyExtraData` of role and log. */
  readonly extraData: Uint8Array;
  readonly key: KeyFacts;
}

/** Why a certification of a key below this storage primary does not hold; undefined when it does. */
export async function certificationFault(
  verify: SignatureVerifier,
  by: Attestor,
  genesis: GenesisFacts,
  { certified, extraData, key }: KeyClaim,
): Promise<string | undefined> {
  const { bytes, attest, signature } = certified;
  if (attest.magic !== ATTEST_MAGIC) return 'it was not made by a TPM';
  if (attest.type !== ATTEST_CERTIFY || attest.attested.kind !== 'certify') return 'it is another structure';
  if (!equal(attest.qualifiedSigner, by.qualifiedName)) return 'another key made it than the one in force';
  if (!equal(attest.extraData, extraData)) return 'it was made for another role or log';
  if (!equal(attest.attested.name, key.name)) return 'it is of another key';
  if (!equal(attest.attested.qualifiedName, qualifiedName(storageQualifiedName(genesis), key.name))) {
    return 'the key has another parent than genesis says';
  }
  return attestSigned(verify, by, bytes, signature);
}

/**
 * Why the certifications of a change do not hold; undefined when they do.
 * @param before the keys before it
 * @param attestorOf how an attestation key is held against signatures
 */
export async function changeFault(
  verify: SignatureVerifier,
  before: Keys,
  origin: string,
  change: KeyChange,
  attestorOf: (ak: KeyFacts) => Attestor = (ak) => attestor(before.genesis, ak),
): Promise<string | undefined> {
  const { role, key, certified, retires, index } = change;
  const old = akAt(before, index);
  const forward = keyExtraData(KEY_ROLES[role], origin);
  const why = await certificationFault(verify, attestorOf(old), before.genesis, {
    certified,
    extraData: forward,
    key,
  });
  if (why !== undefined) return `the certification of the new key does not hold: ${why}`;
  if (role === 'record') return undefined;
  if (retires === undefined) return 'the new key does not say whose place it takes';
  const backward = keyExtraData(KEY_ROLES.retired, origin);
  const back = await certificationFault(verify, attestorOf(key), before.genesis, {
    certified: retires,
    extraData: backward,
    key: old,
  });
  return back === undefined
    ? undefined
    : `the certification of the old key by the new one does not hold: ${back}`;
}
