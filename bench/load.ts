/**
 * The callers: a process of its own that speaks HTTP/1.1 over a Unix socket with as little work as it can, so that what
 * is measured is the server. Started with one JSON argument, prints one JSON line.
 */
import { connect, type Socket } from 'node:net';
import { requestBody } from './body.ts';

export interface LoadInput {
  readonly socket: string;
  readonly path: string;
  /** `serial`: each connection sends when its last answer is there; `stream`: one NDJSON stream. */
  readonly mode: 'serial' | 'stream' | 'paced';
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second over all connections, for `paced`. */
  readonly rate?: number;
}

export interface LoadOutput {
  readonly answers: number;
  readonly seconds: number;
  readonly refused: number;
  /** Milliseconds, sorted, at most 200,000 of them. */
  readonly p50: number;
  readonly p99: number;
}

const body = requestBody();
const HEAD_END = Buffer.from('\r\n\r\n');

function request(path: string): Buffer {
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: bench\r\nattestd-client: bench/1\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Calls `done(ok)` for each whole answer on the socket. */
function onAnswers(socket: Socket, done: (ok: boolean) => void): void {
  let held: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (;;) {
      const end = held.indexOf(HEAD_END);
      if (end < 0) return;
      const head = held.toString('latin1', 0, end);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 'NaN');
      if (Number.isNaN(length)) throw new Error(`an answer without a length: ${head}`);
      if (held.length < end + 4 + length) return;
      held = held.subarray(end + 4 + length);
      done(head.startsWith('HTTP/1.1 2'));
    }
  });
}

async function serial(input: LoadInput): Promise<LoadOutput> {
  const bytes = request(input.path);
  const times: number[] = [];
  let answers = 0;
  let refused = 0;
  const start = performance.now();
  const end = start + input.seconds * 1000;
  await Promise.all(
    Array.from({ length: input.connections }, () => {
      const { promise, resolve, reject } = deferred();
      const socket = connect(input.socket);
      let sent = 0;
      const send = () => {
        sent = performance.now();
        socket.write(bytes);
      };
      socket.on('error', reject);
      onAnswers(socket, (ok) => {
        const now = performance.now();
        if (ok) answers++;
        else refused++;
        if (times.length < 200_000) times.push(now - sent);
        if (now < end) send();
        else {
          socket.destroy();
          resolve();
        }
      });
      socket.on('connect', send);
      return promise;
    }),
  );
  return report(answers, refused, start, times);
}

/** Requests at a fixed rate whatever the answers do; latency counts from the time a request was due. */
async function paced(input: LoadInput): Promise<LoadOutput> {
  const bytes = request(input.path);
  const rate = input.rate as number;
  const total = Math.round(rate * input.seconds);
  const times: number[] = [];
  let answers = 0;
  let refused = 0;
  const idle: { socket: Socket; due: number }[] = [];
  const waiting: number[] = [];
  const { promise, resolve, reject } = deferred();
  const sockets: Socket[] = [];
  while (sockets.length < input.connections) {
    const socket = await opened(input.socket);
    // A full backlog (EAGAIN) is no fault of a measurement that has not begun: wait for the server to accept.
    if (socket === undefined) await new Promise((later) => setTimeout(later, 5));
    else sockets.push(socket);
  }
  const start = performance.now();
  for (const socket of sockets) {
    const slot = { socket, due: 0 };
    socket.on('error', reject);
    onAnswers(socket, (ok) => {
      if (ok) answers++;
      else refused++;
      times.push(performance.now() - slot.due);
      if (answers + refused === total) resolve();
      const next = waiting.shift();
      if (next === undefined) idle.push(slot);
      else {
        slot.due = next;
        socket.write(bytes);
      }
    });
    idle.push(slot);
  }
  let offered = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    while (offered < total && start + (offered * 1000) / rate <= now) {
      const due = start + (offered * 1000) / rate;
      offered++;
      const slot = idle.pop();
      if (slot === undefined) waiting.push(due);
      else {
        slot.due = due;
        slot.socket.write(bytes);
      }
    }
    if (offered === total) clearInterval(timer);
  }, 1);
  await promise;
  for (const socket of sockets) socket.destroy();
  return report(answers, refused, start, times);
}

function opened(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', (e: NodeJS.ErrnoException) =>
      e.code === 'EAGAIN' ? resolve(undefined) : reject(e),
    );
  });
}

/** One chunked NDJSON request; answers are counted by line. */
async function stream(input: LoadInput): Promise<LoadOutput> {
  const batch = 64;
  const lines = Buffer.from(`${body}\n`.repeat(batch));
  const chunk = Buffer.concat([Buffer.from(`${lines.length.toString(16)}\r\n`), lines, Buffer.from('\r\n')]);
  const { promise, resolve, reject } = deferred();
  const socket = connect(input.socket);
  let sent = 0;
  let newlines = 0;
  let ended = false;
  let inHead = true;
  let last = 0;
  const start = performance.now();
  socket.on('error', reject);
  socket.write(
    `POST ${input.path} HTTP/1.1\r\nhost: bench\r\nattestd-client: bench/1\r\n` +
      'content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  const pump = () => {
    while (!ended) {
      if (performance.now() - start >= input.seconds * 1000) {
        ended = true;
        socket.write('0\r\n\r\n');
        return;
      }
      // A window of answers, as a caller that reads its receipts would keep one.
      if (sent - newlines > 8192) return void setImmediate(pump);
      sent += batch;
      if (!socket.write(chunk)) return void socket.once('drain', pump);
      return void setImmediate(pump);
    }
  };
  socket.on('data', (data: Buffer) => {
    let from = 0;
    if (inHead) {
      const end = data.indexOf(HEAD_END);
      if (end < 0) return;
      if (!data.toString('latin1', 0, 12).startsWith('HTTP/1.1 2')) return reject(new Error(data.toString()));
      inHead = false;
      from = end + 4;
    }
    // Lines end in "}\n"; the framing of the chunks ends in "\r\n". A line may end at the edge of a read.
    for (let i = data.indexOf(10, from); i >= 0; i = data.indexOf(10, i + 1)) {
      if ((i === from ? last : data[i - 1]) === 0x7d) newlines++;
    }
    last = data[data.length - 1] as number;
    if (ended && newlines >= sent) resolve();
  });
  socket.on('close', () => reject(new Error(`the stream ended after ${newlines} of ${sent} answers`)));
  pump();
  await promise;
  socket.destroy();
  return report(newlines, 0, start, [0]);
}

function report(answers: number, refused: number, start: number, times: number[]): LoadOutput {
  times.sort((a, b) => a - b);
  const at = (q: number) => times[Math.min(times.length - 1, Math.floor(times.length * q))] ?? Number.NaN;
  return { answers, refused, seconds: (performance.now() - start) / 1000, p50: at(0.5), p99: at(0.99) };
}

/** Promise.withResolvers, which is younger than Node 20. */
function deferred(): { promise: Promise<void>; resolve: () => void; reject: (e: unknown) => void } {
  let resolve: () => void = () => undefined;
  let reject: (e: unknown) => void = () => undefined;
  const promise = new Promise<void>((a, b) => {
    resolve = a;
    reject = b;
  });
  return { promise, resolve, reject };
}

const input = JSON.parse(process.argv[2] as string) as LoadInput;
const output = await { serial, paced, stream }[input.mode](input);
process.stdout.write(`${JSON.stringify(output)}\n`);
