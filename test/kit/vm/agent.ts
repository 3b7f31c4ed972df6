/**
 * The QEMU guest agent at the other end of a virtual serial port: how a test runs commands inside the virtual machine and
 * moves files, without a network. One JSON object a line (QEMU's docs/interop/qemu-ga-ref).
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a command in the machine ended. */
export interface Ended {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Agent {
  /** Runs a line of shell as root and waits for its end. @throws when the machine goes away */
  run(line: string, stdin?: Uint8Array): Promise<Ended>;
  /** The same without waiting, for what ends the machine or puts it to sleep. */
  start(line: string): Promise<void>;
  /** Whether it answers within `ms`. */
  answers(ms?: number): Promise<boolean>;
  close(): void;
}

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

/** Connects, and waits until the agent answers. @throws after `ms`, or when `ended` settles first */
export async function reachAgent(path: string, ended: Promise<unknown>, ms: number): Promise<Agent> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const end = performance.now() + ms;
  const agent = createAgent(await reach(path, () => over || performance.now() > end));
  // Until the agent opens its port, what is written there waits or is lost.
  while (!(await agent.answers(1000))) {
    if (over) throw new Error('the virtual machine ended before its agent answered');
    if (performance.now() > end) throw new Error(`no answer of the guest agent for ${ms / 1000} s`);
  }
  return agent;
}

/** QEMU's socket has its name a moment before it listens. */
async function reach(path: string, given: () => boolean): Promise<Socket> {
  for (;;) {
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const s = connect(path, () => resolve(s));
        s.once('error', reject);
      });
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ECONNREFUSED' || given()) throw e;
      await sleep(50);
    }
  }
}

function createAgent(socket: Socket): Agent {
  let rest = Buffer.alloc(0);
  let waiting: ((a: Answer) => void) | undefined;
  let gone: Error | undefined;
  socket.on('error', () => undefined);
  socket.on('close', () => {
    gone = new Error('the virtual machine went away');
    waiting?.({ error: { class: 'Gone', desc: gone.message } });
  });
  socket.on('data', (more: Buffer) => {
    rest = Buffer.concat([rest, more]);
    for (let at = rest.indexOf(10); at !== -1; at = rest.indexOf(10)) {
      // 0xff stands before the answer to guest-sync-delimited.
      const line = rest.subarray(rest.lastIndexOf(0xff, at) + 1, at).toString();
      rest = rest.subarray(at + 1);
      if (line.trim() !== '') waiting?.(JSON.parse(line) as Answer);
    }
  });
  const call = async (execute: string, args?: object): Promise<unknown> => {
    if (gone !== undefined) throw gone;
    const answer = await new Promise<Answer>((resolve) => {
      waiting = resolve;
      socket.write(`${JSON.stringify({ execute, ...(args ? { arguments: args } : {}) })}\n`);
    });
    waiting = undefined;
    if (answer.error !== undefined) throw new Error(`${execute}: ${answer.error.desc}`);
    return answer.return;
  };
  const launch = async (line: string, stdin?: Uint8Array): Promise<number> => {
    const { pid } = (await call('guest-exec', {
      path: '/bin/bash',
      arg: ['-c', line],
      'capture-output': true,
      ...(stdin ? { 'input-data': Buffer.from(stdin).toString('base64') } : {}),
    })) as { pid: number };
    return pid;
  };
  return {
    async run(line, stdin) {
      const pid = await launch(line, stdin);
      for (;;) {
        const s = (await call('guest-exec-status', { pid })) as {
          exited: boolean;
          exitcode?: number;
          signal?: number;
          'out-data'?: string;
          'err-data'?: string;
          'out-truncated'?: boolean;
        };
        if (!s.exited) {
          await sleep(500);
          continue;
        }
        if (s['out-truncated'] === true) throw new Error(`${line}: more output than the agent carries`);
        return {
          status: s.exitcode ?? 128 + (s.signal ?? 0),
          stdout: Buffer.from(s['out-data'] ?? '', 'base64'),
          stderr: Buffer.from(s['err-data'] ?? '', 'base64').toString(),
        };
      }
    },
    async start(line) {
      await launch(line);
    },
    async answers(ms = 5000) {
      if (gone !== undefined) return false;
      const id = Math.floor(Math.random() * 1e9);
      return new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => {
          waiting = undefined;
          resolve(false);
        }, ms);
        waiting = (a) => {
          // Answers to earlier tries come late.
          if (a.return !== id) return;
          clearTimeout(timer);
          waiting = undefined;
          resolve(true);
        };
        socket.write('\xff', 'latin1');
        socket.write(`${JSON.stringify({ execute: 'guest-sync-delimited', arguments: { id } })}\n`);
      });
    },
    close: () => socket.destroy(),
  };
}
