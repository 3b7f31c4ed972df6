/**
 * `key-attributes`: the keys that were in force before those under the seal were what design §5 says of them too, so
 * that what they certified (anchors, keys of callers, the next attestation key) was certified by a TPM. Those under the
 * seal are for `ak-attributes` and `record-key`.
 */
import { akOf } from '../evidence.ts';
import { everyKey, recordKeyAt } from '../keys.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';
import { akFault, recordKeyFault } from './akkey.ts';

export const keyAttributes: CheckDefinition = {
  id: 'key-attributes',
  level: 2,
  run: (e) => {
    const parts = together({ keys: e.keys, ak: akOf(e), checkpoint: e.checkpoint });
    if (!parts.ok) return blocked(parts);
    const { keys, ak, checkpoint } = parts.value;
    const inForce = [ak, recordKeyAt(keys, checkpoint.size).key];
    const retired = everyKey(keys).filter(({ key }) => !inForce.includes(key));
    for (const { role, key } of retired) {
      const why = role === 'ak' ? akFault(key.public) : recordKeyFault(key.public);
      const what = role === 'ak' ? 'attestation key' : 'record key';
      if (why !== undefined) return fail(`A key before was no ${what} of ours: ${why}.`);
    }
    return pass(
      retired.length === 0
        ? 'No other key was in force before.'
        : `The ${retired.length} keys that were in force before could not leave the TPM either.`,
    );
  },
};
