/** One connection of a caller that may say anything: bytes out, answers in, taken apart as strictly as HTTP/1.1 has it. */
import { connect } from 'node:net';

export interface Answer {
  readonly status: number;
  /** By name in small letters. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface Conversation {
  /** Whole answers, in order, without the 100s. */
  readonly answers: readonly Answer[];
  /** How it ended: by the server, or because it did not within the time. */
  readonly ended: 'closed' | 'silent';
  /** Bytes after the last whole answer. */
  readonly rest: Buffer;
}

/** Longer than any deadline of the daemon under test. */
const PATIENCE_MS = 10_000;

/**
 * Sends bytes on a connection of its own and listens until the server closes it.
 * @param end whether our half is closed behind the bytes, as by a caller that dies
 * @param heads which of the answers are to HEAD, and so have no body
 */
export function converse(
  path: string,
  bytes: Buffer,
  end: boolean,
  heads: readonly boolean[],
): Promise<Conversation> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    const socket = connect(path);
    const done = (ended: Conversation['ended']) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ...takeApart(Buffer.concat(parts), heads), ended });
    };
    const timer = setTimeout(() => done('silent'), PATIENCE_MS);
    socket.on('connect', () => (end ? socket.end(bytes) : socket.write(bytes)));
    socket.on('data', (part) => parts.push(part));
    // A server that closes while we still write resets us: what it said before still counts.
    socket.on('error', () => undefined);
    socket.on('close', () => done('closed'));
  });
}

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE = /^HTTP\/1\.1 (\d{3}) [\x20-\x7e]*$/;

function takeApart(bytes: Buffer, heads: readonly boolean[]): { answers: Answer[]; rest: Buffer } {
  const answers: Answer[] = [];
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf(HEAD_END);
    if (end < 0) return { answers, rest };
    const [line = '', ...fields] = rest.toString('latin1', 0, end).split('\r\n');
    const m = LINE.exec(line);
    if (m === null) return { answers, rest };
    const headers = new Map(
      fields.map(
        (f) => [f.slice(0, f.indexOf(':')).toLowerCase(), f.slice(f.indexOf(':') + 1).trim()] as const,
      ),
    );
    const status = Number(m[1]);
    const after = rest.subarray(end + 4);
    const found =
      heads[answers.length] === true || status < 200
        ? { body: Buffer.alloc(0), used: 0 }
        : bodyOf(after, headers);
    if (found === undefined) return { answers, rest };
    rest = after.subarray(found.used);
    if (status >= 200) answers.push({ status, headers, body: found.body });
  }
}

function bodyOf(
  after: Buffer,
  headers: ReadonlyMap<string, string>,
): { body: Buffer; used: number } | undefined {
  const length = headers.get('content-length');
  if (length !== undefined) {
    const n = Number(length);
    return after.length < n ? undefined : { body: Buffer.from(after.subarray(0, n)), used: n };
  }
  if (headers.get('transfer-encoding') !== 'chunked') {
    // It ends with the connection.
    return { body: Buffer.from(after), used: after.length };
  }
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const eol = after.indexOf('\r\n', at);
    if (eol < 0) return undefined;
    const size = Number.parseInt(after.toString('latin1', at, eol), 16);
    if (Number.isNaN(size) || after.length < eol + 2 + size + 2) return undefined;
    parts.push(after.subarray(eol + 2, eol + 2 + size));
    at = eol + 2 + size + 2;
    if (size === 0) return { body: Buffer.concat(parts), used: at };
  }
}
