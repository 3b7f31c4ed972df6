/**
 * HTTP/1.1 on Unix sockets: one server for callers, one for the operator, both in front of the same routes. This
 * file owns connections: who may connect and how often, half requests, readers that do not read, and a stop that
 * lets answers under way go out. Nothing listens on TCP.
 */
import { chmodSync, chownSync, existsSync, readFileSync, unlinkSync } from 'node:fs';
import {
  createServer,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { connect, Server as NetServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { AttestdError } from '../core/errors.ts';
import type { Callers } from './caller.ts';
import type { Config } from './config.ts';
import type { Crumbs } from './crumbs.ts';
import type { Limits } from './limits.ts';
import type { Cut } from './metrics/tally.ts';
import { problemAnswer } from './problem.ts';

/** Where a server listens: a descriptor from systemd, or a path of its own. */
export type Listen =
  | { readonly fd: number }
  | { readonly path: string; readonly mode: string; readonly group: string };

export interface SocketServer {
  readonly connections: number;
  /** Takes no more connections, lets requests under way end for so many milliseconds, then cuts the rest. */
  close(graceMs: number): Promise<void>;
}

export interface ServerInput {
  readonly handler: RequestListener;
  readonly listen: Listen;
  readonly admin: boolean;
  readonly callers: Callers;
  readonly limits: Limits;
  readonly crumbs: Crumbs;
  readonly settings: Config['limits'];
  /** A connection was refused or cut. */
  readonly onCut: (why: Cut) => void;
}

interface Connection {
  readonly uid: number;
  /** The answer to its newest request. */
  newest: ServerResponse | undefined;
  /** Bytes that the peer had taken at the last look, and when that last changed. */
  taken: number;
  takenAt: number;
}

/** A stop that has begun still serves what arrives on connections that there are, for so long. */
const DRAIN_MS = 300;

/** Starts to listen. @throws STORAGE_UNAVAILABLE when the socket cannot be made */
export async function startServer(input: ServerInput): Promise<SocketServer> {
  const { settings } = input;
  const server = createServer(
    {
      keepAlive: false,
      noDelay: false,
      maxHeaderSize: 8192,
      headersTimeout: settings.request_ms,
      // A stream may last for days; whole requests have a deadline of their own (deadline.ts).
      requestTimeout: 0,
      keepAliveTimeout: 75_000,
      connectionsCheckingInterval: Math.min(1000, settings.request_ms),
      insecureHTTPParser: false,
      // It is required (RFC 9112 3.2), but a refusal looks as all others do.
      requireHostHeader: false,
    },
    (request, response) => {
      // Whoever is told so does not send the next request into a connection that ends. Node reads nothing more on one
      // where another protocol was offered, though it was not taken (RFC 9110 7.8): the next would wait for ever.
      if (draining || request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
      const connection = connections.get(request.socket);
      if (connection !== undefined) connection.newest = response;
      if (request.headers.host === undefined && request.httpVersion === '1.1') {
        refuse(response, new AttestdError('MALFORMED', 'the host header is missing', { field: 'host' }));
        return;
      }
      input.handler(request, response);
    },
  );
  let draining = false;
  const connections = new Map<Socket, Connection>();
  input.crumbs.watch(connections);
  server.on('connection', (socket: Socket) => {
    let accepted: ReturnType<Callers['accept']>;
    try {
      accepted = input.callers.accept(socket, input.admin, input.limits.connect);
    } catch {
      input.onCut('no_credentials');
      socket.destroy();
      return;
    }
    const { admitted, uid } = accepted;
    if (!admitted) {
      input.onCut('limit');
      turnAway(socket, new AttestdError('OVERLOADED', 'too many connections', { retryAfter: 1 }));
      return;
    }
    connections.set(socket, { uid, newest: undefined, taken: 0, takenAt: performance.now() });
    socket.once('close', () => {
      connections.delete(socket);
      input.limits.disconnect(uid);
    });
  });
  server.on('clientError', (_e, socket) => {
    const newest = connections.get(socket as Socket)?.newest;
    const underWay = newest !== undefined && !newest.writableFinished && !newest.destroyed;
    // A 400 before the answer to what came before it would be taken for that answer, though that may be on record.
    if (underWay && newest.headersSent) socket.destroy();
    else if (underWay && newest.req.complete) newest.shouldKeepAlive = false;
    else turnAway(socket as Socket, new AttestdError('MALFORMED', 'not an HTTP/1.1 request, or not in time'));
  });
  server.on('connect', (_request, stream) => {
    const socket = stream as Socket;
    // Node has let go of the socket: whoever asked and went away would otherwise end the daemon.
    socket.on('error', () => undefined);
    const newest = connections.get(socket)?.newest;
    // Behind a request under way it is not the answer to that one, and no answer can follow it.
    if (newest !== undefined && !newest.writableFinished) socket.destroy();
    else turnAway(socket, new AttestdError('METHOD_NOT_ALLOWED', 'this is no proxy'));
  });
  // RFC 9110 10.1.1: nothing but 100-continue is expected of a server; the body that would come is not read.
  server.on('checkExpectation', (_request, response: ServerResponse) =>
    refuse(
      response,
      new AttestdError('MALFORMED', 'nothing but 100-continue is expected here', { field: 'expect' }),
    ),
  );
  const sweep = setInterval(
    () => cutStalled(connections, settings.stalled_ms, input.onCut),
    Math.min(1000, settings.stalled_ms),
  );
  sweep.unref();
  await listen(server, input.listen);
  return {
    get connections() {
      return connections.size;
    },
    async close(graceMs) {
      clearInterval(sweep);
      draining = true;
      // http's own close() ends at once every connection without a request, and with it the requests on their way in it.
      const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
      await sleep(Math.min(DRAIN_MS, graceMs));
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        for (const socket of connections.keys()) socket.destroy();
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Refuses a request before anything looks at it, and ends its connection: what is left of it is not read. */
function refuse(response: ServerResponse, e: AttestdError): void {
  const { status, headers, body } = problemAnswer(e);
  response.writeHead(status, [...headers, 'connection', 'close']);
  response.end(body);
}

/** Answers on a connection that takes no more requests, and ends it. */
function turnAway(socket: Socket, e: AttestdError): void {
  if (socket.writable) {
    const { status, headers, body } = problemAnswer(e);
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\n`;
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    socket.end(Buffer.concat([Buffer.from(`${head}\r\n`), body]));
  }
  socket.destroySoon();
}

/** Cuts whoever has not taken a byte of what waits for it for so long. */
function cutStalled(connections: Map<Socket, Connection>, ms: number, onCut: (why: Cut) => void): void {
  const now = performance.now();
  for (const [socket, c] of connections) {
    const taken = socket.bytesWritten - socket.writableLength;
    if (socket.writableLength === 0 || taken !== c.taken) {
      c.taken = taken;
      c.takenAt = now;
    } else if (now - c.takenAt >= ms) {
      onCut('stalled');
      socket.destroy();
    }
  }
}

async function listen(server: Server, where: Listen): Promise<void> {
  if ('path' in where) await clearStale(where.path);
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      // fastify.listen({ fd }) fails on an inherited Unix socket: the plain server does not.
      server.listen('fd' in where ? { fd: where.fd } : { path: where.path, backlog: 511 }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (e) {
    throw new AttestdError('STORAGE_UNAVAILABLE', `the socket cannot be opened: ${(e as Error).message}`, {
      cause: e,
    });
  } finally {
    process.umask(before);
  }
  if ('path' in where) {
    if (where.group !== '') chownSync(where.path, process.getuid?.() ?? -1, groupId(where.group));
    chmodSync(where.path, Number.parseInt(where.mode, 8));
  }
}

/** Removes a socket that nobody listens on any more. @throws EXISTS when somebody does */
async function clearStale(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const alive = await new Promise<boolean>((resolve) => {
    const s = connect(path, () => {
      s.destroy();
      resolve(true);
    });
    // Refused is what nobody's socket does; one with a full queue (EAGAIN) is somebody's.
    s.once('error', (e: NodeJS.ErrnoException) => resolve(e.code !== 'ECONNREFUSED'));
  });
  if (alive) throw new AttestdError('EXISTS', `another process listens on ${path}`);
  unlinkSync(path);
}

/** Number of a group by /etc/group. @throws CONFIG_INVALID */
function groupId(name: string): number {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((l) => l.startsWith(`${name}:`));
  const gid = Number(line?.split(':')[2]);
  if (!Number.isInteger(gid)) throw new AttestdError('CONFIG_INVALID', `there is no group ${name}`);
  return gid;
}
