/** `attestctl otlp-bridge`: a loopback address for OpenTelemetry SDKs that cannot speak over a Unix socket. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { chosenSocket, MAX_BODY } from '../../client/transport.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Input, text } from '../command.ts';
import { VERSION } from '../version.ts';
import { number } from './grant-request.ts';

/** What of a request is handed on; the rest is between the SDK and us. */
const HANDED = ['content-type', 'content-encoding', 'content-length'] as const;

export async function run(input: Input): Promise<number> {
  const socketPath = chosenSocket(text(input, 'socket'), input.io.environment);
  const port = number(input, 'port', 4318);
  const server = createServer((request, response) => hand(socketPath, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new AttestdError('USAGE', `port ${port}: ${cause.message}`, { cause })),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  input.io.note(
    `spans are taken at http://127.0.0.1:${port}/v1/traces and recorded as told through this bridge`,
  );
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, resolve);
  });
  server.close();
  server.closeAllConnections();
  return 0;
}

function hand(socketPath: string, request: IncomingMessage, response: ServerResponse): void {
  const refuse = (status: number, why: string) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'text/plain' }).end(`${why}\n`);
  };
  const local = /^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(request.headers.host ?? '');
  // A page in a browser that was led here has an Origin, or a Host that is not ours.
  if (!local || request.headers.origin !== undefined) {
    refuse(403, 'only programs on this host');
    return;
  }
  if (request.method !== 'POST' || request.url !== '/v1/traces') {
    refuse(404, 'POST /v1/traces is all there is');
    return;
  }
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY) {
    refuse(413, `at most ${MAX_BODY} bytes`);
    return;
  }
  const headers: Record<string, string> = {
    host: 'attestd',
    'attestd-client': `attestctl-otlp-bridge/${VERSION}`,
  };
  for (const name of HANDED) {
    const value = request.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  const up = httpRequest({ socketPath, path: '/v1/otlp/v1/traces', method: 'POST', headers }, (answer) => {
    const back = Object.entries(answer.headers).filter(([name]) =>
      ['content-type', 'retry-after'].includes(name),
    );
    response.writeHead(answer.statusCode ?? 502, Object.fromEntries(back));
    answer.pipe(response);
  });
  up.on('error', () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(503, { 'retry-after': '1' }).end('the daemon is away\n');
  });
  response.on('close', () => up.destroy());
  request.pipe(up);
}
