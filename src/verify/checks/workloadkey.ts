/**
 * `workload-key`: where an entry makes a key for a caller or withdraws one, the attestation key in force certified that
 * key for its role and this log, it lives in the same TPM and cannot leave it. An entry about a key that no TPM vouched
 * for would make the signatures of any program those of a caller of this host.
 */
import { equal } from '../../core/bytes.ts';
import { KEY_ROLES, keyExtraData } from '../../evidence/binding.ts';
import type { WorkloadRole } from '../../evidence/export/workload.ts';
import { isHostKeychange, type KeychangePredicate } from '../../evidence/schema/keychange.ts';
import { attestors, type EntryFacts } from '../evidence.ts';
import { keyOf, signedOf } from '../keyfacts.ts';
import { certificationFault } from '../keys.ts';
import { attempt, blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';
import { signingKeyFault } from './akkey.ts';

/** What an entry says about the key of a caller. */
function changeIn({ statement }: EntryFacts) {
  if (!statement.ok || statement.value.kind !== 'keychange') return undefined;
  const predicate = statement.value.predicate as unknown as KeychangePredicate;
  return isHostKeychange(predicate) ? undefined : predicate;
}

export const workloadKey: CheckDefinition = {
  id: 'workload-key',
  level: 2,
  run: async (e) => {
    const parts = together({
      record: e.record,
      keys: e.keys,
      checkpoint: e.checkpoint,
      attestor: attestors(e),
    });
    if (!parts.ok) return blocked(parts);
    const { record, keys, checkpoint, attestor } = parts.value;
    let judged = 0;
    for (const entry of [record, ...e.related]) {
      const change = changeIn(entry);
      if (change === undefined) continue;
      const read = attempt(() => ({ key: keyOf(change.key), certified: signedOf(change.key) }));
      if (!read.ok) return fail(`The key in ${entry.role} cannot be read: ${read.why}.`);
      const { key, certified } = read.value;
      const fault = signingKeyFault(key.public);
      if (fault !== undefined) return fail(`The key in ${entry.role} is not what it should be: ${fault}.`);
      // A withdrawal repeats the certification, which may be by an attestation key that was retired since.
      const places = change.change === 'added' ? [] : [0, ...keys.changes.map((c) => c.index + 1)];
      const by = places
        .filter((at) => at <= entry.index)
        .map(attestor)
        .find((a) => equal(a.qualifiedName, certified.attest.qualifiedSigner));
      const extraData = keyExtraData(KEY_ROLES[change.role as WorkloadRole], checkpoint.origin);
      const why = await certificationFault(e.verify, by ?? attestor(entry.index), keys.genesis, {
        certified,
        extraData,
        key,
      });
      if (why !== undefined) return fail(`The certification in ${entry.role} does not hold: ${why}.`);
      judged++;
    }
    return pass(
      judged === 0
        ? 'No key of a caller is made or withdrawn here.'
        : `The attestation key certified ${judged === 1 ? 'the key of the caller' : `${judged} keys of callers`}.`,
    );
  },
};
