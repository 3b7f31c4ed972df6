/** The keys of the host that are in force: as the TPM holds them, and as the log names them. Both are one, or nothing starts. */
import type { Store } from '../store/store.ts';
import { type Identity, loadIdentity } from '../tpm/keys.ts';
import type { Tpm } from '../tpm/tpm.ts';
import type { Keys } from '../verify/keys.ts';
import { openHostKeys } from './hostkeys.ts';
import { epochOf, type Layout } from './layout.ts';
import { type RotatingInput, resumeRotation, rotate } from './rotating.ts';

export interface InForce {
  readonly identity: Identity;
  /** Every key of the host that was in force in this log. */
  readonly keys: Keys;
  /** Puts keys that wait in force, at the start of a run. @returns whether there were any */
  renew(at: Pick<RotatingInput, 'run' | 'sequencer' | 'now' | 'random'>): Promise<boolean>;
}

/** @param approvals directory of state approvals @throws TPM_KEY_LOST, NOT_INITIALISED, STORE_CORRUPT */
export async function openInForce(
  tpm: Tpm,
  store: Store,
  layout: Layout,
  approvals: string,
): Promise<InForce> {
  const at = { identity: layout.identity, log: layout.log(epochOf(store.origin)) };
  const open = async () => {
    const identity = await loadIdentity(tpm, { dir: at.identity, approvals });
    return { identity, keys: await openHostKeys(store, at.log, identity) };
  };
  await resumeRotation(store, at);
  let now = await open();
  return {
    get identity() {
      return now.identity;
    },
    get keys() {
      return now.keys;
    },
    async renew(input) {
      if (!(await rotate({ ...input, ...now, at, tpm, store }))) return false;
      now = await open();
      return true;
    },
  };
}
