/** `genesis`: entry 0 is the genesis of this epoch, and what it says about keys and counter can be read. */
import { blocked, type CheckDefinition, fail, pass, unknown } from '../outcome.ts';

export const genesis: CheckDefinition = {
  id: 'genesis',
  level: 1,
  run: (e) => {
    if (!e.genesis.ok) return blocked(e.genesis);
    const entry = e.genesis.value;
    if (entry.index !== 0)
      return fail('The genesis entry is not the first of the log.', '0', String(entry.index));
    if (!entry.statement.ok) return unknown(`cannot be judged: ${entry.statement.why}`);
    if (entry.statement.value.kind !== 'genesis') {
      return fail('Entry 0 is not a genesis entry.', 'genesis', entry.statement.value.kind);
    }
    if (!e.genesisFacts.ok) return fail(`The genesis entry cannot be read: ${e.genesisFacts.why}.`);
    return pass(`The log begins with the genesis of epoch ${e.genesisFacts.value.epoch}.`);
  },
};
