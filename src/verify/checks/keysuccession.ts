/**
 * `key-succession`: each change of a host key was certified by the attestation key in force, under the role and for
 * this log, and a new attestation key certified the one whose place it takes. So no other key can put itself in force,
 * and the certificate of the newest vouches for all before it. TPM 2.0 Library part 3 §18.2.
 */
import { akOf, attestors, leafOf } from '../evidence.ts';
import { changeFault } from '../keys.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';
import { attestor } from '../signed.ts';

export const keySuccession: CheckDefinition = {
  id: 'key-succession',
  level: 1,
  run: async (e) => {
    const parts = together({
      keys: e.keys,
      checkpoint: e.checkpoint,
      ak: akOf(e),
      leaf: leafOf(e),
      certified: attestors(e),
    });
    if (!parts.ok) return blocked(parts);
    const { keys, checkpoint, ak, certified } = parts.value;
    const { genesis } = keys;
    for (const [i, change] of keys.changes.entries()) {
      const before = { genesis, changes: keys.changes.slice(0, i) };
      const why = await changeFault(e.verify, before, checkpoint.origin, change, (key) =>
        key === ak ? certified(checkpoint.size) : attestor(genesis, key),
      );
      if (why !== undefined) return fail(`The key change at index ${change.index} does not hold: ${why}.`);
    }
    return pass(
      keys.changes.length === 0
        ? 'The keys in force are those of genesis.'
        : 'Every key was put in force by the one before it, and took its place.',
    );
  },
};
