/**
 * A child process that is watched without being disturbed: its streams pass through and are digested on the way,
 * signals pass through, and its end is reported as it was.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants as os } from 'node:os';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { makePipes } from './pipe.ts';

export interface StreamDigest {
  readonly sha256: string;
  readonly size: number;
}

export interface Ended {
  /** Exit code, or nothing when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly milliseconds: number;
  /** Digests of what was passed on of stdin, stdout and stderr; a stream that was left to the terminal is missing. */
  readonly streams: Readonly<Record<string, StreamDigest>>;
  readonly omitted: readonly string[];
}

const STREAMS = ['stdin', 'stdout', 'stderr'] as const;
type StreamName = (typeof STREAMS)[number];

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

/** Hands bytes on, one write at a time, and counts and hashes those that were taken. */
function passage(to: Writable): { stream: Writable; digest(): StreamDigest } {
  const hash = createHash('sha256');
  let size = 0;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      to.write(chunk, (fault) => {
        if (fault === null || fault === undefined) {
          hash.update(chunk);
          size += chunk.length;
        }
        done(fault);
      });
    },
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
 * Runs a command to its end: until it has ended and everyone who holds its output has let go of it.
 * @throws the error of spawn when the command never started
 */
export async function execute({ file, name, args, terminal }: Execution): Promise<Ended> {
  const stdinLeft = terminal || process.stdin.isTTY === true;
  const names = STREAMS.slice(stdinLeft ? 1 : 0, terminal ? 0 : undefined);
  const pipes = new Map(makePipes(names.length).map((pipe, i) => [names[i] as StreamName, pipe]));
  const theirs = (name: StreamName) => pipes.get(name)?.[name === 'stdin' ? 'read' : 'write'];
  const ours = (name: StreamName) => pipes.get(name)?.[name === 'stdin' ? 'write' : 'read'];
  const child = spawn(file, args, { argv0: name, stdio: STREAMS.map((n) => theirs(n) ?? 'inherit') });
  for (const name of names) closeSync(theirs(name) as number);
  const started = process.hrtime.bigint();
  const ending = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (c, s) => resolve([c, s]));
  });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
  } catch (e) {
    for (const name of names) closeSync(ours(name) as number);
    throw e;
  }
  const passages = new Map<StreamName, ReturnType<typeof passage>>();
  const outputs: { readonly from: Socket; readonly done: Promise<void> }[] = [];
  let input: Socket | undefined;
  for (const name of names) {
    const socket = new Socket({
      fd: ours(name) as number,
      readable: name !== 'stdin',
      writable: name === 'stdin',
    });
    socket.on('error', () => undefined);
    const p = passage(name === 'stdin' ? socket : process[name]);
    passages.set(name, p);
    if (name === 'stdin') {
      input = socket;
      // A child that does not read its input to the end is no fault.
      pipeline(process.stdin, p.stream).then(
        () => socket.end(),
        () => socket.destroy(),
      );
    } else {
      // When our reader has gone, so has the child's: the pipeline closes its end, and the child meets SIGPIPE itself.
      process[name].removeAllListeners('error').on('error', () => undefined);
      outputs.push({ from: socket, done: pipeline(socket, p.stream).catch(() => undefined) });
    }
  }
  const stopPassing = passSignals(child, () => {
    for (const { from } of outputs) from.destroy();
  });
  const [code, signal] = await ending;
  await Promise.all(outputs.map((o) => o.done));
  stopPassing();
  if (input !== undefined) {
    input.destroy();
    process.stdin.destroy();
  }
  const streams: Record<string, StreamDigest> = {};
  for (const [name, p] of passages) streams[name] = p.digest();
  return {
    code,
    signal,
    milliseconds: Number((process.hrtime.bigint() - started) / 1_000_000n),
    streams,
    omitted: STREAMS.filter((name) => !passages.has(name)),
  };
}

/**
 * Hands signals on; what the terminal sends to the whole group has reached the child already.
 * @param letGo ends the wait for descendants that hold the output of a child that has ended
 */
function passSignals(child: ChildProcess, letGo: () => void): () => void {
  const fromTerminal = new Set<NodeJS.Signals>(
    inForeground() ? ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGWINCH', 'SIGCONT'] : [],
  );
  const handlers = PASSED.map((name) => {
    const handler = () => {
      if (child.exitCode !== null || child.signalCode !== null) {
        // Whoever signals now does not want to wait.
        letGo();
      } else if (!fromTerminal.has(name)) child.kill(name);
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}

/** Whether keys typed at a terminal signal this process and its child alike: proc(5), `tpgid` equals `pgrp`. */
function inForeground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[2] === fields[5];
  } catch {
    return process.stdin.isTTY === true;
  }
}

/** Ends this process the way the child ended: by the same signal where that ends a process. */
export async function endLike(ended: Ended): Promise<number> {
  if (ended.signal === null) return ended.code ?? 1;
  await new Promise((written) => process.stderr.write('', written));
  process.kill(process.pid, ended.signal);
  return 128 + (os.signals[ended.signal] ?? 0);
}
