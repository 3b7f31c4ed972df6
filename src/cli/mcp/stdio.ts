/**
 * A stdio MCP server behind the gate. Asking goes on side by side, passing in the order in which lines came; a reader
 * that is slow slows the writer. When the server ends, what is open is answered and recorded as lost.
 */
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { AttestdError } from '../../core/errors.ts';
import { createLineReader } from '../../daemon/lines.ts';
import type { Calls } from './calls.ts';
import { type Gate, isSplit, split, tooLong } from './gate.ts';

export interface StdioInput {
  readonly command: readonly [string, ...string[]];
  readonly gate: Gate;
  readonly calls: Calls;
  readonly agent: { readonly input: Readable; readonly output: Writable };
  /** Longest message, in bytes. */
  readonly maxLine: number;
  readonly note: (text: string) => void;
}

/** Lines that wait for their turn; more are not read. */
const WINDOW = 64;
const NEWLINE = Buffer.from('\n');

/** Runs the server to its end. @returns its exit status */
export async function serveStdio({
  command,
  gate,
  calls,
  agent,
  maxLine,
  note,
}: StdioInput): Promise<number> {
  const [file, ...args] = command;
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (e: NodeJS.ErrnoException) =>
      reject(new AttestdError('USAGE', `${file} does not start: ${e.code}`, { cause: e })),
    );
  });
  const ended = new Promise<number>((resolve) => {
    child.once('close', (code) => resolve(code ?? 1));
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.stdin.on('error', () => undefined);
  agent.output.on('error', () => child.kill());
  const asked = inOrder(agent.input, maxLine, async (line) => {
    if (line === undefined) return () => write(agent.output, Buffer.from(`${tooLong(maxLine)}\n`));
    if (isSplit(line)) return () => write(agent.output, Buffer.from(`${split()}\n`));
    const { pass, answer } = await gate.fromAgent(line, '');
    if (pass) return () => write(child.stdin, line, NEWLINE);
    if (answer === undefined) return () => Promise.resolve();
    return () => write(agent.output, Buffer.from(`${answer}\n`));
  }).then(() => child.stdin.end());
  const answered = inOrder(child.stdout, maxLine, async (line) => {
    if (line === undefined) {
      note(`the server sent a message of more than ${maxLine} bytes; it is ended`);
      child.kill();
      return () => Promise.resolve();
    }
    await gate.fromServer(line, '');
    return () => write(agent.output, line, NEWLINE);
  });
  const status = await ended;
  await answered;
  agent.input.destroy();
  await calls.endAll({ kind: 'lost' });
  await asked.catch(() => undefined);
  // What was asked for while the server ended was begun after that.
  await calls.endAll({ kind: 'lost' });
  return status;
}

/** Works on lines side by side, and does what came of them in their order. An overlong line is undefined. */
async function inOrder(
  from: Readable,
  maxLine: number,
  work: (line: Buffer | undefined) => Promise<() => Promise<void>>,
): Promise<void> {
  const lines = createLineReader(maxLine);
  let tail: Promise<void> = Promise.resolve();
  let waiting = 0;
  let room: (() => void) | undefined;
  const take = async (line: ReturnType<typeof lines.next>): Promise<void> => {
    if (line === undefined) return;
    while (waiting >= WINDOW)
      await new Promise<void>((resolve) => {
        room = resolve;
      });
    waiting++;
    const turn = work(line.kind === 'long' ? undefined : Buffer.from(line.bytes));
    turn.catch(() => undefined);
    tail = tail
      .then(async () => (await turn)())
      .finally(() => {
        waiting--;
        room?.();
      });
    tail.catch(() => undefined);
  };
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      lines.push(chunk);
      for (let line = lines.next(); line !== undefined; line = lines.next()) await take(line);
    }
  } catch (e) {
    // A stream that was cut off has no more lines.
    if ((e as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw e;
  }
  await take(lines.rest());
  await tail;
}

function write(to: Writable, ...parts: readonly Uint8Array[]): Promise<void> {
  if (to.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    to.write(parts.length === 1 ? parts[0] : Buffer.concat(parts), () => resolve());
  });
}
