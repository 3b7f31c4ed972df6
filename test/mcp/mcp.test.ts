/**
 * `attestctl mcp` between the official MCP client and real servers, the reference server of the protocol among them:
 * what the agent gets, what the server gets, and what is on record. The proxy is the built program.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Host, makeHost, until } from '../daemon/kit.ts';
import { makePolicies, type PolicyFolder } from '../govern/kit.ts';
import { CTL, ROOT } from '../kit/ctl.ts';
import { freePort } from '../kit/port.ts';
import { type Watch, watchLog } from '../kit/watch.ts';

const EVERYTHING = join(ROOT, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js');
const SERVER = join(ROOT, 'test/mcp/server.mjs');
/** Every tool but one may be called. */
const POLICY = `permit(principal, action == Action::"execute", resource in Kind::"tool.call")
  unless { resource.name == "forbidden" };`;

let host: Host;
let policies: PolicyFolder;
let dir: string;
let watch: Watch;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-mcp-'));
  policies = makePolicies(POLICY);
  host = await makeHost({ policy: { directory: policies.directory, keys: [policies.publicKey] } });
  await host.init();
  await (await host.start()).started;
  watch = await watchLog(host.config.admin_socket.path);
}, 120_000);
afterAll(async () => {
  watch?.close();
  await host?.remove();
  rmSync(policies.directory, { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
});

/** The records of tool calls that are new in the log. */
const records = async () =>
  (await watch.look()).map(({ predicate: p, values }) => ({
    phase: p.phase,
    name: p.action.name,
    target: p.action.target,
    governed: p.authorization !== 'ungoverned',
    outcome: p.outcome,
    values,
  }));
const ctl = (...args: string[]) => ({
  command: process.execPath,
  args: [CTL, 'mcp', ...args],
  env: { ...process.env, ATTESTD_SOCKET: host.config.socket.path, MCP_TEST_LOG: join(dir, 'ran') } as Record<
    string,
    string
  >,
});
/** The official client, with a server behind the proxy. */
async function through(...args: string[]): Promise<Client> {
  const client = new Client({ name: 'agent', version: '1' });
  await client.connect(new StdioClientTransport({ ...ctl(...args), stderr: 'pipe' }));
  return client;
}
const TEST = ['--name', 'test', '--', process.execPath, SERVER];

describe('the reference server of the protocol', () => {
  test('lists and calls its tools, asks back and reports progress through the proxy; each call is on record', async () => {
    await watch.look();
    const client = await through('--name', 'everything', '--ungoverned', '--', process.execPath, EVERYTHING);
    const { tools } = await client.listTools();
    expect(tools.map((t) => t.name)).toContain('echo');
    expect((await client.listResources()).resources.length).toBeGreaterThan(0);
    expect((await client.listPrompts()).prompts.length).toBeGreaterThan(0);
    const answer = await client.callTool({ name: 'echo', arguments: { message: 'grüße' } });
    expect(answer.content).toEqual([{ type: 'text', text: 'Echo: grüße' }]);
    let progress = 0;
    const work = { name: 'trigger-long-running-operation', arguments: { duration: 1, steps: 2 } };
    await client.callTool(work, undefined, { onprogress: () => progress++ });
    expect(progress).toBeGreaterThan(0);
    await client.close();
    const seen = await records();
    expect(seen.map((r) => r.governed)).toEqual([false, false, false, false]);
    expect(seen.map((r) => [r.phase, r.name, r.target, r.outcome?.status])).toEqual([
      ['attempted', 'echo', 'mcp:everything', undefined],
      ['completed', 'echo', 'mcp:everything', 'succeeded'],
      ['attempted', 'trigger-long-running-operation', 'mcp:everything', undefined],
      ['completed', 'trigger-long-running-operation', 'mcp:everything', 'succeeded'],
    ]);
    expect(seen[1]).toMatchObject({
      outcome: { effect: 'confirmed' },
      values: { arguments: { message: 'grüße' }, result: { content: answer.content } },
    });
  });

  test('by streamable HTTP as well', async () => {
    await watch.look();
    const port = await freePort();
    const server = spawn(process.execPath, [EVERYTHING, 'streamableHttp'], {
      env: { ...process.env, PORT: String(port) },
    });
    const said = collect(server.stderr, server.stdout);
    await until(() => /listening|running|started/i.test(said()));
    const { command, args, env } = ctl('--name', 'everything', '--http', `http://127.0.0.1:${port}/mcp`);
    const proxy = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      const note = collect(proxy.stderr);
      const url = await until(() => /stands at (\S+)/.exec(note())?.[1]);
      const client = new Client({ name: 'agent', version: '1' });
      await client.connect(new StreamableHTTPClientTransport(new URL(url)) as never);
      expect((await client.callTool({ name: 'echo', arguments: { message: 'a' } })).content).toEqual([
        { type: 'text', text: 'Echo: a' },
      ]);
      const error = await client.callTool({ name: 'forbidden' }).catch((e) => e);
      expect(error).toMatchObject({
        code: -32003,
        data: { attestd: 'POLICY_DENY', denial: { id: expect.any(String) } },
      });
      await client.close();
      expect((await records()).map((r) => [r.phase, r.name, r.governed, r.outcome?.status])).toEqual([
        ['attempted', 'echo', true, undefined],
        ['completed', 'echo', true, 'succeeded'],
      ]);
      // A page in a browser that was led to loopback.
      for (const headers of [{ origin: 'https://evil.example' }, { host: 'evil.example' }]) {
        const { status } = await post(url, headers as Record<string, string>);
        expect(status).toBe(403);
      }
      expect(await records()).toEqual([]);
    } finally {
      proxy.kill();
      server.kill();
      await Promise.all([once(proxy, 'exit'), once(server, 'exit')]);
    }
  });
});

describe('a tool call', () => {
  let client: Client;
  beforeAll(async () => {
    client = await through(...TEST);
  });
  afterAll(() => client?.close());
  const ends = async () => {
    const found = await until(async () => {
      all.push(...(await records()));
      return all.some((r) => r.phase === 'completed') && all.splice(0);
    });
    expect(found.map((r) => [r.phase, r.governed])).toEqual([
      ['attempted', true],
      ['completed', true],
    ]);
    return (found[1] as (typeof found)[number]).outcome;
  };
  const all: Awaited<ReturnType<typeof records>> = [];

  test('that is refused gets the error of the protocol, and the server never hears of it', async () => {
    await watch.look();
    await client.callTool({ name: 'echo' });
    const error = await client.callTool({ name: 'forbidden' }).catch((e) => e);
    expect(error).toMatchObject({
      code: -32003,
      data: { attestd: 'POLICY_DENY', denial: { id: expect.any(String) } },
    });
    expect(readFileSync(join(dir, 'ran'), 'utf8').trim().split('\n')).not.toContain('forbidden');
    const kinds = (await watch.look(['grant', 'denial', 'execution'])).map((r) => r.kind);
    expect(kinds).toEqual(['grant', 'execution', 'execution', 'denial']);
  });

  test('that says isError has failed', async () => {
    expect(await client.callTool({ name: 'fail' })).toMatchObject({ isError: true });
    expect(await ends()).toMatchObject({ status: 'failed', code: 'ToolError' });
  });

  test('that the server answers by an error has failed', async () => {
    await expect(client.callTool({ name: 'throw' })).rejects.toThrow('no such thing');
    expect(await ends()).toMatchObject({ status: 'failed', code: 'JSON-RPC -32603' });
  });

  test('that the agent cancels is cancelled', async () => {
    const abort = new AbortController();
    const call = client.callTool({ name: 'slow' }, undefined, { signal: abort.signal }).catch((e) => e);
    await until(async () => {
      all.push(...(await records()));
      return all.length === 1;
    });
    abort.abort('enough');
    await call;
    expect(await ends()).toMatchObject({ status: 'cancelled', effect: 'unknown' });
  });

  test('many at once: each is on record, each answer is its own', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => client.callTool({ name: 'echo', arguments: { value: `v${i}` } })),
    );
    expect(answers.map((a) => (a.content as { text: string }[])[0]?.text)).toEqual(
      Array.from({ length: 50 }, (_, i) => `v${i}`),
    );
    const seen = await records();
    expect(seen.length).toBe(100);
    for (const r of seen.filter((r) => r.phase === 'completed'))
      expect(r.values.result.content[0].text).toMatch(/^v\d+$/);
  });

  test('with a large answer: the answer passes whole, the record has its digest', async () => {
    const { content } = await client.callTool({ name: 'big', arguments: { bytes: 3_000_000 } });
    expect((content as { text: string }[])[0]?.text.length).toBe(3_000_000);
    const done = (await records()).at(-1);
    expect(done?.values.result).toEqual({
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      size: expect.any(Number),
    });
  });

  test('on which the server dies is failed, its effect unknown, and the agent is told', async () => {
    const dying = await through(...TEST);
    await expect(dying.callTool({ name: 'die' })).rejects.toThrow();
    const done = await until(async () => (await records()).find((r) => r.phase === 'completed'));
    expect(done?.outcome).toMatchObject({ status: 'failed', code: 'ServerGone', effect: 'unknown' });
  });
});

