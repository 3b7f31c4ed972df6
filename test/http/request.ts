/** A request before it is bytes: what a caller would say, whole, so that a damage can take hold of any part of it. */
import type { Operation } from './document.ts';

export type Socket = 'client' | 'admin';
export type Pair = readonly [string, string];

export interface Request {
  readonly operation: Operation;
  readonly socket: Socket;
  readonly method: string;
  /** Path with its parameters in it, encoded. */
  readonly path: string;
  readonly query: readonly Pair[];
  /** Beside those that every request has. */
  readonly headers: readonly Pair[];
  /** Media type of the body; absent: there is none. */
  readonly media?: string;
  /** What the body says, where it is JSON. */
  readonly value?: unknown;
}

/** What goes over the wire, and what is to be thought of the answer. */
export interface Shot {
  readonly operation?: Operation;
  readonly socket: Socket;
  readonly bytes: Buffer;
  /** Our half is closed behind the bytes. */
  readonly end: boolean;
  /** The answer is to HEAD. */
  readonly head: boolean;
  /** `refuse`: it must not be taken. */
  readonly expect: 'either' | 'refuse';
  /** Methods that the answer must name as allowed. */
  readonly allow?: string;
}

const HOST: Pair = ['host', 'localhost'];
export const CLIENT: Pair = ['attestd-client', 'fuzz/1'];

export const textOf = (r: Request): Buffer =>
  Buffer.from(r.value === undefined ? '' : JSON.stringify(r.value));

/** Path and query of a request. */
export function targetOf({ path, query }: Request): string {
  const text = query.map(([n, v]) => `${encodeURIComponent(n)}=${encodeURIComponent(v)}`).join('&');
  return `${path}${text === '' ? '' : `?${text}`}`;
}

/** Headers of a request as a good caller sends them. */
export function headersOf(r: Request, body: Buffer): Pair[] {
  const framing: Pair[] =
    r.media === undefined
      ? []
      : [
          ['content-type', r.media],
          ['content-length', String(body.length)],
        ];
  return [HOST, CLIENT, ...r.headers, ...framing];
}

/** Request line, headers and body as they are given. */
export function assemble(line: string, headers: readonly Pair[], body: Buffer): Buffer {
  const head = [line, ...headers.map(([n, v]) => `${n}: ${v}`), '', ''].join('\r\n');
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

export interface Wishes {
  readonly expect?: Shot['expect'];
  readonly body?: Buffer;
  readonly headers?: readonly Pair[];
  readonly line?: string;
  readonly end?: boolean;
  readonly allow?: string;
  /** It is a request of no operation any more. */
  readonly stray?: boolean;
}

/** A request on the wire, as a good caller sends it but for what is wished otherwise. */
export function shotOf(r: Request, wishes: Wishes = {}): Shot {
  const { expect = 'either', body = textOf(r), end = false, allow } = wishes;
  const line = wishes.line ?? `${r.method} ${targetOf(r)} HTTP/1.1`;
  return {
    ...(wishes.stray ? {} : { operation: r.operation }),
    socket: r.socket,
    bytes: assemble(line, wishes.headers ?? headersOf(r, body), body),
    end,
    head: line.startsWith('HEAD '),
    expect,
    ...(allow === undefined ? {} : { allow }),
  };
}
