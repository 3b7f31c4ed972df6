/**
 * An MCP server by streamable HTTP behind the gate: a loopback address in front, the server's URL behind. Bodies are
 * read whole and bounded, so that they pass or do not; answers are looked at on their way, as JSON or event by event.
 * A page in a browser is kept out by Host and Origin, as the protocol demands of servers on loopback.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as plainRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import { request as tlsRequest } from 'node:https';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import type { Calls } from './calls.ts';
import { createEventReader } from './events.ts';
import { type Gate, SINGLE, tooLong } from './gate.ts';

export interface HttpInput {
  readonly url: URL;
  readonly gate: Gate;
  readonly calls: Calls;
  readonly port: number;
  readonly maxBody: number;
  readonly note: (text: string) => void;
}

/** Of one connection only; never handed on (RFC 9110 §7.6.1). */
const HOP = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
  'host',
]);
function onward(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const named = (headers.connection ?? '').toLowerCase().split(/\s*,\s*/);
  return Object.fromEntries(Object.entries(headers).filter(([n]) => !HOP.has(n) && !named.includes(n)));
}
/** The session of a request; each without one is a session of its own, for several agents may use the same ids. */
const sessionOf = (headers: IncomingHttpHeaders): string =>
  headers['mcp-session-id'] === undefined ? `${SINGLE}${count++}` : ` ${headers['mcp-session-id']}`;
let count = 0;
/** Methods of the protocol; messages go by POST alone. */
const METHODS = new Set(['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS']);
/** A server that honours another charset than UTF-8 would read another message than the gate. */
const isUtf8 = (type = ''): boolean =>
  !/charset/i.test(type) || /;\s*charset\s*=\s*"?utf-8"?\s*$/i.test(type);

/** Listens on 127.0.0.1. @throws USAGE when the port is taken or the URL is none of HTTP */
export async function startHttp(input: HttpInput): Promise<Server> {
  if (!/^https?:$/.test(input.url.protocol))
    throw new AttestdError('USAGE', `${input.url.href} is no URL of HTTP`);
  const server = createServer((request, response) => {
    serve(input, request, response).catch((e: Error) => {
      input.note(e.message);
      if (response.headersSent) response.destroy();
      else response.writeHead(502, { 'content-type': 'text/plain' }).end(`${e.message}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new AttestdError('USAGE', `port ${input.port}: ${cause.message}`, { cause })),
    );
    server.listen(input.port, '127.0.0.1', resolve);
  });
  return server;
}

async function serve(input: HttpInput, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { gate, calls, maxBody } = input;
  if (!isLocal(request)) {
    response
      .writeHead(403, { 'content-type': 'text/plain' })
      .end('only programs on this host, by its loopback address\n');
    return;
  }
  const body = await whole(request, maxBody);
  const answer = (status: number, text: string) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  if (body === undefined) {
    response.setHeader('connection', 'close');
    answer(413, tooLong(maxBody));
    return;
  }
  const session = sessionOf(request.headers);
  const plain = (status: number, why: string) =>
    response.writeHead(status, { 'content-type': 'text/plain' }).end(`not forwarded: ${why}\n`);
  let begun: readonly string[] = [];
  if (request.method === 'POST') {
    if (!isUtf8(request.headers['content-type'])) return void plain(415, 'a message is in UTF-8');
    const { pass, answer: text, calls: passed = [] } = await gate.fromAgent(body, session);
    if (!pass) {
      if (text === undefined) response.writeHead(202).end();
      else answer(200, text);
      return;
    }
    begun = passed;
  } else if (body.length > 0 || !METHODS.has(request.method ?? '')) {
    return void plain(405, 'messages go by POST');
  }
  let resumable = false;
  try {
    resumable = await relay(input, request, response, body, session);
  } finally {
    // What is not answered here may still be answered to whoever asks for the rest of the stream; else nowhere.
    if (!resumable) await Promise.all(begun.map((key) => calls.end(key, { kind: 'lost' })));
  }
  if (request.method === 'DELETE') await calls.endAll({ kind: 'lost' }, `${session}\n`);
}

/** Hands a request on and its answer back. @returns whether more of it may be asked for in another request */
async function relay(
  { url, gate, maxBody }: HttpInput,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  session: string,
): Promise<boolean> {
  const ask = url.protocol === 'https:' ? tlsRequest : plainRequest;
  const headers = { ...onward(request.headers), host: url.host, 'accept-encoding': 'identity' };
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    const up = ask(url, { method: request.method, headers }, resolve);
    up.on('error', reject);
    response.on('close', () => up.destroy());
    up.end(body);
  });
  const type = (reply.headers['content-type'] ?? '').toLowerCase();
  if (!type.startsWith('text/event-stream')) {
    const text = await whole(reply, maxBody);
    if (text === undefined) throw new AttestdError('TOO_LARGE', `an answer of more than ${maxBody} bytes`);
    await gate.fromServer(text, session);
    response.writeHead(reply.statusCode ?? 502, onward(reply.headers)).end(text);
    return false;
  }
  response.writeHead(reply.statusCode ?? 502, onward(reply.headers));
  response.flushHeaders();
  const events = createEventReader(maxBody);
  try {
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      // The bytes go on as they came, once the answers that end in them are on record.
      for (const data of events.push(chunk)) await gate.fromServer(data, session);
      if (!response.write(chunk) && !response.destroyed)
        await new Promise<void>((resolve) => response.once('drain', resolve).once('close', resolve));
    }
    response.end();
  } catch (e) {
    response.destroy();
    if (!events.resumable || isAttestdError(e)) throw e;
  }
  return events.resumable && !session.startsWith(SINGLE);
}

/** A body, or nothing when it is longer than it may be. */
async function whole(from: IncomingMessage, max: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of from as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > max) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function isLocal({ headers }: IncomingMessage): boolean {
  const local = (host: string | undefined) =>
    /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?$/.test(host ?? '');
  const { origin } = headers;
  return local(headers.host) && (origin === undefined || local(/^https?:\/\/(.*)$/.exec(origin)?.[1]));
}
