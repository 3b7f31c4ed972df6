/** NDJSON: one answer line for each line, in order, whatever some of them are. */
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, body, type Host, makeHost } from './kit.ts';

let host: Host;
let socket: string;
beforeAll(async () => {
  host = await makeHost({ limits: { in_flight_per_caller: 64, body_bytes: 4096 } });
  await host.init();
  await (await host.start()).started;
  socket = host.config.socket.path;
});
afterAll(() => host.remove());

const record = body().trim();

/** Sends chunks as one stream; gives the answer lines. */
// biome-ignore lint/suspicious/noExplicitAny: answers are read in many shapes
function stream(chunks: readonly (string | Buffer)[], wait = 'durable'): Promise<any[]> {
  return new Promise((resolve, reject) => {
    const r = request(
      {
        socketPath: socket,
        path: `/v1/records?wait=${wait}`,
        method: 'POST',
        agent: false,
        headers: { 'attestd-client': 'test/1', 'content-type': 'application/x-ndjson' },
      },
      (res) => {
        // biome-ignore lint/suspicious/noExplicitAny: see above
        const lines: any[] = [];
        createInterface({ input: res }).on('line', (l) => lines.push(JSON.parse(l)));
        res.on('close', () => (res.complete ? resolve(lines) : reject(new Error('cut'))));
      },
    );
    r.on('error', reject);
    for (const c of chunks) r.write(c);
    r.end();
  });
}

describe('a stream', () => {
  it('of many more records than are allowed at once is taken whole and in order', async () => {
    const count = 5000;
    const answers = await stream([`${record}\n`.repeat(count)]);
    expect(answers).toHaveLength(count);
    expect(answers.map((a) => a.line)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    const indices = answers.map((a) => a.index);
    expect(indices).toEqual([...indices].sort((a, b) => a - b));
    expect(new Set(answers.map((a) => a.id)).size).toBe(count);
    const last = await ask(socket, `/v1/records/${answers.at(-1).id}`);
    expect(last.json.digest).toBe(answers.at(-1).digest);
  });

  it('waits for seals where it is asked to', async () => {
    const answers = await stream([`${record}\n${record}\n`], 'sealed');
    expect(answers.map((a) => a.strength)).toEqual(['sealed', 'sealed']);
    expect(answers[0].proof).toMatch(/^c2sp\.org\/tlog-proof@v1\nindex \d+\n/);
  });

  it('goes on after bad lines, each answered by its number', async () => {
    const lines = [
      record,
      '{"phase":"completed"}',
      '',
      'not json',
      record.replace('"12.00"', '9'.repeat(30)),
      `{"x":"${'y'.repeat(9000)}"}`,
      record,
    ];
    const answers = await stream([lines.join('\n')]);
    expect(answers.map((a) => [a.line, a.error?.type?.split(':').at(-1), a.error?.field])).toEqual([
      [1, undefined, undefined],
      [2, 'INVALID_REQUEST', '/action'],
      [3, 'MALFORMED', undefined],
      [4, 'MALFORMED', undefined],
      [5, 'MALFORMED', undefined],
      [6, 'TOO_LARGE', undefined],
      [7, undefined, undefined],
    ]);
  });

  it('may be cut anywhere into chunks', async () => {
    const text = `${record}\n`.repeat(20);
    const answers = await stream(text.match(/[\s\S]{1,7}/g) ?? []);
    expect(answers.filter((a) => a.id !== undefined)).toHaveLength(20);
  });

  it('that ends in half a line of a sender that went away records no half', async () => {
    const before = (await ask(socket, '/v1/status')).json.entries;
    await new Promise<void>((resolve) => {
      const r = request({
        socketPath: socket,
        path: '/v1/records?wait=durable',
        method: 'POST',
        agent: false,
        headers: { 'attestd-client': 'test/1', 'content-type': 'application/x-ndjson' },
      });
      r.on('error', () => undefined);
      r.on('close', () => resolve());
      r.on('response', () => r.destroy());
      r.write(record.slice(0, 60));
    });
    expect((await ask(socket, '/v1/status')).json.entries).toBe(before);
  });

  it('takes no Idempotency-Key', async () => {
    const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': 'k' };
    const answer = await ask(socket, '/v1/records', { body: `${record}\n`, headers });
    expect([answer.status, answer.json.field]).toEqual([400, 'idempotency-key']);
  });
});
