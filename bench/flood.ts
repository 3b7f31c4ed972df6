/**
 * Callers who are no good: each flood keeps so many connections busy in its way, and connects again when it is turned
 * away or cut, until it is stopped; then it says what became of it.
 */
import { connect, type Socket } from 'node:net';
import { requestBody } from './body.ts';

export type FloodKind = 'connections' | 'slow-readers' | 'slow-writers' | 'crumbs' | 'attempts' | 'stream';

export interface FloodInput {
  readonly kind: FloodKind;
  readonly socket: string;
  readonly connections: number;
  /** How long slow ones wait between two bytes, or two looks at what came. */
  readonly everyMs: number;
  /** Length of the stream. */
  readonly bytes?: number;
}

export interface FloodReport {
  /** Connections that were made. */
  readonly connected: number;
  /** Of those, ended by the daemon. */
  readonly ended: number;
  /** Answers that were read, by status; records of a stream by whether they were taken. */
  readonly answers: Readonly<Record<string, number>>;
}

export interface Flood {
  /** Every connection has been tried once. */
  readonly ready: Promise<void>;
  /** A flood of a given length has come to its end. */
  readonly done: Promise<void>;
  report(): FloodReport;
  stop(): void;
}

const record = requestBody();
const head = (path: string, type: string, length: string) =>
  `POST ${path} HTTP/1.1\r\nhost: flood\r\nattestd-client: flood/1\r\ncontent-type: ${type}\r\n${length}\r\n\r\n`;
const STREAM = head('/v1/records?wait=durable', 'application/x-ndjson', 'transfer-encoding: chunked');
const post = (path: string, value: unknown): string => {
  const body = JSON.stringify(value);
  return head(path, 'application/json', `content-length: ${Buffer.byteLength(body)}`) + body;
};
/** What each answer of a stream begins with, but for its bracket. */
const LINE = '"line":';
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

/** Behaves on one new connection. @param count adds to the answers */
type Behaviour = (socket: Socket, slot: number, count: (what: string, n?: number) => void) => void;

/** Counts answers by their status lines, wherever the stream is cut. */
function statuses(socket: Socket, count: (what: string) => void, seen?: (text: string) => void): void {
  let rest = '';
  socket.on('data', (data) => {
    const text = rest + data.toString('latin1');
    const found = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)];
    for (const [, status] of found) count(status as string);
    const last = found.at(-1);
    rest = text.slice(Math.max(text.length - 12, last === undefined ? 0 : last.index + last[0].length));
    seen?.(text);
  });
}

/** Writes the pieces in turn, for ever, as fast as they are taken. */
function pour(socket: Socket, pieces: readonly Buffer[]): void {
  let i = 0;
  const more = () => {
    while (!socket.destroyed && socket.write(pieces[i++ % pieces.length] as Buffer));
  };
  socket.on('drain', more);
  more();
}

/** Asks for nothing. */
const idle: Behaviour = (socket, _slot, count) => statuses(socket, count);

/** Records without end and reads the first answer; then, every other one now and then a little, the rest nothing. */
const slowReader =
  (everyMs: number): Behaviour =>
  (socket, slot, count) => {
    statuses(socket, count, () => {
      socket.pause();
      if (slot % 2 === 0) timers.push(setTimeout(() => socket.resume(), everyMs));
    });
    const timers: NodeJS.Timeout[] = [];
    socket.on('close', () => timers.forEach(clearTimeout));
    socket.write(STREAM);
    pour(socket, [Buffer.from(chunk(`${record}\n`.repeat(32)))]);
  };

/** A byte at a time: of a header, of a body, of a line of a stream. */
const slowWriter =
  (everyMs: number): Behaviour =>
  (socket, slot, count) => {
    statuses(socket, count);
    const whole = post('/v1/records?wait=durable', JSON.parse(record));
    const body = whole.indexOf('\r\n\r\n') + 4;
    const [now, later] = [
      ['', whole],
      [whole.slice(0, body), whole.slice(body)],
      [STREAM, [...record].map(chunk).join('')],
    ][slot % 3] as [string, string];
    let at = 0;
    socket.write(now);
    const timer = setInterval(() => {
      if (at < later.length) socket.write(later[at++] as string);
    }, everyMs);
    socket.on('close', () => clearInterval(timer));
  };