describe('bytes', () => {
  /** A proxy before `cat`, which answers every line by itself. */
  function raw(...more: string[]) {
    const { command, args, env } = ctl(...more, '--name', 'cat', '--', 'cat');
    const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      say: (text: string) => void child.stdin.write(text),
      next: async () => (await lines.next()).value as string,
      async end() {
        child.stdin.end();
        await once(child, 'exit');
      },
    };
  }

  test('pass untouched in both directions', async () => {
    const cat = raw();
    for (const line of [
      '{"jsonrpc":"2.0", "id" : 1,"method":"ping","params":{"n":1.50,"e":1e2,"s":"\\u00fc\\/"}}  ',
      '[{"jsonrpc":"2.0","method":"notifications/a"},{"jsonrpc":"2.0","id":"x","method":"tools/list"}]',
      '{"jsonrpc":"2.0","method":"tools\\/list"}\r',
    ]) {
      cat.say(`${line}\n`);
      expect(await cat.next()).toBe(line.replace(/\r$/, ''));
    }
    await cat.end();
    expect(await records()).toEqual([]);
  });

  test('pass untouched by streamable HTTP, and what is refused never reaches the server', async () => {
    await watch.look();
    const heard: Buffer[] = [];
    const answers: Record<string, [type: string, bytes: string]> = {
      ping: ['application/json', ' {"jsonrpc":"2.0", "id" : 1,"result":{"n":1.50,"s":"\\u00fc\\/"}}\r\n '],
      allowed: [
        'text/event-stream',
        ': a comment\r\nid: 7\ndata: {"jsonrpc":"2.0", "id":2,\ndata: "result":{"e":1e2}}\n\nretry: 5\n\n',
      ],
    };
    const server = createServer((q, s) => {
      const parts: Buffer[] = [];
      q.on('data', (b: Buffer) => parts.push(b)).on('end', () => {
        const body = Buffer.concat(parts);
        heard.push(body);
        const [type, bytes] = answers[body.includes('ping') ? 'ping' : 'allowed'] as [string, string];
        s.writeHead(200, { 'content-type': type, 'mcp-session-id': 'S' }).end(bytes);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { command, args, env } = ctl('--name', 'raw', '--http', `http://127.0.0.1:${port}/mcp`);
    const proxy = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      const note = collect(proxy.stderr);
      const url = await until(() => /stands at (\S+)/.exec(note())?.[1]);
      const said: string[] = [];
      for (const [name, message] of [
        [
          'ping',
          '{"jsonrpc":"2.0", "id" : 1,"method":"ping","params":{"n":1.50,"e":1e2,"s":"\\u00fc\\/"}}  ',
        ],
        [
          'allowed',
          '\n{"jsonrpc":"2.0","id":2,"method":"tools\\/call", "params":{"name":"allowed","arguments":{"n":2.0}}}\r\n',
        ],
      ] as const) {
        const { status, headers, text } = await post(url, {}, message);
        said.push(message);
        expect([status, headers['content-type'], headers['mcp-session-id'], text]).toEqual([
          200,
          answers[name]?.[0],
          'S',
          answers[name]?.[1],
        ]);
      }
      const refused = await post(
        url,
        {},
        '{"jsonrpc":"2.0","id":3,"method":"\\u0074ools/call","params":{"name":"forbidden"}}',
      );
      expect([refused.status, JSON.parse(refused.text)]).toMatchObject([
        200,
        { jsonrpc: '2.0', id: 3, error: { code: -32003, data: { attestd: 'POLICY_DENY' } } },
      ]);
      expect(heard.map(String)).toEqual(said);
      const seen = await records();
      expect(seen.map((r) => [r.phase, r.name, r.governed, r.outcome?.status])).toEqual([
        ['attempted', 'allowed', true, undefined],
        ['completed', 'allowed', true, 'succeeded'],
      ]);
    } finally {
      proxy.kill();
      server.close();
      await once(proxy, 'exit');
    }
  });

  test('that could be read in two ways do not reach the server', async () => {
    const cat = raw();
    for (const line of [
      '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"forbidden"}}',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"forbidden"}}',
      'no json',
      `{"jsonrpc":"2.0","id":1,"method":"x","params":${'['.repeat(40)}${']'.repeat(40)}}`,
    ]) {
      cat.say(`${line}\n`);
      expect(JSON.parse(await cat.next())).toMatchObject({ id: null, error: { code: -32700 } });
    }
    // A name that is written otherwise is the same name.
    cat.say('{"jsonrpc":"2.0","id":7,"method":"\\u0074ools\\/call","params":{"name":"forbidden"}}\n');
    expect(JSON.parse(await cat.next())).toMatchObject({
      id: 7,
      error: { code: -32003, data: { attestd: 'POLICY_DENY' } },
    });
    await cat.end();
  });

  test('of a batch go whole or not at all', async () => {
    await watch.look();
    const cat = raw();
    const call = (id: number | undefined, name: string) => ({
      jsonrpc: '2.0',
      ...(id === undefined ? {} : { id }),
      method: 'tools/call',
      params: { name },
    });
    cat.say(
      `${JSON.stringify([call(1, 'a'), call(2, 'forbidden'), { jsonrpc: '2.0', id: 3, method: 'ping' }])}\n`,
    );
    const answers = JSON.parse(await cat.next());
    expect(
      answers.map((a: { id: number; error: { data: { attestd: string } } }) => [a.id, a.error.data.attestd]),
    ).toEqual([
      [1, 'FORBIDDEN'],
      [2, 'POLICY_DENY'],
      [3, 'FORBIDDEN'],
    ]);
    const seen = await records();
    expect(seen.map((r) => [r.phase, r.name, r.outcome?.status])).toEqual([
      ['attempted', 'a', undefined],
      ['completed', 'a', 'cancelled'],
    ]);
    // A call that nobody answers is on record too; refused, it goes nowhere.
    cat.say(`${JSON.stringify(call(undefined, 'forbidden'))}\n${JSON.stringify(call(undefined, 'a'))}\n`);
    expect(JSON.parse(await cat.next())).toEqual(call(undefined, 'a'));
    expect((await records()).at(-1)).toMatchObject({
      outcome: { status: 'succeeded', effect: 'dispatched' },
    });
    await cat.end();
  });

  test('of more than 16 MiB in one line are refused, and the session goes on', async () => {
    const cat = raw();
    cat.say(`"${'x'.repeat(17 * 1024 * 1024)}"\n{"jsonrpc":"2.0","id":1,"method":"ping"}\n`);
    expect(JSON.parse(await cat.next())).toMatchObject({ error: { code: -32600 } });
    expect(JSON.parse(await cat.next())).toMatchObject({ id: 1 });
    await cat.end();
  });

  test('where the daemon is away, calls are refused and all else passes', async () => {
    const cat = raw('--socket', '/nowhere/attestd.sock');
    cat.say(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}\n{"jsonrpc":"2.0","id":2,"method":"ping"}\n',
    );
    expect(JSON.parse(await cat.next())).toMatchObject({
      id: 1,
      error: { data: { attestd: 'DAEMON_UNAVAILABLE' } },
    });
    expect(JSON.parse(await cat.next())).toMatchObject({ id: 2, method: 'ping' });
    await cat.end();
  });
});

const collect = (...streams: NodeJS.ReadableStream[]): (() => string) => {
  let text = '';
  for (const s of streams)
    s.on('data', (b: Buffer) => {
      text += b;
    });
  return () => text;
};
const ECHO = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}';
function post(
  url: string,
  headers: Record<string, string>,
  body = ECHO,
): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const r = request(
      url,
      { method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
      (answer) => {
        const text = collect(answer);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: text() }),
        );
      },
    );
    r.on('error', reject);
    r.end(body);
  });
}
