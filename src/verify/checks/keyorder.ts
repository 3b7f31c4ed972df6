/**
 * `key-order`: the changes of the host's own keys form one chain from genesis, each naming the one before, and none
 * puts a key in force that was in force before. A change that stands elsewhere in the bundle must be among them: so
 * what the bundle shows of itself cannot be left out of the answer to whose seal this should be.
 */
import { equal } from '../../core/bytes.ts';
import { isHostKeychange, type KeychangePredicate } from '../../evidence/schema/keychange.ts';
import type { EntryFacts } from '../evidence.ts';
import { orderFault } from '../keys.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';

/** Whether an entry that could be read changes a key of the host. */
function isChange({ statement }: EntryFacts): boolean {
  if (!statement.ok || statement.value.kind !== 'keychange') return false;
  return isHostKeychange(statement.value.predicate as unknown as KeychangePredicate);
}

export const keyOrder: CheckDefinition = {
  id: 'key-order',
  level: 1,
  run: (e) => {
    for (const entry of e.keyChanges) {
      if (!entry.statement.ok) return blocked(entry.statement);
      if (!isChange(entry)) return fail(`What is given as ${entry.role} is none.`);
    }
    const parts = together({ record: e.record, genesis: e.genesis, keys: e.keys });
    if (!parts.ok) return blocked(parts);
    const { record, genesis, keys } = parts.value;
    const stray = [record, ...e.related].find(
      (entry) => isChange(entry) && !keys.changes.some((c) => equal(c.digest, entry.digest)),
    );
    if (stray !== undefined) {
      return fail(`${stray.role} changes a key of the host and is not among the changes that are given.`);
    }
    for (const [i, change] of keys.changes.entries()) {
      const before = { genesis: keys.genesis, changes: keys.changes.slice(0, i) };
      const why = orderFault(before, genesis.digest, change);
      if (why !== undefined) return fail(`The key change at index ${change.index} has no place: ${why}.`);
    }
    return pass(
      keys.changes.length === 0
        ? 'No change of a key of the host is given: the keys of genesis count.'
        : `${keys.changes.length} changes of keys of the host follow each other from genesis.`,
    );
  },
};
