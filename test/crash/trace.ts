/**
 * Points of failure: the system calls of a whole life of the daemon that touch its log, found by strace, and the
 * options that make strace break one of them. strace counts calls of each thread by itself, so a point is "the nth
 * such call of whichever thread gets there first"; what was really hit, the trace says.
 */
import { join } from 'node:path';
import { readIfThere, until } from '../kit/host.ts';

/** What makes bytes durable, and what makes and names files. */
const CALLS = [
  'write',
  'writev',
  'pwrite64',
  'pwritev',
  'pwritev2',
  'fdatasync',
  'fsync',
  'msync',
  'rename',
  'renameat',
  'renameat2',
  'openat',
  'mkdir',
  'unlink',
  'ftruncate',
  'fallocate',
] as const;

export type Fault = 'KILL' | 'EIO';

export interface Point {
  readonly call: string;
  /** Which of the thread's, from 1. */
  readonly nth: number;
  readonly fault: Fault;
}

/** strace around a daemon that only writes down what it does to files. `-D`: the daemon is our child, not strace. */
export function watching(file: string): string[] {
  return ['strace', '-D', '-f', '-y', '--seccomp-bpf', '-o', file, '-e', `trace=${CALLS.join()}`];
}

/** strace around a daemon that breaks at a point, looking at these files only. */
export function breaking(file: string, { call, nth, fault }: Point, paths: readonly string[]): string[] {
  // A signal is not delivered where seccomp stops a thread, so only errors may have the faster way.
  const fast = fault === 'EIO' ? ['--seccomp-bpf'] : [];
  const what = fault === 'EIO' ? 'error=EIO' : 'signal=KILL';
  const only = paths.flatMap((p) => ['-P', p]);
  const set = ['-e', `trace=${call}`, '-e', `inject=${call}:${what}:when=${nth}`];
  return ['strace', '-D', '-f', '-y', ...fast, '-o', file, ...only, ...set];
}

/** Every file below `dir` that a trace names, and each call on one with how often a single thread makes it. */
export function survey(text: string, dir: string): { paths: string[]; calls: Map<string, number> } {
  const paths = new Set<string>();
  const perThread = new Map<string, number>();
  const calls = new Map<string, number>();
  for (const line of text.split('\n')) {
    const m = /^(\d+) +(\w+)\((.*)/.exec(line);
    if (m === null) continue;
    const named = [...(m[3] as string).matchAll(/[<"](\/[^>"]*)[>"]/g)].map((x) => x[1] as string);
    const mine = named.filter((p) => p === dir || p.startsWith(`${dir}/`));
    if (mine.length === 0) continue;
    for (const p of mine) paths.add(p);
    const call = m[2] as string;
    const n = (perThread.get(`${m[1]} ${call}`) ?? 0) + 1;
    perThread.set(`${m[1]} ${call}`, n);
    calls.set(call, Math.max(calls.get(call) ?? 0, n));
  }
  return { paths: [...paths], calls };
}

/** Points for each call, the first `most` of it. */
export function pointsOf(calls: ReadonlyMap<string, number>, fault: Fault, most: number): Point[] {
  return [...calls].flatMap(([call, n]) =>
    Array.from({ length: Math.min(n, most) }, (_, i) => ({ call, nth: i + 1, fault })),
  );
}

/** The trace of a daemon that has ended: strace writes its last lines behind it. */
export async function finishedTrace(file: string, pid: number): Promise<string> {
  const last = new RegExp(`^${pid} +\\+\\+\\+ (?:exited|killed)`, 'm');
  return until('strace to finish', () => {
    const text = Buffer.from(readIfThere(file) ?? []).toString();
    return last.test(text) && text;
  });
}

/** Whether the fault came to pass, and on which file. */
export function hit(text: string, { fault }: Point): boolean {
  return fault === 'EIO' ? text.includes('(INJECTED)') : text.includes('killed by SIGKILL');
}

export const traceFile = (dir: string): string => join(dir, 'trace');
