/**
 * `seal-clock`: the TPM as signed in the seal against the TPM of the boot entry, by the table of life.ts. The same run of
 * the machine passes; a reset or suspend since, or another firmware, leaves the environment unknown; what no TPM does
 * fails.
 */

import { between } from '../life.ts';
import { blocked, type CheckDefinition, fail, pass, together, unknown } from '../outcome.ts';

export const sealClock: CheckDefinition = {
  id: 'seal-clock',
  level: 3,
  run: (e) => {
    const parts = together({ attest: e.attest, boot: e.bootFacts });
    if (!parts.ok) return blocked(parts);
    const { clockInfo, firmwareVersion } = parts.value.attest;
    const seal = { ...clockInfo, firmwareVersion };
    const { boot } = parts.value;
    const say = (c: { resetCount: number; restartCount: number; clock: bigint }) =>
      `reset ${c.resetCount}, restart ${c.restartCount}, clock ${c.clock}`;
    const { verdict, findings } = between(boot, seal);
    if (verdict === 'fail')
      return fail('The TPM went back behind the boot entry.', `after ${say(boot)}`, say(seal));
    if (verdict === 'new-run') {
      return unknown(
        'The TPM was reset or suspended since the boot entry; the environment of the record is unknown.',
      );
    }
    return findings.includes('firmware-changed')
      ? unknown('The firmware of the TPM was replaced since the boot entry; what it says now is not known.')
      : pass('The TPM was neither reset nor suspended between the boot entry and the seal.');
  },
};
