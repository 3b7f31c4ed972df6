/** What both ways of writing a record are given, so that they can be held equal. */
import { concat, u32 } from '../../../src/core/bytes.ts';
import { sha256 } from '../../../src/core/hash.ts';
import type { ObservedCaller } from '../../../src/evidence/schema/execution.ts';

export const LOG = 'example.org/host-1/17';
export const BOOT = 'ab'.repeat(32);
export const TIME = Date.UTC(2026, 10, 21, 15, 2, 11, 250);
export const OBSERVED: ObservedCaller = {
  uid: 1001,
  gid: 1001,
  pid: 4242,
  startTicks: 883212,
  exe: { path: '/usr/bin/agent', sha256: 'cd'.repeat(32) },
  exeMethod: 'procfs',
  cgroup: '/system.slice/agent.service',
  unit: 'agent.service',
  method: 'SO_PEERCRED+SO_PEERPIDFD',
};

/** A source whose bytes differ everywhere and are the same for both builders. */
export function source(): (n: number) => Uint8Array {
  let n = 0;
  return (size) => {
    const blocks = Array.from({ length: Math.ceil(size / 32) }, () => sha256(u32(n++)));
    return concat(...blocks).slice(0, size);
  };
}
