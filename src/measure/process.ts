/**
 * Who is at the other end of a socket: facts about a process that the kernel holds and the process cannot choose
 * (design §3 step 1). Everything is read between two looks at the start time, and is believed only where it is certain
 * that the process which connected is still the one that has the pid: by the pidfd that the kernel gave, or, where it
 * gives none, because the process is older than the connection can be. A pid alone may be another's by then. What cannot
 * be read says `unreadable` and is never left out.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import type { Account, Accounts } from './account.ts';
import { cgroupPath, systemdUnit } from './cgroup.ts';
import { type Container, containerOf } from './container.ts';
import type { Executable, ExecutableReader } from './executable.ts';
import type { Observer } from './observer/observer.ts';

/** What the kernel says about the peer of an accepted socket. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups when it connected. */
  readonly groups?: readonly number[] | undefined;
  /** What ties the pid to the process that connected. */
  readonly pin: Pin;
}

/**
 * A pidfd (SO_PEERPIDFD): whether it still names this pid. Or none: ticks since boot before which the connection cannot
 * have been made, `undefined` where nothing is known of it.
 */
export type Pin =
  | { readonly kind: 'pidfd'; readonly alive: () => boolean }
  | { readonly kind: 'age'; readonly connectedAfter: number | undefined };

/** `caller.observed` of a record. */
export interface ObservedCaller {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[] | 'unreadable';
  /** What the host calls these numbers; absent where nobody asked it. */
  readonly account?: Account;
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, in clock ticks since boot. */
  readonly startTicks: number | 'unreadable';
  readonly exe: Executable;
  /** Who read the executable: the daemon, or its root helper. */
  readonly exeMethod: '/proc/pid/exe' | 'attestd-observe';
  readonly cgroup: string | 'unreadable';
  /** The systemd unit that the control group names, where there is one. */
  readonly unit?: string;
  /** Invocation id of that unit, by systemd. */
  readonly invocation?: string;
  readonly container?: Container;
  /** The login that the process descends from, by the kernel's audit: uid and session. */
  readonly login?: { readonly uid: number; readonly session: number };
  readonly method: 'SO_PEERCRED' | 'SO_PEERCRED+SO_PEERPIDFD';
}

export interface ObserveInput {
  readonly executables: ExecutableReader;
  /** The root helper, where there is one. */
  readonly observer?: Observer | undefined;
  /** Names of users and groups, where they are wanted. */
  readonly accounts?: Accounts | undefined;
  readonly proc?: string;
  /** Where systemd keeps the invocation ids of units. */
  readonly units?: string;
}

/** Longest path that is recorded (PATH_MAX); beyond it the kernel does not go either. */
const MAX_PATH = 4096;
const NO_LOGIN = 0xffffffff;

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
export async function observeCaller(peer: PeerCredentials, input: ObserveInput): Promise<ObservedCaller> {
  const { executables, observer, proc = '/proc', units = '/run/systemd/units' } = input;
  const { uid, gid, pid, groups, pin } = peer;
  const dir = `${proc}/${pid}`;
  const named = input.accounts?.of(uid, [...new Set([gid, ...(groups ?? [])])]);
  const before = readStart(dir);
  let exe = before === undefined ? 'unreadable' : await executables.read(`${dir}/exe`);
  let exeMethod: ObservedCaller['exeMethod'] = '/proc/pid/exe';
  if (exe === 'unreadable' && before !== undefined && observer !== undefined) {
    exe = await observer.executable(pid, before);
    exeMethod = 'attestd-observe';
  }
  const cgroup = readCgroup(dir);
  const unit = cgroup === undefined ? undefined : systemdUnit(cgroup);
  const invocation = unit === undefined ? undefined : readInvocation(units, unit);
  const container = cgroup === undefined ? undefined : containerOf(cgroup);
  const login = readLogin(dir);
  // Another process may have the pid by now, or have had it from the beginning; then nothing of this is about the caller.
  const same = before !== undefined && readStart(dir) === before && holds(pin, before);
  const method = pin.kind === 'age' ? 'SO_PEERCRED' : 'SO_PEERCRED+SO_PEERPIDFD';
  const account = await named;
  const told = {
    uid,
    gid,
    groups: groups ?? ('unreadable' as const),
    ...(account === undefined ? {} : { account }),
    pid,
  };
  if (!same) {
    const nothing = { startTicks: 'unreadable', exe: 'unreadable', cgroup: 'unreadable' } as const;
    return { ...told, ...nothing, exeMethod: '/proc/pid/exe', method };
  }
  return {
    ...told,
    startTicks: before,
    exe: exe !== 'unreadable' && exe.path.length <= MAX_PATH ? exe : 'unreadable',
    exeMethod,
    cgroup: cgroup ?? 'unreadable',
    ...(unit === undefined ? {} : { unit }),
    ...(invocation === undefined ? {} : { invocation }),
    ...(container === undefined ? {} : { container }),
    ...(login === undefined ? {} : { login }),
    method,
  };
}

/**
 * Whether the process that started then is the one that connected. Start times are told in whole ticks, so without a
 * pidfd the tick must be over before the first moment at which it can have connected: whoever took the pid over did so
 * after the connection was made, and is younger.
 */
function holds(pin: Pin, started: number): boolean {
  if (pin.kind === 'pidfd') return pin.alive();
  return pin.connectedAfter !== undefined && started < pin.connectedAfter;
}

/** Now, in clock ticks since boot, rounded down, as start times are counted; undefined where it cannot be read. */
export function ticksNow(file = '/proc/uptime'): number | undefined {
  const m = /^(\d+)\.(\d\d) /.exec(readText(file) ?? '');
  return m === null ? undefined : Number(m[1]) * 100 + Number(m[2]);
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

/** What the kernel's audit says: 2^32 - 1 where the process descends from no login. */
function readLogin(dir: string): ObservedCaller['login'] {
  const [uid, session] = ['loginuid', 'sessionid'].map((name) => {
    const text = readText(`${dir}/${name}`);
    return text === undefined || !/^\d{1,10}\n?$/.test(text) ? NO_LOGIN : Number(text);
  }) as [number, number];
  return uid >= NO_LOGIN || session >= NO_LOGIN ? undefined : { uid, session };
}

/** systemd leaves the invocation id of each system unit as the target of a link. */
function readInvocation(units: string, unit: string): string | undefined {
  try {
    const id = readlinkSync(`${units}/invocation:${unit}`);
    return /^[0-9a-f]{32}$/.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
