/** A commit of the index that fails: records go on, the operator is told, and the next start makes up for it. */
import type { RootDatabase, RootDatabaseOptionsWithPath } from 'lmdb';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { ask, body, type Host, makeHost, until } from './kit.ts';

const opened = vi.hoisted(() => [] as RootDatabase[]);
// The real one, held on to.
vi.mock('lmdb', async (original) => {
  const lmdb = await original<typeof import('lmdb')>();
  const open = (options: RootDatabaseOptionsWithPath) => {
    const db = lmdb.open(options);
    opened.push(db);
    return db;
  };
  return { ...lmdb, open };
});

let host: Host;
let daemon: Daemon;
const record = async () => (await ask(host.config.socket.path, '/v1/records', { body: body() })).json;
const health = async () => (await ask(host.config.socket.path, '/v1/health')).json;

beforeAll(async () => {
  host = await makeHost();
  await host.init();
  daemon = await host.start();
  await daemon.started;
}, 60_000);
afterAll(() => host?.remove());

it('is told in health and by the journal, and passes with the next start', async () => {
  const first = await record();
  // As where a quota is used up half-way, which the room that the file system has does not show.
  const batch = vi.spyOn(opened.at(-1) as RootDatabase, 'batch').mockRejectedValue(new Error('EDQUOT'));
  const second = await record();
  const told = await until(async () => {
    const { reasons } = await health();
    return reasons.some((r: string) => r.startsWith('index: it is not written')) && reasons;
  });
  expect(told.length).toBeGreaterThan(0);
  expect(host.lines).toContainEqual(expect.objectContaining({ msg: 'the index is not written any more' }));
  batch.mockRestore();
  const third = await record();
  expect(await health()).toMatchObject({ canRecord: true, canSeal: true });
  await host.stop();
  daemon = await host.start();
  await daemon.started;
  expect((await health()).reasons.filter((r: string) => r.startsWith('index'))).toEqual([]);
  for (const { id, digest } of [first, second, third])
    expect((await ask(host.config.socket.path, `/v1/records/${id}`)).json).toMatchObject({ digest });
});
