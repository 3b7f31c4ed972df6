/**
 * The side of attestd: asks the root helper what /proc and securityfs show to root only. A helper that is not there,
 * answers something else or too late costs the fact that was asked for and nothing else: it is `unreadable`.
 */
import { connect } from 'node:net';
import type { Executable } from '../executable.ts';
import {
  createAnswerReader,
  type Ended,
  type LogName,
  parseExecutable,
  parseReport,
  printQuestion,
  type Question,
  type ReportAnswer,
} from './protocol.ts';

export interface Observer {
  /** Path and digest of what this process executes, if it is still the one that started then. Never throws. */
  executable(pid: number, startTicks: number): Promise<Executable>;
  /** A log as the kernel shows it now, or why not. Never throws. @param max bytes beyond which it is given up */
  log(name: LogName, max: number): Promise<Uint8Array | 'absent' | 'unreadable'>;
  /** A report over 64 bytes; undefined where this is no confidential machine. @throws where there is one and none comes */
  report(data: Uint8Array): Promise<ReportAnswer | undefined>;
}

/** How long a question about a caller may take: it waits with its request. */
const CALLER_MS = 2000;
/** How long a log or a report may take to come. */
const LOG_MS = 20_000;
/** Longest path and digest. */
const MAX_EXECUTABLE = 4096 + 65;
const MAX_REPORT = 65_536;
/** Questions under way at once, and how many more wait. */
const AT_ONCE = 32;
const WAITING = 1024;

interface Answer {
  readonly end: Ended;
  readonly bytes: Uint8Array;
}

/**
 * @param path of the helper's socket
 * @param onAway told when the helper cannot be reached, and again only after it could be in between
 */
export function createObserver(path: string, onAway: (why: Error) => void = () => undefined): Observer {
  let away = false;
  let running = 0;
  const queue: (() => void)[] = [];

  async function turn(): Promise<void> {
    if (running < AT_ONCE) {
      running++;
      return;
    }
    if (queue.length >= WAITING) throw new Error('too many questions wait for attestd-observe');
    await new Promise<void>((resolve) => queue.push(resolve));
  }
  function over(): void {
    const next = queue.shift();
    if (next === undefined) running--;
    else next();
  }

  async function ask(question: Question, max: number, ms: number): Promise<Answer> {
    await turn();
    try {
      const answer = await exchange(path, question, max, ms);
      away = false;
      return answer;
    } catch (e) {
      if (!away) onAway(e as Error);
      away = true;
      throw e;
    } finally {
      over();
    }
  }

  return {
    async executable(pid, startTicks) {
      try {
        const { end, bytes } = await ask({ ask: 'exe', pid, startTicks }, MAX_EXECUTABLE, CALLER_MS);
        return end === 'whole' ? parseExecutable(bytes) : 'unreadable';
      } catch {
        return 'unreadable';
      }
    },
    async log(name, max) {
      try {
        const { end, bytes } = await ask({ ask: name }, max, LOG_MS);
        return end === 'whole' ? bytes : end === 'absent' ? 'absent' : 'unreadable';
      } catch {
        return 'unreadable';
      }
    },
    async report(data) {
      const { end, bytes } = await ask({ ask: 'tsm', data }, MAX_REPORT, LOG_MS);
      if (end === 'absent') return undefined;
      if (end !== 'whole') throw new Error(`attestd-observe gives no report: ${end}`);
      return parseReport(bytes);
    },
  };
}

/** One question on a connection of its own. @throws Error */
function exchange(path: string, question: Question, max: number, ms: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    let size = 0;
    const reader = createAnswerReader((piece) => {
      size += piece.length;
      if (size > max) throw new Error(`the answer is longer than ${max} bytes`);
      pieces.push(Uint8Array.from(piece));
    });
    const socket = connect(path);
    const late = setTimeout(() => socket.destroy(new Error(`no answer within ${ms} ms`)), ms);
    socket.on('connect', () => socket.write(printQuestion(question)));
    socket.on('data', (chunk: Buffer) => {
      try {
        const end = reader.take(chunk);
        if (end === undefined) return;
        resolve({ end, bytes: new Uint8Array(Buffer.concat(pieces)) });
        socket.destroy();
      } catch (e) {
        socket.destroy(e as Error);
      }
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(late);
      reject(new Error('the answer is cut off'));
    });
  });
}
