/**
 * `seal-clock`: resets and restarts of the TPM as signed in the seal against those of the boot entry. Equal: the same
 * run of the machine. More: the machine was reset or suspended since, and nothing is known about the environment.
 * Fewer, or a clock that went back: impossible for the same TPM (reference table: resets never go down).
 */
import { blocked, type CheckDefinition, fail, pass, together, unknown } from '../outcome.ts';

export const sealClock: CheckDefinition = {
  id: 'seal-clock',
  level: 3,
  run: (e) => {
    const parts = together({ attest: e.attest, boot: e.bootFacts });
    if (!parts.ok) return blocked(parts);
    const seal = parts.value.attest.clockInfo;
    const boot = parts.value.boot;
    const say = (c: { resetCount: number; restartCount: number; clock: bigint }) =>
      `reset ${c.resetCount}, restart ${c.restartCount}, clock ${c.clock}`;
    const sameRun = seal.resetCount === boot.resetCount && seal.restartCount === boot.restartCount;
    const back =
      seal.resetCount < boot.resetCount ||
      (seal.resetCount === boot.resetCount && seal.restartCount < boot.restartCount) ||
      (sameRun && seal.clock < boot.clock);
    if (back) return fail('The TPM went back behind the boot entry.', `after ${say(boot)}`, say(seal));
    return sameRun
      ? pass('The TPM was neither reset nor suspended between the boot entry and the seal.')
      : unknown(
          'The TPM was reset or suspended since the boot entry; the environment of the record is unknown.',
        );
  },
};