/** As fast as it can, but in chunks of one byte: long lines, and long bodies. */
const crumbs: Behaviour = (socket, slot, count) => {
  statuses(socket, count);
  const long = Buffer.from(chunk('x').repeat(200_000));
  if (slot % 2 === 0) {
    socket.write(STREAM);
    pour(socket, [long, Buffer.from(chunk('\n'))]);
  } else {
    const start = head('/v1/records', 'application/json', 'transfer-encoding: chunked');
    pour(socket, [Buffer.from(start), long, Buffer.from('0\r\n\r\n')]);
  }
};

const ACTION = { type: 'tool.call', name: 'refund.approve', target: 'crm:order/17' };

/** Gets a grant of many uses and begins with it, over and over; nothing is ever completed. */
const opener: Behaviour = (socket, _slot, count) => {
  const ask = post('/v1/grants?wait=durable', { scope: [ACTION], maxUses: 1000, seconds: 3600 });
  let left = 0;
  let begin = '';
  let held = '';
  socket.setEncoding('latin1');
  socket.on('data', (data) => {
    held += data;
    const end = held.indexOf('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(held)?.[1] ?? 'NaN');
    if (end < 0 || held.length < end + 4 + length) return;
    const granted = held.startsWith('HTTP/1.1 201') && left === 0;
    count(held.slice(9, 12));
    if (granted) {
      const id = /"id":"([0-9A-Z]{26})"/.exec(held)?.[1];
      begin = post('/v1/executions?wait=durable', { grant: id, action: ACTION });
      left = 1000;
    } else if (left > 0) left--;
    held = '';
    socket.write(left > 0 ? begin : ask);
  });
  socket.write(ask);
};

/** Starts a flood. */
export function startFlood(input: FloodInput): Flood {
  const { kind, connections, everyMs } = input;
  const answers: Record<string, number> = {};
  const count = (what: string, n = 1) => {
    answers[what] = (answers[what] ?? 0) + n;
  };
  let connected = 0;
  let ended = 0;
  let stopped = false;
  let untried = connections;
  let isReady: () => void = () => undefined;
  let isDone: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const done = new Promise<void>((resolve) => {
    isDone = resolve;
  });
  const open = new Set<Socket>();
  const behave: Behaviour = {
    connections: idle,
    'slow-readers': slowReader(everyMs),
    'slow-writers': slowWriter(everyMs),
    crumbs,
    attempts: opener,
    stream: recorder(input.bytes ?? 0, () => {
      stopped = true;
      isDone();
    }),
  }[kind];

  function dial(slot: number, first: boolean): void {
    if (stopped) return;
    const socket = connect(input.socket);
    let tried = first;
    const over = () => {
      if (tried && --untried === 0) isReady();
      tried = false;
    };
    open.add(socket);
    socket.on('connect', () => {
      connected++;
      over();
      behave(socket, slot, count);
    });
    // EAGAIN: the queue of the socket is full. What else goes wrong shows as an end.
    let full = false;
    socket.on('error', (e: NodeJS.ErrnoException) => {
      full = e.code === 'EAGAIN';
    });
    socket.on('close', () => {
      open.delete(socket);
      if (!full) ended++;
      setTimeout(() => dial(slot, tried), full ? 10 : 0);
    });
  }
  for (let slot = 0; slot < connections; slot++) dial(slot, true);
  return {
    ready,
    done,
    report: () => ({ connected, ended, answers: { ...answers } }),
    stop() {
      stopped = true;
      for (const socket of open) socket.destroy();
    },
  };
}

/** One stream of so many bytes of records, all of whose answers are read. */
function recorder(bytes: number, done: () => void): Behaviour {
  return (socket, _slot, count) => {
    const lines = 64;
    const piece = Buffer.from(chunk(`${record}\n`.repeat(lines)));
    const wanted = Math.ceil(bytes / (record.length + 1));
    let sent = 0;
    let answered = 0;
    let over = false;
    let inHead = true;
    let rest = '';
    const more = () => {
      while (sent < wanted) {
        sent += lines;
        if (!socket.write(piece)) return;
      }
      // It says that it is over, and keeps its side open: whoever closes that wants no answers any more.
      if (!over) socket.write('0\r\n\r\n');
      over = true;
    };
    socket.setEncoding('latin1');
    socket.on('data', (data: unknown) => {
      let text = data as string;
      if (inHead) {
        const end = text.indexOf('\r\n\r\n');
        count(text.slice(9, 12));
        text = text.slice(end + 4);
        inHead = false;
      }
      const before = answered;
      answered += (rest + text).split(LINE).length - 1;
      rest = (rest + text).slice(1 - LINE.length);
      count('lines', answered - before);
      if (answered >= sent && sent >= wanted) done();
    });
    socket.on('drain', more);
    socket.write(STREAM);
    more();
  };
}
