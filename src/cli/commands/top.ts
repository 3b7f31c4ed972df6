/**
 * `attestctl top`: the daemon live. A screen that is drawn again each second in a terminal, a line every five seconds
 * elsewhere, a JSON object a line with --json. It reads the admin socket, for the counts are of all callers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_SOCKET, openTransport, socketPath } from '../../client/transport.ts';
import { utf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Input, text } from '../command.ts';
import type { Io } from '../io.ts';
import { type Look, type Picture, pictureOf, readSeries } from '../top.ts';
import { fitted, lineOf, screenOf } from '../topscreen.ts';
import { VERSION } from '../version.ts';

const ADMIN_SOCKET = DEFAULT_SOCKET.replace('attestd.sock', 'admin.sock');
/** Another screen of the terminal without a cursor, and back. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
/** q, Q, Ctrl-C and Ctrl-D. */
const QUIT = [0x71, 0x51, 0x03, 0x04];
const HOME = '\x1b[H';
/** How long a daemon may take for its metrics. What hangs must not be shown as it was before. */
const PATIENCE_MS = 5000;
const TO_END = '\x1b[J';

function positive(input: Input, name: string): number | undefined {
  const given = text(input, name);
  if (given === undefined) return undefined;
  const n = Number(given);
  if (!/^[0-9]{1,6}$/.test(given) || n === 0)
    throw new AttestdError('USAGE', `--${name} is a whole number above 0`, { field: `--${name}` });
  return n;
}

export async function run(input: Input): Promise<number> {
  const { io } = input;
  const live = io.stdoutIsTerminal && !io.json;
  const every = positive(input, 'interval') ?? (live || io.json ? 1 : 5);
  const most = positive(input, 'count') ?? Number.POSITIVE_INFINITY;
  const socket = socketPath(text(input, 'socket') ?? io.environment.ATTESTD_SOCKET ?? ADMIN_SOCKET);
  let transport = openTransport(socket, `attestctl/${VERSION}`);
  const quit = new AbortController();
  const look = async (): Promise<Look | undefined> => {
    const waiting = new AbortController();
    const signal = AbortSignal.any([waiting.signal, quit.signal]);
    const late = sleep(PATIENCE_MS, true, { signal }).catch(() => false);
    const answer = transport.call({ method: 'GET', path: '/metrics' });
    try {
      const first = await Promise.race([answer, late]);
      if (first === false) return undefined;
      if (first === true) {
        // With it goes the question that hangs, else a long look at a daemon that hangs would take all its connections.
        transport.close();
        transport = openTransport(socket, `attestctl/${VERSION}`);
        throw new AttestdError('DAEMON_UNAVAILABLE', `${socket}: no answer for ${PATIENCE_MS / 1000} s`);
      }
      return { at: performance.now(), series: readSeries(new TextDecoder().decode(first.body)) };
    } finally {
      waiting.abort();
      answer.catch(() => undefined);
    }
  };
  const stop = live ? takeTerminal(io, quit) : () => undefined;
  try {
    let before: Look | undefined;
    for (let shown = 0; shown < most && !quit.signal.aborted; shown++) {
      if (shown > 0) await sleep(every * 1000, undefined, { signal: quit.signal }).catch(() => undefined);
      if (quit.signal.aborted) break;
      let now: Look | undefined;
      try {
        now = await look();
      } catch (e) {
        // A daemon that restarts is what one watches for; a first look that fails is a mistake.
        if (!live || shown === 0) throw e;
        draw(io, [io.style('red', (e as Error).message), io.style('dim', 'q ends')]);
      }
      if (now !== undefined) show(io, live, pictureOf(now, before), socket);
      before = now;
    }
    return 0;
  } finally {
    stop();
    transport.close();
  }
}

function show(io: Io, live: boolean, picture: Picture, socket: string): void {
  if (io.json) io.out(`${JSON.stringify(picture)}\n`);
  else if (live) draw(io, screenOf(picture, socket, io.style));
  else io.out(`${lineOf(picture)}\n`);
}

/** Puts lines where those before were: no more than there is room for, or the terminal would scroll the first ones away. */
function draw(io: Io, lines: readonly string[]): void {
  const { columns, rows } = io.stdoutSize();
  io.out(utf8(`${HOME}${fitted(lines, columns, rows).join('\x1b[K\r\n')}\x1b[K${TO_END}`));
}

/** Draws on a screen of its own until q or Ctrl-C; what it returns puts the terminal back. */
function takeTerminal(io: Io, quit: AbortController): () => void {
  const { stdin } = io;
  const typed = (bytes: Buffer): void => {
    if (bytes.some((b) => QUIT.includes(b))) quit.abort();
  };
  const end = (): void => quit.abort();
  if (stdin.isTTY) {
    stdin.setRawMode(true);
    stdin.on('data', typed);
    stdin.resume();
  }
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  io.out(utf8(ENTER));
  return () => {
    io.out(utf8(LEAVE));
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
    if (stdin.isTTY) {
      stdin.off('data', typed);
      stdin.setRawMode(false);
      stdin.pause();
    }
  };
}
