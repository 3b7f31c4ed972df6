/**
 * HTTP/1.1 over the daemon's Unix socket by node:http alone, so that an SDK user installs nothing. Answers are read
 * whole and bounded; a problem+json answer becomes the error it names.
 */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { AttestdError, ERRORS, type ErrorCode } from '../core/errors.ts';

/** Where the daemon listens when nothing else is said. */
export const DEFAULT_SOCKET = '/run/attestd/attestd.sock';
const MAX_ANSWER = 64 * 1024 * 1024;
/** No daemon takes a longer body; it would hang up while we still send. Bytes. */
export const MAX_BODY = 262_144;

export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
  readonly type: string;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Transport {
  call(call: Call): Promise<Answer>;
  /** A body that may be longer than what is read whole, piece by piece. */
  stream(path: string): AsyncGenerator<Uint8Array>;
  close(): void;
}

/**
 * Reads `unix:///path` or a plain path.
 * @throws USAGE for any other scheme, because a record must not leave the host by accident
 */
export function socketPath(address: string): string {
  if (address.startsWith('unix://')) return address.slice('unix://'.length);
  if (address.startsWith('unix:')) return address.slice('unix:'.length);
  if (address.startsWith('/')) return address;
  throw new AttestdError(
    'USAGE',
    `not the address of a Unix socket: ${address}; it is a path from / on, or unix: and a path`,
  );
}

/** The socket: what is given, else ATTESTD_SOCKET, else the default. */
export function chosenSocket(given: string | undefined, environment: NodeJS.ProcessEnv): string {
  return socketPath(given ?? environment.ATTESTD_SOCKET ?? DEFAULT_SOCKET);
}

/**
 * @param socket path of the Unix socket
 * @param client `name/version` for the attestd-client header
 */
export function openTransport(socket: string, client: string): Transport {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  return {
    call: (call) => open(agent, socket, client, call).then(collect),
    async *stream(path) {
      const response = await open(agent, socket, client, { method: 'GET', path });
      if ((response.statusCode ?? 0) >= 400) await collect(response);
      else yield* piecesOf(response);
    },
    close: () => agent.destroy(),
  };
}

function open(agent: Agent, socket: string, client: string, call: Call): Promise<IncomingMessage> {
  const length = call.body === undefined ? 0 : Buffer.byteLength(call.body);
  if (length > MAX_BODY) {
    return Promise.reject(
      new AttestdError('TOO_LARGE', `a body of ${length} bytes, at most ${MAX_BODY} are taken`),
    );
  }
  return new Promise((resolve, reject) => {
    const away = (cause: NodeJS.ErrnoException) =>
      reject(new AttestdError('DAEMON_UNAVAILABLE', `${socket}: ${cause.code ?? cause.message}`, { cause }));
    const request = httpRequest(
      {
        agent,
        socketPath: socket,
        method: call.method,
        path: call.path,
        headers: {
          host: 'attestd',
          'attestd-client': client,
          ...(call.body === undefined ? {} : { 'content-length': length }),
          ...call.headers,
        },
      },
      resolve,
    );
    request.on('error', away);
    request.end(call.body);
  });
}

/** What comes of an answer. @throws DAEMON_UNAVAILABLE where it breaks off */
async function* piecesOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* response as AsyncIterable<Buffer>;
  } catch (cause) {
    throw brokeOff(cause);
  }
}

function brokeOff(cause: unknown): AttestdError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new AttestdError('DAEMON_UNAVAILABLE', `the answer broke off: ${code ?? message}`, { cause });
}

async function collect(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_ANSWER) throw new AttestdError('TOO_LARGE', 'the answer is larger than 64 MiB');
      chunks.push(chunk);
    }
  } catch (cause) {
    throw cause instanceof AttestdError ? cause : brokeOff(cause);
  }
  const type = response.headers['content-type'] ?? '';
  const body = new Uint8Array(Buffer.concat(chunks));
  const status = response.statusCode ?? 0;
  if (status >= 400) throw problem(status, body, response.headers['retry-after']);
  return { status, body, type };
}

function problem(status: number, body: Uint8Array, retryAfter: string | undefined): AttestdError {
  let facts: { type?: unknown; detail?: unknown; field?: unknown; denial?: unknown; record?: unknown };
  try {
    facts = JSON.parse(new TextDecoder().decode(body)) as typeof facts;
    if (facts === null || typeof facts !== 'object') throw new TypeError('no object');
  } catch {
    return new AttestdError('INTERNAL', `the daemon answered ${status} without a reason`);
  }
  const name = typeof facts.type === 'string' ? facts.type.replace('urn:attestd:error:', '') : '';
  const code: ErrorCode = Object.hasOwn(ERRORS, name) ? (name as ErrorCode) : 'INTERNAL';
  const detail = typeof facts.detail === 'string' ? facts.detail : `the daemon answered ${status}`;
  return new AttestdError(code, detail, {
    ...(typeof facts.field === 'string' ? { field: facts.field } : {}),
    ...(isRef(facts.denial) ? { denial: facts.denial } : {}),
    ...(isRef(facts.record) ? { record: facts.record } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter: Number(retryAfter) }),
  });
}

function isRef(value: unknown): value is { id: string; digest: string } {
  const { id, digest } = (value ?? {}) as { id?: unknown; digest?: unknown };
  return typeof id === 'string' && typeof digest === 'string';
}
