/**
 * Servers and agents that do not do as they should, around `attestctl mcp`: messages that a server reads otherwise than the
 * gate, answers that never come, that no record can hold, or that come in pieces. The proxy is the built program.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEventReader } from '../../src/cli/mcp/events.ts';
import { type Host, makeHost, until } from '../daemon/kit.ts';
import { CTL } from '../kit/ctl.ts';
import { type Watch, watchLog } from '../kit/watch.ts';

let host: Host;
let dir: string;
let watch: Watch;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-mcp-'));
  host = await makeHost();
  await host.init();
  await (await host.start()).started;
  watch = await watchLog(host.config.admin_socket.path);
}, 120_000);
afterAll(async () => {
  watch?.close();
  await host?.remove();
  rmSync(dir, { recursive: true, force: true });
});

/** What came of each call that has ended since the last look. */
const ends = async () =>
  (await watch.look())
    .filter(({ predicate }) => predicate.phase === 'completed')
    .map(({ predicate: p, values }) => ({ name: p.action.name, outcome: p.outcome, values }));
async function ended(count: number) {
  const all: Awaited<ReturnType<typeof ends>> = [];
  await until(async () => {
    all.push(...(await ends()));
    return all.length >= count;
  });
  return all;
}
const proxy = (...args: string[]) =>
  spawn(process.execPath, [CTL, 'mcp', '--ungoverned', '--name', 'x', ...args], {
    env: { ...process.env, ATTESTD_SOCKET: host.config.socket.path },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
const call = (id: unknown, name: string) =>
  JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } });

describe('on stdio', () => {
  /** Reads lines as Python's text files do: a carriage return ends one too. So does the official SDK for Python. */
  const SERVER = `
import json, os, sys
for line in sys.stdin:
    try:
        message = json.loads(line)
    except ValueError:
        continue
    if message.get("method") == "tools/call":
        open(os.environ["RAN"], "a").write(message["params"]["name"])
    print(json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": {}}), flush=True)
`;
  test('a call between two carriage returns within another message does not reach the server', async () => {
    process.env.RAN = join(dir, 'ran');
    const child = proxy('--', 'python3', '-c', SERVER);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stdin.write(`{"jsonrpc":"2.0","id":1,"method":"ping","params":\r${call(2, 'hidden')}\r}\n`);
    child.stdin.write('{"jsonrpc":"2.0","id":3,"method":"ping"}\r\n');
    expect(JSON.parse((await lines.next()).value)).toMatchObject({ id: null, error: { code: -32700 } });
    expect(JSON.parse((await lines.next()).value)).toMatchObject({ id: 3, result: {} });
    child.stdin.end();
    await once(child, 'exit');
    expect(existsSync(join(dir, 'ran'))).toBe(false);
  });

  test.each([
    ['{"jsonrpc":"2.0","id":1,"Method":"tools/call","params":{"name":"hidden"}}'],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call","params":{"name":"hidden"}}'],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call","param\\u017f":{"name":"hidden"},"params":{"name":"a"}}'],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"hidden"}}'],
    ['[{"jsonrpc":"2.0","method":"notifications/a"},{"jsonrpc":"2.0","ID":1,"method":"ping"}]'],
    [`[[${call(1, 'hidden')}]]`],
  ])('a message that readers who fold names read otherwise does not reach the server: %s', async (line) => {
    await watch.look();
    const child = proxy('--', 'cat');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stdin.write(`${line}\n{"jsonrpc":"2.0","id":3,"method":"ping","params":{"Name":"x"}}\n`);
    expect(JSON.parse((await lines.next()).value)).toMatchObject({ id: null, error: { code: -32600 } });
    expect(JSON.parse((await lines.next()).value)).toMatchObject({ id: 3, method: 'ping' });
    child.stdin.end();
    await once(child, 'exit');
    expect(await watch.look()).toEqual([]);
  });

  test.each([
    ['a number that no double holds', '{"id":12345678901234567890}'],
    ['half of a character', '{"text":"\\ud800"}'],
    ['a value that nests deeply', `${'['.repeat(60)}${']'.repeat(60)}`],
    ['a name twice', '{"a":1,"a":2}'],
  ])('an answer with %s passes, and its record names the message by its digest', async (_, result) => {
    await watch.look();
    const message = `{"jsonrpc":"2.0","id":1,"result":{"v":${result}}}`;
    const child = proxy('--', 'sh', '-c', 'read line; printf "%s\\n" "$1"; read line', 'sh', message);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stdin.write(`${call(1, 'odd')}\n`);
    expect((await lines.next()).value).toBe(message);
    const sha256 = createHash('sha256').update(message).digest('hex');
    expect(await ended(1)).toMatchObject([
      {
        name: 'odd',
        outcome: { status: 'succeeded', effect: 'confirmed' },
        values: { result: { message: { sha256, size: message.length } } },
      },
    ]);
    child.stdin.end();
    await once(child, 'exit');
  });

  test('an answer that says that the work goes on as a task does not say that it was done', async () => {
    await watch.look();
    const message = '{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"7","status":"working"}}}';
    const child = proxy('--', 'sh', '-c', 'read line; printf "%s\\n" "$1"; read line', 'sh', message);
    child.stdin.write(`${call(1, 'later')}\n`);
    expect(await ended(1)).toMatchObject([{ outcome: { status: 'succeeded', effect: 'dispatched' } }]);
    child.stdin.end();
    await once(child, 'exit');
  });
});

