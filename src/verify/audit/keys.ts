/**
 * Key changes in the order of the log. Each is held against the keys before it and then counts, whatever was found: a
 * seal after it is held against the key that the log names, and what is wrong with that key is said once.
 */
import { equal, fromHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { KEY_ROLES, keyExtraData } from '../../evidence/binding.ts';
import { recordDigest } from '../../evidence/dsse.ts';
import type { WorkloadRole } from '../../evidence/export/workload.ts';
import { MAX_KEY_CHANGES } from '../../evidence/schema/bundle.ts';
import { isHostKeychange, type WorkloadKeychangePredicate } from '../../evidence/schema/keychange.ts';
import { readStatement } from '../../evidence/statement.ts';
import type { SignatureVerifier } from '../../evidence/x509/signature.ts';
import { akFault, recordKeyFault } from '../checks/akkey.ts';
import { keyOf, signedOf } from '../keyfacts.ts';
import { akAt, certificationFault, type KeyChange, type Keys, orderFault, readKeyChange } from '../keys.ts';
import { attestor } from '../signed.ts';
import type { Run } from './runs.ts';

/**
 * Why a change has no place here; undefined when it has one. Keys change at the start of a run: behind its boot entry,
 * with nothing but other changes in between, so that one key seals all records of a run.
 */
export function placeFault(keys: Keys, genesis: Uint8Array, run: Run, change: KeyChange): string | undefined {
  const inRun = keys.changes.filter((c) => c.index > run.index).length;
  if (change.index !== run.index + 1 + inRun) return 'keys change at the start of a run only';
  if (keys.changes.length >= MAX_KEY_CHANGES) return `there are more than ${MAX_KEY_CHANGES} changes`;
  return orderFault(keys, genesis, change);
}

/** Why the key that a change puts in force is none of ours; undefined when it is. */
export const attributesFault = ({ role, key }: KeyChange): string | undefined =>
  role === 'ak' ? akFault(key.public) : recordKeyFault(key.public);

/** Why an entry about a key of a caller does not hold; undefined when it does. */
export async function workloadFault(
  verify: SignatureVerifier,
  keys: Keys,
  origin: string,
  index: number,
  p: WorkloadKeychangePredicate,
): Promise<string | undefined> {
  const key = keyOf(p.key);
  const certified = signedOf(p.key);
  const fault = recordKeyFault(key.public);
  if (fault !== undefined) return fault;
  // A withdrawal repeats the certification, which may be by an attestation key that was retired since.
  const earlier = p.change === 'added' ? [] : [0, ...keys.changes.map((c) => c.index + 1)];
  const by = [...earlier.filter((at) => at <= index), index]
    .map((at) => attestor(keys.genesis, akAt(keys, at)))
    .find((a, i, all) => i === all.length - 1 || equal(a.qualifiedName, certified.attest.qualifiedSigner));
  if (by === undefined) return 'no key was in force';
  const extraData = keyExtraData(KEY_ROLES[p.role as WorkloadRole], origin);
  return certificationFault(verify, by, keys.genesis, { certified, extraData, key });
}

/** The change in an entry that a cursor kept. @throws MALFORMED */
export function keptChange(index: number, entry: Uint8Array): KeyChange {
  const { kind, predicate } = readStatement(entry);
  if (kind !== 'keychange' || !isHostKeychange(predicate)) {
    throw new AttestdError('MALFORMED', 'the cursor keeps another entry than a key change');
  }
  return readKeyChange(index, recordDigest(entry), predicate, fromHex(predicate.prev.digest));
}
