/**
 * `boot-link`: the boot entry that is given is one, and the record belongs to its run, or stands before it. `boot-run`:
 * the seal was made in the record's own run. A record that a later run sealed was durable on a disk that could be
 * written meanwhile: it is recovered, and nothing is known about its environment (design: What a seal proves).
 */
import { equal, toHex } from '../../core/bytes.ts';
import { blocked, type CheckDefinition, fail, pass, together, unknown } from '../outcome.ts';

export const bootLink: CheckDefinition = {
  id: 'boot-link',
  level: 1,
  run: (e) => {
    const parts = together({ record: e.record, boot: e.boot });
    if (!parts.ok) return blocked(parts);
    const { record, boot } = parts.value;
    if (!record.statement.ok) return blocked(record.statement);
    if (!boot.statement.ok) return blocked(boot.statement);
    if (boot.statement.value.kind !== 'boot') {
      return fail('What is given as boot entry is none.', 'boot', boot.statement.value.kind);
    }
    if (!e.bootFacts.ok) return fail(`The boot entry cannot be read: ${e.bootFacts.why}.`);
    if (boot.index > record.index) return pass('The boot entry is of a run that began after the record.');
    const isBoot = equal(record.digest, boot.digest);
    const named = isBoot ? toHex(boot.digest) : record.statement.value.predicate.boot;
    if (named !== toHex(boot.digest)) {
      return fail('The record names another boot entry.', toHex(boot.digest), String(named));
    }
    return pass(`The record belongs to the run that entry ${boot.index} begins.`);
  },
};

export const bootRun: CheckDefinition = {
  id: 'boot-run',
  level: 3,
  run: (e) => {
    const parts = together({ record: e.record, boot: e.boot, seal: e.seal, checkpoint: e.checkpoint });
    if (!parts.ok) return blocked(parts);
    const { record, boot, seal, checkpoint } = parts.value;
    const sealed = seal.header.bootIndex;
    if (sealed >= checkpoint.size) {
      return fail(
        'The seal names a boot entry outside the tree.',
        `below ${checkpoint.size}`,
        String(sealed),
      );
    }
    if (sealed < boot.index) {
      return fail(
        'The seal claims a run from before the boot entry that it covers.',
        String(boot.index),
        String(sealed),
      );
    }
    if (sealed > record.index) {
      return unknown('A later run sealed the record: it was recovered, and its environment is unknown.');
    }
    if (sealed > boot.index) {
      return unknown(
        'The record names an older run than the one that sealed it; its environment is unknown.',
      );
    }
    return pass('The seal was made in the run of the record.');
  },
};
