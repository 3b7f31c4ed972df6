/** What the daemon itself runs in: the kernel's boot id and the versions that make a boot entry readable later. */
import { readFileSync } from 'node:fs';

export interface Environment {
  /** /proc/sys/kernel/random/boot_id, a UUID that changes with every boot of the kernel; or `unreadable`. */
  readonly bootId: string;
  /** Version of Node, without the leading v. */
  readonly node: string;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reads the environment. Never throws. */
export function readEnvironment(bootIdFile = '/proc/sys/kernel/random/boot_id'): Environment {
  let bootId = 'unreadable';
  try {
    const text = readFileSync(bootIdFile, 'utf8').trim();
    if (UUID.test(text)) bootId = text;
  } catch {
    // Not every sandbox shows /proc/sys.
  }
  return { bootId, node: process.versions.node };
}
