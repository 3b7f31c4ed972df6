/** The sockets: who may connect, and whether somebody listens. None is connected to here. */
import { readFileSync } from 'node:fs';
import { groupName, mayUse, userName } from './account.ts';
import { type Check, type Finding, ok, unknown, warn, wrong } from './check.ts';
import type { Patient } from './patient.ts';

const octal = (mode: number): string => `0${(mode & 0o777).toString(8)}`;

/** Whether a Unix socket listens: flag __SO_ACCEPTCON of /proc/net/unix (proc(5)). */
export function isListening(path: string, table = readFileSync('/proc/net/unix', 'utf8')): boolean {
  return table.split('\n').some((l) => l.endsWith(` ${path}`) && l.split(/ +/)[3] === '00010000');
}

/** A socket that is to be closed to `closed` bits of its mode. */
function judge(p: Patient, section: 'socket' | 'admin_socket', unit: string): Finding {
  const { path } = p.config()[section];
  const s = p.around.stat(path);
  const again = `systemctl restart ${unit} attestd.service`;
  if (s === undefined)
    return unknown(`${path} is not there; the daemon or ${unit} makes it: see daemon.`, again);
  if (!s.isSocket()) return wrong(`${path} is no socket.`, `remove ${path}, then ${again}`);
  if (section === 'admin_socket' && (s.mode & 0o007) !== 0)
    return wrong(
      `${path} is open to everybody (mode ${octal(s.mode)}): whoever connects reads every record.`,
      `chmod o= ${path}; SocketMode= in ${unit}, admin_socket.mode in attestd.toml`,
    );
  if (section === 'socket' && (s.mode & 0o002) !== 0)
    return warn(
      `${path} is open to everybody (mode ${octal(s.mode)}).`,
      `chmod o= ${path}, and name who may: adduser NAME attestd-clients`,
    );
  if (!isListening(path)) return unknown(`${path} is left over: nobody listens there. See daemon.`, again);
  return ok(`${path}, mode ${octal(s.mode)}, group ${groupName(p.around, s.gid)}.`);
}

const socket: Check = {
  id: 'socket',
  title: 'socket of the callers',
  run: (p) => judge(p, 'socket', 'attestd.socket'),
};
const admin: Check = {
  id: 'admin-socket',
  title: 'admin socket',
  run: (p) => judge(p, 'admin_socket', 'attestd-admin.socket'),
};

const access: Check = {
  id: 'socket-access',
  title: 'somebody may record',
  run(p) {
    const { path } = p.config().socket;
    const s = p.around.stat(path);
    if (s === undefined) return unknown(`${path} is not there: see daemon.`);
    const me = p.around.me();
    const group = groupName(p.around, s.gid);
    if ((s.mode & 0o020) === 0 && (s.mode & 0o002) === 0)
      return wrong(
        `Only uid ${s.uid} may connect to ${path} (mode ${octal(s.mode)}).`,
        'SocketMode=0660 in attestd.socket, or socket.mode in attestd.toml',
      );
    // No fault of the host: most of its users are not to record anything.
    if (!mayUse(me, s))
      return warn(
        `The group ${group} may, and you (uid ${me.uid}) are not in it.`,
        `adduser ${userName(p.around, me.uid)} ${group}, and log in anew`,
      );
    return ok(`The group ${group} may.`);
  },
};

const observer: Check = {
  id: 'observer',
  title: 'root helper (attestd-observe)',
  run(p) {
    const { socket: path } = p.config().observer;
    if (path === '')
      return ok('It is not configured: executables of other users are recorded as unreadable.');
    // Where the socket was removed, the unit is up and a start of it does nothing.
    const fix = 'systemctl restart attestd-observe.socket attestd-observe.service';
    const lost = 'executables of other users, and logs that only root may read, stay out of the records';
    const s = p.around.stat(path);
    if (s === undefined) return wrong(`${path} is not there: ${lost}.`, fix);
    if (!s.isSocket() || !isListening(path)) return wrong(`Nobody listens on ${path}: ${lost}.`, fix);
    if (!mayUse(p.account(), s))
      return wrong(
        `The user ${p.account().name} may not connect to ${path}: ${lost}.`,
        'SocketUser=attestd in attestd-observe.socket',
      );
    return ok(`It listens on ${path}.`);
  },
};

export const SOCKET_CHECKS: readonly Check[] = [socket, admin, access, observer];
