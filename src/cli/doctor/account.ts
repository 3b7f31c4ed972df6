/** The daemon's user as /etc/passwd and /etc/group have it, and what that user may do to a file. */
import { readFileSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { Surroundings } from './surroundings.ts';

export interface Account {
  /** The user's name, or its number where it has none. */
  readonly name: string;
  readonly uid: number;
  readonly groups: readonly number[];
  /** Whether it is the user that the package makes; else the owner of the state directory, or whoever runs this. */
  readonly packaged: boolean;
}

const USER = 'attestd';
/** Given to the daemon by its unit, whatever /etc/group says. */
const UNIT_GROUPS = ['tss'];

const rows = (etc: string, file: string): string[][] =>
  readFileSync(join(etc, file), 'utf8')
    .split('\n')
    .map((line) => line.split(':'));

export function accountOf({ etc, stat }: Surroundings, stateDir: string): Account {
  const users = rows(etc, 'passwd');
  const packaged = users.find((u) => u[0] === USER);
  const uid =
    packaged === undefined ? (stat(stateDir)?.uid ?? process.geteuid?.() ?? 0) : Number(packaged[2]);
  const user = packaged ?? users.find((u) => u[2] === String(uid));
  const groups = rows(etc, 'group')
    .filter(
      ([name = '', , , members = '']) =>
        (user !== undefined && members.split(',').includes(user[0] as string)) ||
        (packaged !== undefined && UNIT_GROUPS.includes(name)),
    )
    .map((g) => Number(g[2]));
  return {
    name: user?.[0] ?? String(uid),
    uid,
    groups: [...(user === undefined ? [] : [Number(user[3])]), ...groups],
    packaged: packaged !== undefined,
  };
}

/** Name of a user, or its number. */
export function userName({ etc }: Surroundings, uid: number): string {
  return rows(etc, 'passwd').find((u) => u[2] === String(uid))?.[0] ?? String(uid);
}

/** Name of a group, or its number. */
export function groupName({ etc }: Surroundings, gid: number): string {
  return rows(etc, 'group').find((g) => g[2] === String(gid))?.[0] ?? String(gid);
}

/** Whether the user may read and write a file of this owner, group and mode. */
export function mayUse(
  { uid, groups }: Pick<Account, 'uid' | 'groups'>,
  s: Pick<Stats, 'uid' | 'gid' | 'mode'>,
): boolean {
  if (uid === 0) return true;
  const shift = s.uid === uid ? 6 : groups.includes(s.gid) ? 3 : 0;
  return ((s.mode >> shift) & 6) === 6;
}
