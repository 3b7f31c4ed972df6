/**
 * A disk with no room for anything: who asks hears so at once, whether the daemon runs, waits for a seal or begins, and
 * everything goes on by itself when there is room.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Daemon } from '../../src/daemon/daemon.ts';
import type { Store } from '../../src/store/store.ts';
import { may } from '../kit/privilege.ts';
import { ask, body, type Host, makeHost, until } from './kit.ts';

let host: Host;
let daemon: Daemon;
const state = () => host.config.state_dir;
const mount = (...args: string[]) => execFileSync('mount', ['-t', 'tmpfs', ...args, 'attestd-test', state()]);
const key = { 'idempotency-key': 'first' };
const BODY = body();
const record = (wait: 'durable' | 'sealed', headers = {}) =>
  ask(host.config.socket.path, `/v1/records?wait=${wait}`, { body: BODY, headers });

beforeAll(async () => {
  // Nothing is sealed before somebody waits for it.
  host = await makeHost({ seal: { max_age_ms: 600_000 } });
  mkdirSync(state());
  // Room for the first segment and not for a spare one.
  mount('-o', 'size=24m,mode=700');
  await host.init();
  daemon = await host.start();
  await daemon.started;
}, 60_000);
afterAll(async () => {
  await host?.stop();
  execFileSync('umount', ['--lazy', state()]);
  await host?.remove();
});

/** Copies of records, the longest first, until there is no room for the shortest. */
async function fill(store: Store, indexes: readonly number[]): Promise<void> {
  for (const index of indexes) {
    const entry = Uint8Array.from(store.entry(index));
    const fits = () =>
      store.commit([{ entry }]).then(
        () => true,
        () => false,
      );
    while (await fits());
  }
}

it.runIf(may('mounts'))(
  'refuses, says that a seal has to wait, begins when there is room',
  async () => {
    const first = await record('durable', key);
    expect(first.status, first.text).toBe(201);
    const long = body({ plain: { inputs: { filler: 'x'.repeat(48_000) } } });
    const longest = await ask(host.config.socket.path, '/v1/records?wait=durable', { body: long });
    const store = daemon.service.store as Store;
    await fill(store, [longest.json.index, first.json.index]);
    const refused = async () => {
      const { status, json } = await record('durable');
      return [status, json.type, json.detail];
    };
    const full = [503, 'urn:attestd:error:STORAGE_UNAVAILABLE', expect.stringMatching(/read-only: .*ENOSPC/)];
    expect(await refused()).toEqual(full);

    // What is kept free for seals is used up as well: by intents that take as much as they may.
    const intent = { kind: 'counter', seq: 0, ...store.head(), counter: 0n } as const;
    for (const length of [8000, 800, 80, 0]) {
      const more = () => store.appendIntent({ ...intent, body: new Uint8Array(length) });
      for (let room = true; room; ) {
        room = await more().then(
          () => true,
          () => false,
        );
      }
    }
    const waited = await record('sealed', key);
    expect([waited.status, waited.json.type]).toEqual([503, 'urn:attestd:error:SEAL_PENDING']);
    const { reasons } = (await ask(host.config.socket.path, '/v1/health')).json;
    expect(reasons).toContainEqual(expect.stringMatching(/^seal: read-only: .*ENOSPC/));
    const place = `/v1/records/${first.json.id}`;
    expect((await ask(host.config.socket.path, place)).json).toMatchObject({ strength: 'durable' });
    expect(host.fatal).toEqual([]);

    await host.stop();
    daemon = await host.start();
    await daemon.started;
    expect(daemon.gate.phase).toBe('failed');
    expect(await refused()).toEqual(full);
    // What is on record is read all the same.
    const [read, listed] = [
      await ask(host.config.socket.path, place),
      await ask(host.config.socket.path, '/v1/records'),
    ];
    expect([read.status, read.json.digest]).toEqual([200, first.json.digest]);
    expect(listed.json.records).toContainEqual(expect.objectContaining({ digest: first.json.digest }));
    expect(host.fatal).toEqual([]);
    mount('-o', 'remount,size=96m');
    const recorded = await until(async () => {
      const answer = await record('sealed');
      return answer.status === 201 && answer;
    });
    expect(recorded.json.strength).toBe('sealed');
    expect((await record('sealed', key)).json).toMatchObject({ digest: first.json.digest, recovered: true });
  },
  120_000,
);
