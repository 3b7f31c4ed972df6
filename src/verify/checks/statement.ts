/** `statement`: every entry is the PAE of a canonical statement whose first subject is the digest of its predicate. */

import { entriesOf } from '../evidence.ts';
import { blocked, type CheckDefinition, fail, pass } from '../outcome.ts';

export const statement: CheckDefinition = {
  id: 'statement',
  level: 1,
  run: (e) => {
    if (!e.record.ok) return blocked(e.record);
    const entries = entriesOf(e);
    for (const entry of entries) {
      if (!entry.statement.ok) {
        return fail(`The statement in ${entry.role} does not hold: ${entry.statement.why}.`);
      }
    }
    return pass(`All ${entries.length} entries hold a statement of a known kind that fits its schema.`);
  },
};
