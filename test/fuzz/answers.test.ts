/** What the other end of a connection answers: the SDK and what is built on it get an error of the table, whatever comes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, connect } from '../../src/client/client.ts';
import { openTransport } from '../../src/client/transport.ts';
import { AttestdError, type ErrorCode } from '../../src/core/errors.ts';
import { newestPublished } from '../../src/forward/published.ts';
import { bytesLike, jsonLike } from './hostile.ts';
import { runs } from './runs.ts';

const PROBLEM = {
  type: 'urn:attestd:error:INVALID_REQUEST',
  title: 'a field is wrong',
  status: 400,
  detail: 'x',
  field: '/a',
  denial: { id: 'a', digest: 'b' },
};
let dir: string;
let http: HttpServer;
let raw: Server;
let status: number;
let answer: Uint8Array;
let bytes: Uint8Array;
const at = (name: string) => join(dir, name);
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-answers-'));
  http = createHttpServer((request, reply) => {
    request.resume();
    reply.writeHead(status, { 'content-type': 'application/json', 'retry-after': '1' }).end(answer);
  });
  raw = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(bytes));
  });
  await new Promise<void>((resolve) => http.listen(at('http.sock'), resolve));
  await new Promise<void>((resolve) => raw.listen(at('raw.sock'), resolve));
});
afterAll(() => {
  http.close();
  raw.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Calls, and holds whatever is thrown to be an error of the table. */
async function calls(socket: string, call: (client: Client) => Promise<unknown>): Promise<void> {
  const client = connect({ socket: at(socket), client: 'test/1' });
  try {
    await call(client);
  } catch (e) {
    if (!(e instanceof AttestdError)) throw e;
  } finally {
    client.close();
  }
}

test('a refusal, whatever it says', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(400, 403, 409, 429, 500, 503, 599),
      fc.oneof(
        jsonLike(PROBLEM, { ...PROBLEM, type: { toString: 0, valueOf: 0 } }),
        bytesLike(JSON.stringify(PROBLEM)),
      ),
      async (code, body) => {
        status = code;
        answer = Buffer.from(body as string);
        await calls('http.sock', (c) => c.status());
      },
    ),
    { numRuns: runs(300) },
  );
});

test('an answer of a protocol that is nearly HTTP, or breaks off', async () => {
  const ok = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}';
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n';
  const short = 'HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{}';
  await fc.assert(
    fc.asyncProperty(bytesLike(ok, chunked, short), fc.boolean(), async (sent, stream) => {
      bytes = sent;
      await calls('raw.sock', async (c) => {
        if (!stream) return c.health();
        for await (const _ of c.attachment('ab'.repeat(32)));
        return undefined;
      });
    }),
    { numRuns: runs(300) },
  );
});

test('a daemon whose status attestd-forward reads', async () => {
  const transport = openTransport(at('http.sock'), 'test/1');
  status = 200;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(jsonLike({ log: 'f/h/1', entries: 1 }), bytesLike('{"log":"f/h/1"}')),
      async (body) => {
        answer = Buffer.from(body as string);
        const read = await newestPublished(transport).catch((e: unknown) => e);
        if (read !== undefined) expect(read).toBeInstanceOf(AttestdError);
      },
    ),
    { numRuns: runs(200) },
  );
  transport.close();
});

interface Found {
  readonly name: string;
  readonly call: string;
  readonly answer: string;
  /** The error that it is; none where nothing is wrong with it. */
  readonly code?: ErrorCode;
}
const FOUND: readonly Found[] = JSON.parse(
  readFileSync(new URL('../vectors/client/answers.json', import.meta.url), 'utf8'),
);
const CALLS: Readonly<Record<string, () => Promise<unknown>>> = {
  status: () => connect({ socket: at('raw.sock'), client: 'test/1' }).status(),
  attachment: async () => {
    const client = connect({ socket: at('raw.sock'), client: 'test/1' });
    for await (const _ of client.attachment('ab'.repeat(32)));
  },
  published: () => newestPublished(openTransport(at('raw.sock'), 'test/1')),
};
test.each(FOUND)('found: $name', async ({ call, answer: said, code }) => {
  bytes = Buffer.from(said, 'latin1');
  const asked = (CALLS[call] as () => Promise<unknown>)();
  if (code === undefined) expect(await asked).toBeUndefined();
  else await expect(asked).rejects.toMatchObject({ name: 'AttestdError', code });
});
