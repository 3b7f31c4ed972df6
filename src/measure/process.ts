/**
 * Who is at the other end of a socket: facts about a process that the kernel holds and the process cannot choose
 * (design §3 step 1). Everything is read between two looks at the start time (and at the pidfd, where the kernel
 * gives one), because a pid from SO_PEERCRED can be taken over by another process. What cannot be read says
 * `unreadable` and is never left out.
 */
import { readFileSync } from 'node:fs';
import { cgroupPath, systemdUnit } from './cgroup.ts';
import type { Executable, ExecutableReader } from './executable.ts';

/** What the kernel says about the peer of an accepted socket. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Where the kernel gave a pidfd (SO_PEERPIDFD): whether it still names this pid. */
  readonly alive?: (() => boolean) | undefined;
}

/** `caller.observed` of a record. */
export interface ObservedCaller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, in clock ticks since boot. */
  readonly startTicks: number | 'unreadable';
  readonly exe: Executable;
  /** How the executable was learnt. */
  readonly exeMethod: '/proc/pid/exe';
  readonly cgroup: string | 'unreadable';
  /** The systemd unit that the control group names, where there is one. */
  readonly unit?: string;
  readonly method: 'SO_PEERCRED' | 'SO_PEERCRED+SO_PEERPIDFD';
}

/** Longest path that is recorded (PATH_MAX); beyond it the kernel does not go either. */
const MAX_PATH = 4096;

/**
 * Start time of a process in clock ticks since boot (proc(5), field 22 of stat). The command name in field 2 may
 * hold spaces and brackets, so the fields are counted from the last closing bracket.
 */
export function startTicks(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[19]);
  return Number.isSafeInteger(ticks) && ticks > 0 ? ticks : undefined;
}

/** Reads what is known about the process behind `peer`. Never throws. */
export async function observeCaller(
  peer: PeerCredentials,
  executables: ExecutableReader,
  proc = '/proc',
): Promise<ObservedCaller> {
  const dir = `${proc}/${peer.pid}`;
  const before = readStart(dir);
  const exe = await executables.read(`${dir}/exe`);
  const cgroup = readCgroup(dir);
  // Another process may have the pid by now; then nothing that was read is about the caller.
  const same = before !== undefined && readStart(dir) === before && (peer.alive?.() ?? true);
  const path = same ? cgroup : undefined;
  const unit = path === undefined ? undefined : systemdUnit(path);
  return {
    uid: peer.uid,
    gid: peer.gid,
    pid: peer.pid,
    startTicks: same ? before : 'unreadable',
    exe: same && exe !== 'unreadable' && exe.path.length <= MAX_PATH ? exe : 'unreadable',
    exeMethod: '/proc/pid/exe',
    cgroup: path ?? 'unreadable',
    ...(unit === undefined ? {} : { unit }),
    method: peer.alive === undefined ? 'SO_PEERCRED' : 'SO_PEERCRED+SO_PEERPIDFD',
  };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function readStart(dir: string): number | undefined {
  const stat = readText(`${dir}/stat`);
  return stat === undefined ? undefined : startTicks(stat);
}

function readCgroup(dir: string): string | undefined {
  const text = readText(`${dir}/cgroup`);
  if (text === undefined || text.includes('\ufffd')) return undefined;
  const path = cgroupPath(text);
  return path === undefined || path.length > MAX_PATH ? undefined : path;
}
