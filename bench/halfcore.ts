/**
 * Holds processes to half a core. By the kernel's own scheduler where a control group can be made (version 2, else 1),
 * otherwise by stopping and continuing them: whoever prints a figure says which.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface HalfCore {
  /** How it is done. */
  readonly how: string;
  /** Holds this process, and the children that it makes from now on. */
  add(pid: number): void;
  /** Once its processes have ended. */
  remove(): void;
}

const PERIOD_US = 20_000;
const QUOTA_US = PERIOD_US / 2;

/** Where a control group file system with this controller is mounted. */
function mountOf(type: 'cgroup' | 'cgroup2', controller: string): string | undefined {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before, after] = line.split(' - ');
    const path = before?.split(' ')[4];
    const [kind, , options] = after?.split(' ') ?? [];
    if (path === undefined || kind !== type) continue;
    if (type === 'cgroup' && options?.split(',').includes(controller)) return path;
    if (type === 'cgroup2' && existsSync(join(path, 'cgroup.controllers'))) {
      if (readFileSync(join(path, 'cgroup.controllers'), 'utf8').split(/\s/).includes(controller))
        return path;
    }
  }
  return undefined;
}

/** @param limit writes the quota into a new group @throws where it cannot be made */
function group(root: string, how: string, limit: (dir: string) => void): HalfCore {
  const dir = join(root, `attestd-bench-${process.pid}`);
  mkdirSync(dir);
  try {
    limit(dir);
  } catch (e) {
    rmdirSync(dir);
    throw e;
  }
  return {
    how,
    add: (pid) => writeFileSync(join(dir, 'cgroup.procs'), String(pid)),
    remove: () => rmdirSync(dir),
  };
}

/** Stops and continues: at most half of the time for a process of one busy thread. */
function duty(): HalfCore {
  const pids = new Set<number>();
  let stopped = false;
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
    for (const pid of pids) {
      try {
        process.kill(pid, name);
      } catch {
        pids.delete(pid);
      }
    }
  };
  const timer = setInterval(() => {
    stopped = !stopped;
    signal(stopped ? 'SIGSTOP' : 'SIGCONT');
  }, QUOTA_US / 1000);
  return {
    how: 'SIGSTOP and SIGCONT in turn, 10 ms each',
    add: (pid) => void pids.add(pid),
    remove() {
      clearInterval(timer);
      signal('SIGCONT');
    },
  };
}

/** The best way that this machine has. */
export function halfCore(): HalfCore {
  const ways: (() => HalfCore | undefined)[] = [
    () => {
      const root = mountOf('cgroup2', 'cpu');
      if (root === undefined) return undefined;
      return group(root, 'cgroup v2, cpu.max', (dir) => {
        if (!existsSync(join(dir, 'cpu.max'))) writeFileSync(join(root, 'cgroup.subtree_control'), '+cpu');
        writeFileSync(join(dir, 'cpu.max'), `${QUOTA_US} ${PERIOD_US}`);
      });
    },
    () => {
      const root = mountOf('cgroup', 'cpu');
      if (root === undefined) return undefined;
      return group(root, 'cgroup v1, cpu.cfs_quota_us', (dir) => {
        writeFileSync(join(dir, 'cpu.cfs_period_us'), String(PERIOD_US));
        writeFileSync(join(dir, 'cpu.cfs_quota_us'), String(QUOTA_US));
      });
    },
  ];
  for (const way of ways) {
    try {
      const made = way();
      if (made !== undefined) return made;
    } catch {
      // No right to make one there; the next way is worse, and says what it is.
    }
  }
  return duty();
}

/** Seconds of processor that a process has used. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // In ticks of USER_HZ, which is 100 on every architecture that Node runs on.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