describe('by HTTP', () => {
  let server: Server;
  let child: ReturnType<typeof proxy>;
  let url: string;
  const heard: string[] = [];
  /** By the name of the tool, how the server answers. */
  const answers: Record<string, (s: ServerResponse) => void> = {
    sick: (s) => s.writeHead(500, { 'content-type': 'text/plain' }).end('no'),
    accepted: (s) => s.writeHead(202).end(),
    cut: (s) => {
      s.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n');
      setTimeout(() => s.destroy(), 50);
    },
    silent: (s) => s.writeHead(200, { 'content-type': 'text/event-stream' }).end(': bye\n\n'),
    away: (s) => s.destroy(),
    polled: (s) => s.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: 1\ndata:\n\n'),
    slow: () => undefined,
    quick: (s) =>
      s.writeHead(200, { 'content-type': 'Text/Event-Stream' }).end('data: {"id":1,"result":{}}\r\r'),
  };
  const slow: ServerResponse[] = [];
  beforeAll(async () => {
    server = createServer((q, s) => {
      let body = '';
      q.setEncoding('utf8')
        .on('data', (text: string) => {
          body += text;
        })
        .on('end', () => {
          heard.push(`${q.method} ${body}`);
          const name = Object.keys(answers).find((n) => body.includes(`"${n}"`));
          if (name === 'slow') slow.push(s);
          if (name !== undefined) (answers[name] as (s: ServerResponse) => void)(s);
          else if (q.method === 'GET')
            s.writeHead(200, { 'content-type': 'text/event-stream' }).end(
              'data: {"jsonrpc":"2.0","id":9,"result":{}}\n\n',
            );
          else s.writeHead(200, { 'content-type': 'application/json' }).end('{}');
        });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    child = proxy('--http', `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
    let said = '';
    child.stderr.on('data', (b: Buffer) => {
      said += b;
    });
    url = await until(() => /stands at (\S+)/.exec(said)?.[1]);
  });
  afterAll(async () => {
    const gone = once(child, 'exit');
    child.kill();
    server.closeAllConnections();
    server.close();
    await gone;
  });

  const send = (method: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    new Promise<number>((resolve) => {
      const r = request(
        url,
        { method, headers: { 'content-type': 'application/json', ...headers } },
        (a) =>
          void a
            .on('close', () => resolve(a.statusCode ?? 0))
            .on('error', () => undefined)
            .resume(),
      );
      r.on('error', () => resolve(0)).end(body);
    });
  const SESSION = { 'mcp-session-id': 'S' };
  const lost = { outcome: { status: 'failed', code: 'ServerGone', effect: 'unknown' } };

  test.each(['sick', 'accepted', 'cut', 'silent', 'away'])('a call that is %s has ended', async (name) => {
    await watch.look();
    await send('POST', call(1, name), SESSION);
    expect(await ended(1)).toMatchObject([{ name, ...lost }]);
  });

  test('a call whose stream can be asked for again is ended by the answer that comes there', async () => {
    await watch.look();
    await send('POST', call(9, 'polled'), SESSION);
    await send('GET', '', { ...SESSION, 'last-event-id': '1' });
    expect(await ended(1)).toMatchObject([{ name: 'polled', outcome: { status: 'succeeded' } }]);
  });

  test('a connection that breaks ends its own call and no other', async () => {
    await watch.look();
    const other = send('POST', call(5, 'slow'), SESSION);
    await until(() => slow.length === 1);
    await send('POST', call(6, 'away'), SESSION);
    expect(await ended(1)).toMatchObject([{ name: 'away', ...lost }]);
    slow.pop()?.writeHead(200, { 'content-type': 'application/json' }).end('{"id":5,"result":{}}');
    expect(await other).toBe(200);
    expect(await ended(1)).toMatchObject([{ name: 'slow', outcome: { status: 'succeeded' } }]);
  });

  test('agents without a session may use the same ids, and one that cancels means its own', async () => {
    await watch.look();
    const first = send('POST', call(1, 'slow'));
    await until(() => slow.length === 1);
    expect(await send('POST', call(1, 'quick'))).toBe(200);
    expect(await ended(1)).toMatchObject([{ name: 'quick', outcome: { status: 'succeeded' } }]);
    await send('POST', '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}');
    expect(await ended(1)).toMatchObject([{ name: 'slow', outcome: { status: 'cancelled' } }]);
    slow.pop()?.destroy();
    await first;
  });

  test('a message that a server could read otherwise, or by another method, does not reach it', async () => {
    await watch.look();
    heard.length = 0;
    for (const charset of ['utf-7', 'utf-16le', '"UTF-7"', 'utf-8; charset=utf-7'])
      expect(
        await send('POST', call(1, 'quick'), { 'content-type': `application/json; charset=${charset}` }),
      ).toBe(415);
    for (const method of ['PUT', 'PATCH', 'DELETE'])
      expect(
        await send(method, call(1, 'quick'), { 'content-length': String(call(1, 'quick').length) }),
      ).toBe(405);
    expect(heard).toEqual([]);
    expect(
      await send('POST', call(1, 'quick'), { 'content-type': 'application/json; charset="UTF-8"' }),
    ).toBe(200);
    expect(heard.length).toBe(1);
  });
});

describe('events', () => {
  /** The same, a byte of what was sent after the other and by the letter of the standard. */
  function slowly(text: string): string[] {
    const found: string[] = [];
    let data: string[] = [];
    // What follows the last line end is no line yet.
    for (const line of text.split(/\r\n|\n|\r/).slice(0, -1)) {
      if (line === '') {
        if (data.length > 0) found.push(data.join('\n'));
        data = [];
      } else if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
    }
    return found;
  }
  test('are what the standard says, however they are cut', () => {
    const piece = fc.constantFrom('data:', 'data: ', 'id:', ':', 'a', ' ', '\r', '\n', '\r\n', '\n\n', 'ü');
    const text = fc.array(piece, { maxLength: 40 }).map((p) => p.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat(4), { minLength: 60, maxLength: 60 }), (whole, cuts) => {
        const reader = createEventReader(1 << 20);
        const bytes = Buffer.from(whole);
        const found: string[] = [];
        for (let at = 0, i = 0; at < bytes.length; at += (cuts[i % 60] as number) + 1, i++) {
          const end = at + (cuts[i % 60] as number) + 1;
          found.push(...reader.push(bytes.subarray(at, end)).map((e) => Buffer.from(e).toString()));
        }
        expect(found).toEqual(slowly(whole));
      }),
    );
  });
});
