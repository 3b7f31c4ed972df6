/**
 * `foreign-checkpoint`: where a record knows one of another log by a checkpoint, its proof leads from the leaf that it
 * names to that checkpoint; where the certificate of that host is given, its key sealed the checkpoint; and no two seals
 * of one host anywhere in the file, over this bundle, over others in it or in checkpoints that any of them holds, speak of
 * two logs. What the other record says is not shown by this.
 */
import { forkedLog } from '../foreign/sighting.ts';
import { because, blocked, type CheckDefinition, fail, pass, unknown } from '../outcome.ts';

export const foreignCheckpoint: CheckDefinition = {
  id: 'foreign-checkpoint',
  level: 1,
  run: (e) => {
    if (!e.record.ok) return blocked(e.record);
    if (!e.record.value.statement.ok) return blocked(e.record.value.statement);
    const { checkpoints, broken, spare, seen } = e.foreignProofs;
    if (broken.length > 0)
      return because('proof', fail(`A parent of another log is not where it is named: ${broken[0]}.`));
    const bad = checkpoints.find((c) => c.status === 'bad');
    if (bad !== undefined)
      return because('seal', fail(`The checkpoint of ${bad.log} does not hold: ${bad.why}`));
    const forked = forkedLog(seen);
    if (forked !== undefined)
      return because(
        'forked',
        fail(`There are two logs by the name of ${forked}, and its host sealed both.`),
      );
    if (spare > 0)
      return because(
        'spare-certificate',
        fail('Nothing here rests on a checkpoint of the host of a certificate.'),
      );
    const unclear = checkpoints.find((c) => c.status === 'unknown');
    if (unclear !== undefined)
      return unknown(`The checkpoint of ${unclear.log} is not shown to hold: ${unclear.why}`);
    if (checkpoints.length === 0) return pass('No record of another log is known by a checkpoint.');
    const sealed = checkpoints.filter((c) => c.status === 'sealed').length;
    return pass(
      `Of ${checkpoints.length} records of other logs that are known by a checkpoint, ${sealed} stand under a seal of a certified key; what they say is not shown.`,
    );
  },
};
