/**
 * Logs of boots, by the digest that a boot entry names: one file for all runs and bundles of a boot, kept because the
 * kernel forgets the log when the machine starts again and bundles of the old run are still asked for.
 *
 * Trusted? No: an attacker who can modify a file can only make it miss the digest in the boot entry; then it is left
 * out of bundles.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FirmwareLogFile } from '../measure/firmware.ts';
import { writeDurably } from './layout.ts';

export interface BootLogFiles {
  /** Keeps a log that could be read. @throws when it cannot be written */
  keep(log: FirmwareLogFile): void;
  /** The log with this SHA-256 in hex; undefined where it is not kept, or not as it was. */
  find(sha256: string): Uint8Array | undefined;
}

/** @param dir made when the first log is kept */
export function createBootLogFiles(dir: string): BootLogFiles {
  return {
    keep({ named, bytes }) {
      if (typeof named === 'string' || bytes === undefined) return;
      const path = join(dir, named.sha256);
      if (!existsSync(path)) writeDurably(path, bytes);
    },
    find(sha256) {
      try {
        const bytes = new Uint8Array(readFileSync(join(dir, sha256)));
        return createHash('sha256').update(bytes).digest('hex') === sha256 ? bytes : undefined;
      } catch {
        return undefined;
      }
    },
  };
}
