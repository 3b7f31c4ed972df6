/**
 * `attestctl mcp`: between an agent and an MCP server. Each tool call is asked for, unless it is said that none is to be,
 * and recorded.
 */
import { basename } from 'node:path';
import {
  type Client,
  type ConnectOptions,
  connect,
  type Receipt,
  type Spooled,
} from '../../client/client.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Input, on, text } from '../command.ts';
import { reportFault } from '../io.ts';
import { createCalls } from '../mcp/calls.ts';
import { createGate } from '../mcp/gate.ts';
import { startHttp } from '../mcp/http.ts';
import { serveStdio } from '../mcp/stdio.ts';
import { VERSION } from '../version.ts';
import { number } from './grant-request.ts';

const MAX_MESSAGE = 16 * 1024 * 1024;

export async function run(input: Input): Promise<number> {
  const url = text(input, 'http');
  const [file, ...args] = input.args;
  if ((url === undefined) === (file === undefined))
    throw new AttestdError('USAGE', 'an MCP server is a command after --, or a URL after --http');
  const server = text(input, 'name') ?? (url === undefined ? basename(file as string) : new URL(url).host);
  const client = connectAs(input);
  const fault = (e: unknown) => void reportFault(input.io, (e as { error?: unknown }).error ?? e);
  const grant = text(input, 'grant');
  const ungoverned = on(input, 'ungoverned');
  if (grant !== undefined && ungoverned)
    throw new AttestdError('USAGE', '--grant uses a grant, --ungoverned none: not both');
  if (text(input, 'spool') !== undefined && !ungoverned)
    throw new AttestdError(
      'USAGE',
      'nothing is allowed while the daemon is away: --spool needs --ungoverned',
    );
  const calls = createCalls({
    client,
    server,
    permission: {
      ...(grant === undefined ? {} : { grant }),
      ...(grant !== undefined || ungoverned ? {} : { govern: { seconds: number(input, 'seconds', 60) } }),
    },
    onFault: fault,
  });
  const gate = createGate(calls, input.io.note);
  try {
    if (url === undefined) {
      return await serveStdio({
        command: [file as string, ...args],
        gate,
        calls,
        agent: { input: process.stdin, output: process.stdout },
        maxLine: MAX_MESSAGE,
        note: input.io.note,
      });
    }
    const http = await startHttp({
      url: new URL(url),
      gate,
      calls,
      port: number(input, 'port', 0),
      maxBody: MAX_MESSAGE,
      note: input.io.note,
    });
    const { port } = http.address() as { port: number };
    input.io.note(`the server stands at http://127.0.0.1:${port}${new URL(url).pathname}`);
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, resolve);
    });
    http.close();
    http.closeAllConnections();
    await calls.endAll({ kind: 'lost' });
    return 0;
  } finally {
    client.close();
  }
}

function connectAs(input: Input): Client<Receipt | Spooled> {
  const socket = text(input, 'socket');
  const spool = text(input, 'spool');
  const options: ConnectOptions = {
    client: `attestctl/${VERSION}`,
    ...(socket === undefined ? {} : { socket }),
    onFault: (e) => void reportFault(input.io, (e as { error?: unknown }).error ?? e),
  };
  if (spool === undefined) return connect(options) as Client<Receipt | Spooled>;
  return connect({ ...options, onUnavailable: 'spool', spool: { directory: spool } });
}
