/**
 * A child process that is watched without being disturbed: its streams pass through and are digested on the way,
 * signals pass through, and its end is reported as it was.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants as os } from 'node:os';
import { PassThrough } from 'node:stream';

export interface StreamDigest {
  readonly sha256: string;
  readonly size: number;
}

export interface Ended {
  /** Exit code, or nothing when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly milliseconds: number;
  /** Digests of stdin, stdout and stderr; a stream that was left to the terminal is missing. */
  readonly streams: Readonly<Record<string, StreamDigest>>;
  readonly omitted: readonly string[];
}

const PASSED: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGWINCH',
];

/** Counts and hashes what flows through it. */
function tap(): { stream: PassThrough; digest(): StreamDigest } {
  const hash = createHash('sha256');
  let size = 0;
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    size += chunk.length;
  });
  return { stream, digest: () => ({ sha256: hash.digest('hex'), size }) };
}

export interface Execution {
  /** The file to execute. */
  readonly file: string;
  /** What the command is called by, its argv[0]: programs with many names look at it. */
  readonly name: string;
  readonly args: readonly string[];
  /** Leave all three streams to the terminal; then none is digested. */
  readonly terminal: boolean;
}

/**
 * Runs a command to its end.
 * @throws the error of spawn when the command never started
 */
export async function execute({ file, name, args, terminal }: Execution): Promise<Ended> {
  const stdinLeft = terminal || process.stdin.isTTY === true;
  const child = spawn(file, args, {
    argv0: name,
    stdio: [stdinLeft ? 'inherit' : 'pipe', terminal ? 'inherit' : 'pipe', terminal ? 'inherit' : 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const started = process.hrtime.bigint();
  const stopPassing = passSignals(child);
  const taps: Record<string, ReturnType<typeof tap>> = {};
  if (child.stdin !== null) {
    const t = tap();
    taps.stdin = t;
    // A child that does not read its input is no fault.
    child.stdin.on('error', () => process.stdin.unpipe(t.stream));
    process.stdin.pipe(t.stream).pipe(child.stdin);
  }
  for (const name of ['stdout', 'stderr'] as const) {
    const from = child[name];
    if (from === null) continue;
    const t = tap();
    taps[name] = t;
    from.pipe(t.stream).pipe(process[name], { end: false });
  }
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('close', (c, s) => resolve([c, s]));
  });
  stopPassing();
  process.stdin.unpipe();
  process.stdin.pause();
  const streams: Record<string, StreamDigest> = {};
  for (const [name, t] of Object.entries(taps)) streams[name] = t.digest();
  return {
    code,
    signal,
    milliseconds: Number((process.hrtime.bigint() - started) / 1_000_000n),
    streams,
    omitted: ['stdin', 'stdout', 'stderr'].filter((name) => !(name in streams)),
  };
}

/** Hands signals on; what the terminal sends to the whole group has reached the child already. */
function passSignals(child: ChildProcess): () => void {
  const fromTerminal = new Set<NodeJS.Signals>(
    process.stdin.isTTY === true ? ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGWINCH', 'SIGCONT'] : [],
  );
  const handlers = PASSED.map((name) => {
    const handler = () => {
      if (!fromTerminal.has(name)) child.kill(name);
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}

/** Ends this process the way the child ended: by the same signal where that ends a process. */
export function endLike(ended: Ended): number {
  if (ended.signal === null) return ended.code ?? 1;
  process.kill(process.pid, ended.signal);
  return 128 + (os.signals[ended.signal] ?? 0);
}
