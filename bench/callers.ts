/** Starts the yardstick and the callers, each in a process of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './host.ts';
import type { LoadInput, LoadOutput } from './load.ts';

const run = promisify(execFile);
const TOOLS = join(ROOT, 'build/tools/bench');

/** One run of load, whatever is refused. */
export async function tolerantLoad(input: LoadInput): Promise<LoadOutput> {
  const { stdout } = await run('node', [join(TOOLS, 'load.js'), JSON.stringify(input)]);
  return JSON.parse(stdout) as LoadOutput;
}

/** One run of load. @throws when a request was refused, because a refusal is cheap and would flatter the figure */
export async function load(input: LoadInput): Promise<LoadOutput> {
  const output = await tolerantLoad(input);
  if (output.refused > 0) throw new Error(`${output.refused} requests were refused`);
  return output;
}

/** Answers a second of a run. */
export const rate = (o: LoadOutput): number => o.answers / o.seconds;

/** Runs `work` with a bare fastify echo on a socket. */
export async function withEcho<T>(dir: string, work: (socket: string) => Promise<T>): Promise<T> {
  const socket = join(dir, `echo-${process.hrtime.bigint()}.sock`);
  const child: ChildProcess = spawn('node', [join(TOOLS, 'echo.js'), socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    return await work(socket);
  } finally {
    child.kill();
  }
}
