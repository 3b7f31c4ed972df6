/** Lists by an index that is there, is not, is deleted and comes again: always the same answer. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { ask, body, type Host, makeHost, until } from './kit.ts';

let host: Host;
let daemon: Daemon;
const MANY = 1300;
const trace = (i: number) => i.toString(16).padStart(32, '0');

beforeAll(async () => {
  host = await makeHost({ limits: { records_per_second: 100_000, burst: 100_000 } });
  await host.init();
  daemon = await host.start();
  await daemon.started;
  const lines = Array.from({ length: MANY }, (_, i) =>
    body({
      action: { type: i % 400 === 7 ? 'rare' : 'bulk', name: `n${i % 10}` },
      trace: { traceparent: `00-${trace(i + 1)}-00f067aa0ba902b7-01` },
    }),
  );
  const answer = await ask(host.config.socket.path, '/v1/records?wait=sealed', {
    body: `${lines.join('\n')}\n`,
    headers: { 'content-type': 'application/x-ndjson' },
  });
  expect(answer.status).toBe(200);
}, 120_000);
afterAll(() => host.remove());

/** Indices of all that match, page after page. */
async function all(query: string, way: 'before' | 'after'): Promise<number[]> {
  const out: number[] = [];
  for (let at = way === 'after' ? '&after=0' : ''; ; ) {
    const { json } = await ask(host.config.admin_socket.path, `/v1/records?limit=500&${query}${at}`);
    out.push(...json.records.map((r: { index: number }) => r.index));
    if (json.next === undefined) return way === 'before' ? out.reverse() : out;
    at = `&${way}=${json.next[way]}`;
  }
}

const QUERIES = [
  'action=rare',
  'action=rare/n7',
  'action=rar*',
  'action=n7',
  `trace=${trace(900)}`,
  `trace=${trace(MANY + 5)}`,
  'kind=boot',
  'uid=54321',
  'decision=denied',
  'decision=ungoverned',
];
const answers = async () => {
  const out: Record<string, number[]> = {};
  for (const q of QUERIES) {
    out[q] = await all(q, 'before');
    expect(await all(q, 'after'), q).toEqual(out[q]);
  }
  return out;
};
const sketched = () =>
  Array.from(
    { length: Math.floor(MANY / 256) },
    (_, i) => daemon.service.store?.sketches.get(i) !== undefined,
  );

it('an index that is missing, made by looking, deleted and made again in idle time changes no answer', async () => {
  const first = await answers();
  expect(first['action=rare']).toHaveLength(4);
  expect(first['action=rare/n7']).toEqual(first['action=rar*']);
  expect(first[`trace=${trace(900)}`]).toHaveLength(1);
  expect(first['decision=ungoverned']).toHaveLength(MANY);
  expect([first['uid=54321'], first['decision=denied'], first[`trace=${trace(MANY + 5)}`]]).toEqual([
    [],
    [],
    [],
  ]);
  // Looking through them made the sketches, and by those the answers are the same.
  expect(sketched()).toEqual(sketched().map(() => true));
  expect(await answers()).toEqual(first);

  const [, , epoch = ''] = daemon.service.store?.origin.split('/') ?? [];
  const index = join(host.dir, 'state/log', epoch, 'index.mdb');
  await host.stop();
  expect(existsSync(index)).toBe(true);
  for (const name of [index, `${index}-lock`]) rmSync(name, { force: true });
  daemon = await host.start();
  await daemon.started;
  // Nobody asks, and they come again.
  await until(() => sketched().every(Boolean));
  const shifted = await answers();
  expect(shifted['kind=boot']).toHaveLength(2);
  expect({ ...shifted, 'kind=boot': [] }).toEqual({ ...first, 'kind=boot': [] });
}, 120_000);
