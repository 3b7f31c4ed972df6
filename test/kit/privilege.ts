/**
 * Tests that take other uids, choose pids or mount file systems. A check that did not run is not a pass: where the right to
 * is missing they fail, unless ATTESTD_TESTS_WITHOUT names it, and then they count as skipped.
 */
import { readFileSync } from 'node:fs';

/** Bits of the effective set (capabilities(7)). */
const SYS_ADMIN = 21n;
const CHECKPOINT_RESTORE = 40n;

const has = (bit: bigint): boolean => {
  const set = /^CapEff:\t(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${set}`) >> bit) & 1n) === 1n;
};

const RIGHTS = {
  root: ['take other uids', () => process.getuid?.() === 0],
  pids: [
    'choose pids (CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN)',
    () => has(SYS_ADMIN) || has(CHECKPOINT_RESTORE),
  ],
  mounts: ['mount file systems (CAP_SYS_ADMIN)', () => has(SYS_ADMIN)],
} as const;

/** For `runIf`. @throws where the right is missing and nobody said that tests go without it */
export function may(right: keyof typeof RIGHTS): boolean {
  const [what, held] = RIGHTS[right];
  if (held()) return true;
  if ((process.env.ATTESTD_TESTS_WITHOUT ?? '').split(',').includes(right)) return false;
  throw new Error(
    `these tests ${what}: run them as root, or leave them out, counted as skipped, by ATTESTD_TESTS_WITHOUT=${right}`,
  );
}
