/**
 * The firmware's event log as the kernel hands it out (TCG PC Client Platform Firmware Profile §10), by digest and
 * size. The file is readable by root only on most systems, and the daemon is not root: then it says so.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Observer } from './observer/observer.ts';

/** Where the kernel keeps it. */
export const FIRMWARE_LOG = '/sys/kernel/security/tpm0/binary_bios_measurements';

/** SHA-256 in hex and size in bytes; `absent` where there is no such file, `unreadable` where it may not be read. */
export type FirmwareLog = { readonly sha256: string; readonly size: number } | 'unreadable' | 'absent';

/** Longest log that is read; firmware logs are tens of kilobytes. */
const MAX_SIZE = 16 << 20;

/** A machine that is just starting may answer late, and without the log no record of the whole run can be appraised. */
const TRIES = 3;

/** What a boot entry says of the log, and the log itself where it could be read. */
export interface FirmwareLogFile {
  readonly named: FirmwareLog;
  readonly bytes?: Uint8Array;
}

/**
 * Reads the log. Never throws.
 * @param observer asked where the file may not be read, which is the rule: it is root's
 */
export async function takeFirmwareLog(
  path: string = FIRMWARE_LOG,
  observer?: Observer,
): Promise<FirmwareLogFile> {
  const found = await readOwn(path);
  if (found !== 'unreadable' || observer === undefined) return named(found);
  for (let tries = 1; ; tries++) {
    const log = await observer.log('firmware', MAX_SIZE);
    if (log !== 'unreadable' || tries === TRIES) return named(log);
  }
}

async function readOwn(path: string): Promise<Uint8Array | 'absent' | 'unreadable'> {
  try {
    const bytes = await readFile(path);
    return bytes.length > MAX_SIZE ? 'unreadable' : bytes;
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'ENOENT' ? 'absent' : 'unreadable';
  }
}

function named(found: Uint8Array | 'absent' | 'unreadable'): FirmwareLogFile {
  if (typeof found === 'string') return { named: found };
  const sha256 = createHash('sha256').update(found).digest('hex');
  return { named: { sha256, size: found.length }, bytes: found };
}

/** Reads the log's digest. Never throws. */
export async function readFirmwareLog(path?: string): Promise<FirmwareLog> {
  return (await takeFirmwareLog(path)).named;
}
