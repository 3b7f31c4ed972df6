/** The policies of governed execution: are they what an operator's key signed, and does the engine take them? */
import { isAttestdError } from '../../core/errors.ts';
import { type Check, ok, said, wrong } from './check.ts';

const policy: Check = {
  id: 'policy',
  title: 'policies',
  async run(p) {
    const { directory, keys } = p.config().policy;
    if (directory === '') return ok('None are configured: nothing is granted, and records say ungoverned.');
    const sign = `attestctl policy lint ${directory}, then attestctl policy sign and systemctl reload attestd`;
    if (keys.length === 0)
      return wrong(
        'policy.keys names no key that may sign them, so none comes into force.',
        'name the public key in policy.keys',
      );
    try {
      // Cedar is loaded where there is something for it to judge.
      const { loadPolicies } = await import('../../daemon/govern/policies.ts');
      const set = await loadPolicies(directory, keys);
      return ok(`${set.id}, signed by one of ${keys.length} keys.`);
    } catch (e) {
      if (!isAttestdError(e)) throw e;
      return wrong(`They are not in force after the next start: ${said(e)}.`, sign);
    }
  },
};

export const POLICY_CHECKS: readonly Check[] = [policy];
