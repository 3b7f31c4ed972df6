/** What retention does when it is stopped, and what word left beside the log can have it do; on a log without a TPM. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ulid } from '../../src/core/ulid.ts';
import type { Engine } from '../../src/daemon/engineface.ts';
import { openRetention } from '../../src/daemon/retaining/retention.ts';
import type { Sealer } from '../../src/daemon/sealer.ts';
import type { Sequencer } from '../../src/daemon/sequencer.ts';
import { buildEntry } from '../../src/evidence/record.ts';
import type { Kind } from '../../src/evidence/statement.ts';
import { type Disk, nativeDisk } from '../../src/store/disk.ts';
import type { Store } from '../../src/store/store.ts';
import { observed } from '../kit/governed.ts';
import { entryOf, newLog, noteOf, ORIGIN, opened, SMALL, sealNow } from '../store/kit.ts';

const NOW = 1_790_000_000_000;
const BEFORE = 501;
let made = 0;

const build: Engine['build'] = (kind, body, artefacts = []) => {
  const id = ulid(NOW + made, new Uint8Array(10).fill(made++));
  const frame = { id, log: ORIGIN, boot: '0'.repeat(64), timeMs: NOW + made, salt: new Uint8Array(16) };
  return buildEntry(kind, body, frame, artefacts);
};
const put = async <K extends Kind>(store: Store, kind: K, body: Parameters<typeof build<K>>[1]) => {
  const built = build(kind, body);
  return (await store.commit([{ entry: built.entry, id: built.id, uid: 1 }])).first;
};
const used = {
  phase: 'completed',
  action: { type: 'x', name: 'y'.repeat(250) },
  caller: { observed: observed(1000) },
  authorization: 'ungoverned',
} as never;

/** A log of 600 executions, and retention that works on it with a sealer that seals when it is told. */
async function setup(replaced: (n: number) => void = () => {}) {
  const dir = await newLog();
  const disk = nativeDisk();
  let replacements = 0;
  const counting: Disk = {
    ...disk,
    async replace(path, bytes) {
      await disk.replace(path, bytes);
      if (path.endsWith('.wal')) replaced(++replacements);
    },
  };
  const store = await opened(dir, { ...SMALL, disk: counting });
  const items = Array.from({ length: 600 }, () => build('execution', used));
  for (let at = 0; at < items.length; at += 20)
    await store.commit(items.slice(at, at + 20).map(({ entry, id }) => ({ entry, id, uid: 1 })));
  await sealNow(store);
  const file = join(dir, 'retention.json');
  const waiting: (() => void)[] = [];
  const said: string[] = [];
  const open = () => {
    const retention = openRetention({
      store,
      sequencer: {
        appendOne: async (item) => (await store.commit([item])).first,
      } as Partial<Sequencer> as Sequencer,
      sealer: {
        wait: (_: number, done: (seal: unknown) => void) => waiting.push(() => done(store.lastSeal())),
      } as Partial<Sealer> as Sealer,
      build,
      anchored: () => store.size,
      word: file,
      now: () => NOW,
      journal: { debug() {}, info() {}, error() {}, warn: (m) => void said.push(m) },
    });
    onTestFinished(() => retention.stop());
    return retention;
  };
  const request = { before: BEFORE, dryRun: false, reason: undefined, uid: 1, cosigned: undefined };
  const seal = async (make: () => Promise<unknown> = () => sealNow(store)) => {
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await make();
    for (const done of waiting.splice(0)) done();
  };
  const word = () => JSON.parse(readFileSync(file, 'utf8'));
  const gone = () => [...store.entries(0, BEFORE)].filter((e) => e.length === 0).length;
  return { store, file, open, request, seal, word, gone, said, replacements: () => replacements };
}

it('while it waits for a seal, a stop ends it, and nothing is removed', async () => {
  const { open, request, gone, file } = await setup();
  const retention = open();
  const refused = expect(retention.retain(request)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  const next = expect(retention.retain(request)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  await retention.stop();
  await refused;
  await next;
  expect(gone()).toBe(0);
  expect(() => readFileSync(file)).toThrow(/ENOENT/);
  await expect(retention.retain(request)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
});

it('a tombstone that another run sealed removes nothing', async () => {
  const { open, request, store, seal, gone } = await setup();
  const refused = expect(open().retain(request)).rejects.toMatchObject({ code: 'SEAL_PENDING' });
  await seal(async () => {
    const { first: boot } = await store.commit([{ entry: entryOf(1), mark: { kind: 'boot' } }]);
    await store.appendSeal(noteOf(store.head(), store.lastSeal(), { bootIndex: boot }));
  });
  await refused;
  expect(gone()).toBe(0);
});

it('while it removes, a stop ends it behind the segment at hand, and the next start goes on', async () => {
  let stop = () => {};
  const host = await setup((n) => n === 1 && stop());
  const retention = host.open();
  let stopped: Promise<void> | undefined;
  stop = () => {
    stopped = retention.stop();
  };
  const done = retention.retain(host.request);
  const refused = expect(done).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
  await host.seal();
  await refused;
  await stopped;
  expect([host.replacements(), host.word().done]).toEqual([1, false]);
  const some = host.gone();
  expect([some > 0, some < 480]).toEqual([true, true]);
  const again = host.open();
  // Behind what was left.
  expect(await again.retain({ ...host.request, dryRun: true })).toMatchObject({ removed: 0 });
  expect([host.gone() > some, host.word()]).toEqual([true, expect.objectContaining({ done: true })]);
});

it('word beside the log removes nothing that no sealed tombstone announced', async () => {
  const host = await setup();
  const { store, file } = host;
  const sealed = await put(store, 'tombstone', { retention: { before: 101 } });
  const early = await put(store, 'tombstone', { retention: { before: store.size + 5 } });
  const forgot = await put(store, 'tombstone', { record: '0'.repeat(64) });
  await sealNow(store);
  // Written while the daemon was down: the run after it sealed that.
  const offline = await put(store, 'tombstone', { retention: { before: BEFORE } });
  await store.commit([{ entry: entryOf(1), mark: { kind: 'boot' } }]);
  await store.appendSeal(noteOf(store.head(), store.lastSeal(), { bootIndex: offline + 1 }));
  const unsealed = await put(store, 'tombstone', { retention: { before: BEFORE } });
  const words = [
    { before: BEFORE },
    { before: BEFORE, tombstone: sealed },
    { before: 101, tombstone: 3 },
    { before: 0, tombstone: forgot },
    { before: early + 4, tombstone: early },
    { before: BEFORE, tombstone: offline },
    { before: BEFORE, tombstone: unsealed },
    { before: BEFORE, tombstone: store.size },
    { before: BEFORE, tombstone: 'x' },
    { before: -1, tombstone: sealed },
  ];
  for (const word of words) {
    writeFileSync(file, JSON.stringify({ v: 1, done: false, ...word }));
    const { removed } = await host.open().retain({ ...host.request, dryRun: true });
    expect([word, host.gone(), removed, host.said.length]).toEqual([word, 0, BEFORE - 1, 1]);
    expect(host.said.pop()).toMatch(/nothing was removed/);
  }
  // What was announced goes.
  writeFileSync(file, JSON.stringify({ v: 1, done: false, before: 101, tombstone: sealed }));
  const { removed } = await host.open().retain({ ...host.request, dryRun: true });
  expect([host.said, removed]).toEqual([['entries were removed for their age'], BEFORE - 101]);
});
