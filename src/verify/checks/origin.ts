/** `origin`: every entry names the log that the checkpoint is of, so none was moved here from another log. */
import { parseOrigin } from '../../log/origin.ts';
import { entriesOf } from '../evidence.ts';
import { attempt, blocked, type CheckDefinition, fail, pass } from '../outcome.ts';

export const origin: CheckDefinition = {
  id: 'origin',
  level: 1,
  run: (e) => {
    if (!e.checkpoint.ok) return blocked(e.checkpoint);
    const wanted = e.checkpoint.value.origin;
    const parsed = attempt(() => parseOrigin(wanted));
    if (!parsed.ok) return fail(`The checkpoint has no origin of ours: ${parsed.why}.`);
    for (const entry of entriesOf(e)) {
      if (!entry.statement.ok) continue;
      const log = entry.statement.value.predicate.log;
      if (log !== wanted) return fail(`${entry.role} belongs to another log.`, wanted, String(log));
    }
    if (e.genesisFacts.ok && e.genesisFacts.value.epoch !== parsed.value.epoch) {
      return fail(
        'The epoch of the origin is not that of genesis.',
        parsed.value.epoch,
        e.genesisFacts.value.epoch,
      );
    }
    return pass(`Every entry belongs to the log ${wanted}.`);
  },
};
