/**
 * The unit file and drop-ins of the service that this process is, where systemd looks for them (systemd.unit(5)). The
 * unit is the kernel's word (cgroup); which of its files systemd had read, only systemd knows.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupPath, systemdUnit } from './cgroup.ts';

/** In order of precedence. */
const PLACES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
];

/** Paths of the unit's files: the first unit file found, and all drop-ins; none outside of systemd. */
export function unitFiles(cgroupFile = '/proc/self/cgroup', places: readonly string[] = PLACES): string[] {
  let unit: string | undefined;
  try {
    const path = cgroupPath(readFileSync(cgroupFile, 'utf8'));
    unit = path === undefined ? undefined : systemdUnit(path);
  } catch {
    return [];
  }
  if (unit === undefined) return [];
  const name = unit;
  const file = places.map((p) => join(p, name)).find((p) => existsSync(p));
  const dropins = places.flatMap((p) => {
    const dir = join(p, `${name}.d`);
    try {
      return readdirSync(dir)
        .filter((f) => f.endsWith('.conf'))
        .sort()
        .map((f) => join(dir, f));
    } catch {
      return [];
    }
  });
  return file === undefined ? dropins : [file, ...dropins];
}
