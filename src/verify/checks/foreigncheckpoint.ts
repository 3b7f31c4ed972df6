/**
 * `foreign-checkpoint`: where a record knows one of another log by a checkpoint, its proof leads from the leaf that it
 * names to that checkpoint, and the leaf is that of the record wherever the record is at hand; where the certificate of
 * that host is given, its key sealed the checkpoint; and no two seals of one host anywhere in the file, over this bundle,
 * over others in it or in checkpoints that any of them holds, speak of two logs. What the other record says is not shown.
 */
import { forkedLog, misnamed } from '../foreign/sighting.ts';
import { because, blocked, type CheckDefinition, fail, pass, unknown } from '../outcome.ts';
import { edgesIn } from './foreign.ts';

export const foreignCheckpoint: CheckDefinition = {
  id: 'foreign-checkpoint',
  level: 1,
  run: (e) => {
    if (!e.record.ok) return blocked(e.record);
    if (!e.record.value.statement.ok) return blocked(e.record.value.statement);
    const { checkpoints, broken, spare, seen } = e.foreignProofs;
    if (broken.length > 0)
      return because('proof', fail(`A parent of another log is not where it is named: ${broken[0]}.`));
    const other = misnamed(edgesIn(e), seen);
    if (other !== undefined) {
      const which = `${other.digest.slice(0, 16)}${other.log === undefined ? '' : ` of ${other.log}`}`;
      return because('leaf', fail(`The record ${which} is named by the leaf of another one.`));
    }
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

/**
 * `foreign-seal`: of each of these checkpoints it is shown who sealed it: a certificate for it is in the file. Whether it
 * holds is for `foreign-checkpoint`.
 */
export const foreignSeal: CheckDefinition = {
  id: 'foreign-seal',
  level: 1,
  requiredBy: (trust) => trust.foreignSeals === true,
  run: (e) => {
    if (!e.record.ok) return blocked(e.record);
    if (!e.record.value.statement.ok) return blocked(e.record.value.statement);
    const { checkpoints } = e.foreignProofs;
    const open = checkpoints.filter((c) => c.status === 'open');
    if (checkpoints.length === 0) return pass('No record of another log is known by a checkpoint.');
    if (open.length === 0)
      return pass(`For each of ${checkpoints.length} checkpoints a certificate is here.`);
    const why = open[0]?.why ?? 'no certificate of that host is here';
    return unknown(
      `Who sealed ${open.length} of ${checkpoints.length} checkpoints, the first of ${open[0]?.log}, is not shown: ${why}.`,
    );
  },
};
