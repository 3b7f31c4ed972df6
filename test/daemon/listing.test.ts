/** Who lists what, by which filters, page after page. */
import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { may } from '../kit/privilege.ts';
import { type Answer, ask, body, type Host, makeHost } from './kit.ts';

let host: Host;
let socket: string;
let admin: string;
const MANY = 700;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

beforeAll(async () => {
  host = await makeHost({
    socket: { mode: '0666' },
    limits: { records_per_second: 100_000, burst: 100_000 },
  });
  chmodSync(host.dir, 0o755);
  await host.init();
  await (await host.start()).started;
  socket = host.config.socket.path;
  admin = host.config.admin_socket.path;
  await record({ action: { type: 'note', name: 'first', target: 'a:1' } });
  const lines = Array.from({ length: MANY }, (_, i) => body({ action: { type: 'bulk', name: `n${i}` } }));
  const answer = await ask(socket, '/v1/records?wait=durable', {
    body: `${lines.join('\n')}\n`,
    headers: { 'content-type': 'application/x-ndjson' },
  });
  expect(answer.status).toBe(200);
  await record({
    action: { type: 'note', name: 'last "quoted"', target: 'b:2' },
    trace: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
  });
  await other('POST', '/v1/records?wait=durable', body({ action: { type: 'note', name: 'nobody' } }));
}, 120_000);
afterAll(() => host.remove());

async function record(more: Record<string, unknown>): Promise<void> {
  expect((await ask(socket, '/v1/records?wait=durable', { body: body(more) })).status).toBe(201);
}

/** A request by a child process under another uid. */
async function other(method: string, path: string, content = ''): Promise<Pick<Answer, 'status' | 'json'>> {
  const script = `
    const [socketPath, method, path, body] = process.argv.slice(1);
    const headers = { 'attestd-client': 'child/1',
      ...(body ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {}) };
    require('node:http').request({ socketPath, path, method, headers }, (res) => {
      let t = ''; res.on('data', (d) => t += d); res.on('end', () => { console.log(JSON.stringify([res.statusCode, JSON.parse(t)])); process.exit(0); });
    }).end(body || undefined);`;
  const child = spawn(process.execPath, ['-e', script, socket, method, path, content], {
    uid: 65534,
    gid: 65534,
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
  });
  let out = '';
  for await (const chunk of child.stdout) out += chunk;
  const [status, json] = JSON.parse(out);
  return { status, json };
}

const names = (answer: Pick<Answer, 'json'>): string[] =>
  answer.json.records.map((r: { action?: string; kind: string }) => r.action ?? r.kind);
const get = (query: string, at = socket) => ask(at, `/v1/records${query}`);

describe('a list of records', () => {
  it('is of the caller alone, the newest first; of all on the admin socket', async () => {
    const mine = await get('?limit=2');
    expect(names(mine)).toEqual(['note/last "quoted"', `bulk/n${MANY - 1}`]);
    expect(mine.json.records[0]).toMatchObject({
      kind: 'execution',
      uid: process.getuid?.(),
      target: 'b:2',
      phase: 'completed',
      status: 'succeeded',
      decision: 'ungoverned',
      trace: TRACE,
    });
    const all = await get('?limit=3', admin);
    expect(names(all)).toEqual(['note/nobody', 'note/last "quoted"', `bulk/n${MANY - 1}`]);
    expect(names(await get('?kind=boot'))).toEqual([]);
    expect(names(await get('?kind=boot', admin))).toEqual(['boot']);
  });

  it.runIf(may('root'))('shows no other caller, and is not asked about one', async () => {
    const theirs = await other('GET', '/v1/records');
    expect(names(theirs)).toEqual(['note/nobody']);
    expect(await other('GET', '/v1/records?uid=0')).toMatchObject({ status: 403, json: { status: 403 } });
    expect(names(await other('GET', '/v1/records?text=quoted'))).toEqual([]);
    expect(names(await get('?uid=65534', admin))).toEqual(['note/nobody']);
  });

  it('leads through every record once, backwards and onwards', async () => {
    const back: number[] = [];
    for (let at = ''; ; ) {
      const page = await get(`?action=bulk&limit=100${at}`);
      back.push(...page.json.records.map((r: { index: number }) => r.index));
      if (page.json.next === undefined) break;
      at = `&before=${page.json.next.before}`;
    }
    expect(back).toHaveLength(MANY);
    expect(back).toEqual([...back].sort((a, b) => b - a));
    const on: number[] = [];
    for (let at = 0; ; ) {
      const page = await get(`?action=bulk&limit=500&after=${at}`);
      on.push(...page.json.records.map((r: { index: number }) => r.index));
      if (page.json.next === undefined) break;
      at = page.json.next.after;
    }
    expect(on).toEqual([...back].reverse());
  });

  it.each([
    ['?action=note', ['note/last "quoted"', 'note/first']],
    ['?action=fir*', ['note/first']],
    ['?action=note/first', ['note/first']],
    ['?action=note/fir', []],
    [`?trace=${TRACE}`, ['note/last "quoted"']],
    [`?text=${encodeURIComponent('last "quoted"')}`, ['note/last "quoted"']],
    ['?text=a%3A1', ['note/first']],
    ['?decision=denied', []],
    ['?since=2999-01-01T00:00:00.000Z', []],
    ['?until=2000-01-01T00:00:00.000Z', []],
  ])('%s', async (query, wanted) => {
    const page = await get(query);
    expect([page.status, names(page), page.json.next]).toEqual([200, wanted, undefined]);
  });

  it('by time is all of it within the times of its ends', async () => {
    const [last] = (await get('?limit=1')).json.records;
    const [first] = (await get('?action=note/first')).json.records;
    let count = 0;
    for (let at = ''; ; ) {
      const page = await get(`?since=${first.time}&until=${last.time}&limit=500${at}`);
      count += page.json.records.length;
      if (page.json.next === undefined) break;
      at = `&before=${page.json.next.before}`;
    }
    expect(count).toBe(MANY + 2);
  });

  it.each([
    ['?limit=0', '/limit'],
    ['?limit=501', '/limit'],
    ['?before=1&after=1', '/after'],
    ['?kind=no', '/kind'],
    ['?since=yesterday', '/since'],
    ['?colour=red', '/colour'],
    ['?trace=XYZ', '/trace'],
  ])('%s is refused by name', async (query, field) => {
    const answer = await get(query);
    expect([answer.status, answer.json.field]).toEqual([400, field]);
  });
});
