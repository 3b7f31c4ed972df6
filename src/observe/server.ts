/**
 * The helper's socket: one uid is answered, one question on a connection, and whoever is silent, spells it another way or
 * does not take the answer is cut off. Nothing that is read is kept, and nothing is decided here.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  END,
  MAX_QUESTION,
  parseQuestion,
  printPiece,
  printRefusal,
  type Question,
} from '../measure/observer/protocol.ts';
import type { Addon } from '../native/addon.ts';
import { answer, type Sources } from './answers.ts';

export interface ObserveInput {
  readonly native: Pick<Addon, 'peerCredentials' | 'closeFd'>;
  /** The one that is answered. */
  readonly uid: number;
  readonly sources: Sources;
  /** A peer was cut off; a constant sentence. */
  readonly onCut: (why: string) => void;
  /** How long a peer may be silent, in milliseconds. */
  readonly patienceMs?: number;
}

/** Most connections at once; the one caller keeps to half of it. */
const MAX_CONNECTIONS = 64;
const PATIENCE_MS = 10_000;

/** The server; it does not listen yet. */
export function createObserveServer(input: ObserveInput): Server {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.setTimeout(input.patienceMs ?? PATIENCE_MS, () => cut('a peer was silent for too long'));
    function cut(why: string): void {
      input.onCut(why);
      socket.destroy();
    }
    if (peerOf(socket, input) !== input.uid) {
      cut('a peer is not the one that is answered');
      return;
    }
    let line = Buffer.alloc(0);
    let asked = false;
    socket.on('data', (chunk: Buffer) => {
      if (asked) {
        cut('a peer went on after its question');
        return;
      }
      line = Buffer.concat([line, chunk.subarray(0, MAX_QUESTION + 1)]);
      const end = line.indexOf(0x0a);
      if (end < 0 && line.length < MAX_QUESTION) return;
      const question = end === line.length - 1 ? parseQuestion(line.toString('latin1', 0, end)) : undefined;
      if (question === undefined) {
        cut('a question is not spelt as it must be');
        return;
      }
      asked = true;
      reply(socket, question, input.sources).catch(() => socket.destroy());
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

async function reply(socket: Socket, question: Question, sources: Sources): Promise<void> {
  const pieces = answer(question, sources);
  try {
    while (socket.writable) {
      const next = await pieces.next();
      if (next.done === true) {
        socket.end(next.value === undefined ? END : printRefusal(next.value));
        return;
      }
      if (!socket.write(printPiece(next.value)))
        await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    }
  } finally {
    // A file that is half read is closed, whoever ended first.
    await pieces.return(undefined);
  }
}

/** The uid of the peer, by the kernel; undefined where it does not say. */
function peerOf(socket: Socket, { native }: ObserveInput): number | undefined {
  const fd = (socket as unknown as { _handle?: { fd?: unknown } })._handle?.fd;
  try {
    const { uid, pidfd } = native.peerCredentials(fd as number);
    if (pidfd !== undefined) native.closeFd(pidfd);
    return uid;
  } catch {
    return undefined;
  }
}
