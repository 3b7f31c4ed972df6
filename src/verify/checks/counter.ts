/**
 * `counter`: the NV index in genesis is a monotonic counter that nobody can set (type COUNTER, written by its own
 * authorisation only, not orderly). `genesis-anchor`: the AK certified its value over the empty tree, so the epoch
 * begins with nothing before it. TPM 2.0 Library part 2 §13.4, part 1 §37.2.4.
 */
import { ZERO32 } from '../../core/bytes.ts';
import { ALG_SHA256 } from '../../evidence/tpm/algorithm.ts';
import { NT_COUNTER, type NvPublic } from '../../evidence/tpm/nv.ts';
import { printCheckpoint } from '../../log/checkpoint.ts';
import { EMPTY_ROOT } from '../../log/merkle.ts';
import { anchorFault } from '../anchored.ts';
import { attestors } from '../evidence.ts';
import { blocked, type CheckDefinition, fail, pass, together, unknown } from '../outcome.ts';
import { orWitnessed } from './witness.ts';

/** Why an index is no counter as design §6 wants it; undefined when it is. */
function counterFault(nv: NvPublic): string | undefined {
  const a = nv.attributes;
  if (a.type !== NT_COUNTER) return 'it is not of type COUNTER';
  if (nv.dataSize !== 8) return 'it does not hold 8 bytes';
  if (nv.nameAlg !== ALG_SHA256) return 'its Name is not SHA-256';
  if (!a.authWrite || a.ownerWrite || a.ppWrite || a.policyWrite)
    return 'others than its own authorisation may write it';
  if (a.orderly) return 'it may lose increments when power fails';
  if (!a.written) return 'it was never incremented';
  if (a.clearStClear || a.policyDelete || a.platformCreate)
    return 'it has attributes that a counter of ours has not';
  if (nv.authPolicy.length > 0) return 'it can be used by a policy';
  return undefined;
}

export const counter: CheckDefinition = {
  id: 'counter',
  level: 4,
  run: (e) => {
    if (!e.genesisFacts.ok) return blocked(e.genesisFacts);
    const found = e.genesisFacts.value.counter;
    if (found === undefined) return orWitnessed(e, unknown('This log has no monotonic counter.'));
    const why = counterFault(found.public);
    if (why !== undefined) return fail(`The counter in genesis is not one that cannot go back: ${why}.`);
    if (found.value.toString() !== e.genesisFacts.value.epoch) {
      return fail(
        'The epoch is not the value of the counter at genesis.',
        found.value.toString(),
        e.genesisFacts.value.epoch,
      );
    }
    return pass('Genesis names a counter that cannot go back.');
  },
};

export const genesisAnchor: CheckDefinition = {
  id: 'genesis-anchor',
  level: 4,
  run: async (e) => {
    const parts = together({ attestor: attestors(e), genesis: e.genesisFacts, checkpoint: e.checkpoint });
    if (!parts.ok) return blocked(parts);
    const { attestor, genesis, checkpoint } = parts.value;
    if (genesis.counter === undefined) return orWitnessed(e, unknown('This log has no monotonic counter.'));
    const text = printCheckpoint({ origin: checkpoint.origin, size: 0, root: EMPTY_ROOT });
    const why = await anchorFault(e.verify, attestor(0), genesis, {
      certified: genesis.counter.certified,
      previous: ZERO32,
      text,
      value: genesis.counter.value,
    });
    return why === undefined
      ? pass('The counter was certified over the empty log.')
      : fail(`The certification of the counter in genesis does not hold: ${why}.`);
  },
};
