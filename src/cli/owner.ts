/**
 * What root types is done as the owner of the state directory: keys and log that root had made would be closed to the
 * daemon, and there is no reason to hold root's power while a TPM is spoken to.
 */
import { statSync } from 'node:fs';

/** Runs `work` with the user and groups of whoever owns `stateDir`, where this is root and the owner is not. */
export async function asOwner<T>(stateDir: string, work: () => Promise<T>): Promise<T> {
  const { geteuid, getgroups, setegid, seteuid, setgroups } = process;
  // Node has it (process.initgroups), its types do not.
  const { initgroups } = process as { initgroups?: (user: number, group: number) => void };
  const owner = statSync(stateDir, { throwIfNoEntry: false });
  if (geteuid?.() !== 0 || owner === undefined || owner.uid === 0) return work();
  const groups = getgroups?.() ?? [];
  initgroups?.(owner.uid, owner.gid);
  setegid?.(owner.gid);
  seteuid?.(owner.uid);
  try {
    return await work();
  } finally {
    seteuid?.(0);
    setegid?.(0);
    setgroups?.(groups);
  }
}
