import {
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isAttestdError } from '../../src/core/errors.ts';
import { CheckpointFile } from '../../src/store/checkpoint.ts';
import { nativeDisk } from '../../src/store/disk.ts';
import { frameAt, TYPE } from '../../src/store/frame.ts';
import { layoutOf, listSegments } from '../../src/store/layout.ts';
import { openStore } from '../../src/store/open.ts';
import { readTail } from '../../src/store/replay.ts';
import { checkLog } from './checklog.ts';
import { breakingDisk, type FaultMode } from './faults.ts';
import {
  entryOf,
  freshDir,
  idOf,
  itemOf,
  newLog,
  noteOf,
  opened,
  randomizer,
  SMALL,
  sealNow,
} from './kit.ts';

/** A log of one segment with frames of several kinds; where its frames end, and how many entries it has there. */
async function sampleLog(sealLast: boolean) {
  const dir = await newLog();
  const store = await openStore(dir, SMALL);
  for (let i = 1; i < 12; i++) {
    await store.commit(i % 3 === 0 ? [itemOf(i * 10), itemOf(i * 10 + 1)] : [itemOf(i * 10)]);
    if (i === 4) await store.appendIntent(intentOf(store.head()));
    if (i === 5 || (sealLast && i === 11)) await sealNow(store);
  }
  await store.close();
  const path = listSegments(layoutOf(dir))[0]?.path ?? '';
  const bytes = readFileSync(path);
  const ends: { at: number; size: number; type: number }[] = [];
  for (let at = 0; ; ) {
    const frame = frameAt(bytes, at);
    if (frame === undefined) break;
    at += frame.bytes;
    ends.push({ at, size: frame.first + frame.count, type: frame.type });
  }
  return { dir, path, bytes, ends, used: ends.at(-1)?.at ?? 0 };
}

const intentOf = (head: { size: number; root: Uint8Array }) =>
  ({ kind: 'counter', seq: 0, ...head, counter: 3n, body: new Uint8Array(0) }) as const;

/** What opening would say, without opening: fast enough for every prefix. */
function judge(dir: string) {
  const tail = readTail(listSegments(layoutOf(dir)));
  const checkpoint = new CheckpointFile(nativeDisk(), layoutOf(dir).checkpoint, () => undefined);
  checkpoint.check(tail.tip.lastSeal, tail.tip.edge.size, tail.tip.origin);
  return tail;
}

test('every proper prefix of a segment gives its whole frames, or is refused where it ends before the last seal', async () => {
  const { dir, path, bytes, ends, used } = await sampleLog(false);
  const sealed = ends.filter((e) => e.type === TYPE.seal).at(-1)?.at ?? 0;
  let accepted = 0;
  for (let cut = 0; cut < used; cut++) {
    // In turn: cut off, and followed by the zeros that were allocated.
    const padded = Buffer.alloc(used + 100);
    bytes.copy(padded, 0, 0, cut);
    writeFileSync(path, cut % 2 === 0 ? padded : bytes.subarray(0, cut));
    const whole = ends.filter((e) => e.at <= cut).at(-1);
    if (cut < sealed) {
      expect(() => judge(dir)).toThrow(expect.objectContaining({ code: 'STORE_CORRUPT' }));
      continue;
    }
    accepted++;
    const { tip, point } = judge(dir);
    expect(tip.edge.size).toBe(whole?.size);
    expect(point.offset).toBe(whole?.at);
  }
  expect(accepted).toBeGreaterThan(800);
});

test('a prefix is opened, goes on, and is whole; one that the index knows to be short is refused', async () => {
  const { dir, ends } = await sampleLog(false);
  const sealed = ends.findLastIndex((e) => e.type === TYPE.seal);
  for (const [i, end] of ends.entries()) {
    if (i <= sealed || end === ends.at(-1)) continue;
    const copy = join(freshDir(), 'log');
    cpSync(dir, copy, { recursive: true });
    truncateSync(listSegments(layoutOf(copy))[0]?.path ?? '', end.at + 11);
    await expect(openStore(copy, SMALL)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    rmSync(layoutOf(copy).index);
    const store = await opened(copy);
    expect(store.size).toBe(end.size);
    expect(store.recovered.dropped?.offset).toBe(end.at);
    await store.commit([itemOf(500)]);
    await sealNow(store);
    await store.close();
    expect(await checkLog(copy)).toMatchObject({ size: end.size + 1, seals: 2, torn: 0 });
  }
});

test('one changed byte anywhere in the last segment is refused or reported, and never gives other entries', async () => {
  const { dir, path, bytes, used } = await sampleLog(true);
  const whole = judge(dir);
  const root = whole.tip.edge.root();
  const random = randomizer(3);
  for (let at = 0; at < used + 64; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ (1 + (random() % 255));
    writeFileSync(path, changed);
    try {
      const tail = judge(dir);
      expect(tail.torn).toBeGreaterThan(0);
      expect(tail.tip.edge.size).toBe(whole.tip.edge.size);
      expect(tail.tip.edge.root()).toEqual(root);
    } catch (e) {
      if (!isAttestdError(e)) throw e;
      expect(e.code).toBe('STORE_CORRUPT');
      expect(e.message).toMatch(/byte|checkpoint/);
    }
  }
});

test('one changed byte in older segments is found by reading the log', async () => {
  const dir = await newLog();
  const store = await openStore(dir, SMALL);
  for (let i = 1; i < 1000; i += 10)
    await store.commit(Array.from({ length: 10 }, (_, k) => itemOf(i + k, 600)));
  await sealNow(store);
  await store.close();
  const segments = listSegments(layoutOf(dir));
  expect(segments.length).toBeGreaterThan(2);
  const { entries } = await checkLog(dir);
  const random = randomizer(5);
  for (let n = 0; n < 150; n++) {
    const { path } = segments[random() % (segments.length - 1)] as { path: string };
    const bytes = readFileSync(path);
    const changed = Buffer.from(bytes);
    const at = random() % bytes.length;
    changed[at] = (changed[at] as number) ^ (1 << (random() % 8));
    writeFileSync(path, changed);
    try {
      // Only an opening may differ: its own CRC tells.
      expect((await checkLog(dir)).entries).toEqual(entries);
      const frame = frameWith(changed, at);
      expect(at).toBeGreaterThanOrEqual(frame.offset + frame.bytes - frame.erasable.length);
    } catch (e) {
      if (!isAttestdError(e)) throw e;
      expect(e.code).toBe('STORE_CORRUPT');
    }
    writeFileSync(path, bytes);
  }
});

function frameWith(bytes: Buffer, byte: number) {
  for (let at = 0; ; ) {
    const frame = frameAt(bytes, at);
    if (frame === undefined) throw new Error('no frame there');
    if (byte < at + frame.bytes) return frame;
    at += frame.bytes;
  }
}

/** The life of a log with every kind of write; tells what it was told is durable. */
async function life(dir: string, disk: ReturnType<typeof breakingDisk>, acked: string[]): Promise<void> {
  const store = await openStore(dir, { ...SMALL, disk });
  try {
    for (let i = 1; i < 30; i++) {
      const items = Array.from({ length: 25 }, (_, k) => itemOf(i * 100 + k, 700));
      const { first } = await store.commit(items);
      for (const [k, item] of items.entries()) acked[first + k] = Buffer.from(item.entry).toString();
      if (i % 8 === 0) await store.appendIntent({ ...intentOf(store.head()), kind: 'seal', seq: i / 8 });
      if (i % 8 === 0) await sealNow(store);
      if (i === 17) await store.forget(30);
    }
  } catch (e) {
    expect(isAttestdError(e, 'STORAGE_UNAVAILABLE')).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(store.failed ?? store.full).toBeDefined();
    if (store.failed)
      await expect(store.commit([itemOf(1)])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  } finally {
    await store.close().catch(() => undefined);
  }
}

test.each<FaultMode>(['not persisted', 'persisted', 'torn'])(
  'each write that fails and is %s: nothing acknowledged is lost, and the log goes on after a restart',
  async (mode) => {
    const template = await newLog();
    const parent = freshDir();
    const healthy = breakingDisk(-1, mode);
    const all = join(parent, 'all');
    cpSync(template, all, { recursive: true });
    await life(all, healthy, []);
    const rounds = healthy.log.flatMap((op, at) => (mode === 'torn' && op !== 'append' ? [] : [at]));
    expect(rounds.length).toBeGreaterThan(30);
    for (const at of rounds) {
      const dir = join(parent, String(at));
      cpSync(template, dir, { recursive: true });
      const acked: string[] = [];
      await life(dir, breakingDisk(at, mode), acked).catch((e) => {
        if (!isAttestdError(e, 'STORAGE_UNAVAILABLE')) throw e;
      });
      const store = await openStore(dir, SMALL);
      const { size } = store;
      await store.commit([itemOf(9000)]);
      await sealNow(store);
      await store.close();
      const checked = await checkLog(dir);
      expect(checked.size).toBe(size + 1);
      expect(checked.torn).toBe(0);
      for (const [i, entry] of acked.entries())
        if (entry !== undefined) expect(checked.entries[i]).toBe(entry);
      rmSync(dir, { recursive: true });
    }
  },
);

test('a seal that does not follow from the log is refused', async () => {
  const store = await opened(await newLog());
  await store.commit([itemOf(1), itemOf(2), itemOf(3)]);
  const first = await sealNow(store);
  const head = store.head();
  const old = { size: 2, root: store.rootAt(2) };
  for (const [why, note] of Object.entries({
    'another root': noteOf({ size: head.size, root: old.root }, first),
    'more than is durable': noteOf({ size: 9, root: head.root }, first),
    'a size that goes back': noteOf(old, first),
    'the same seq again': noteOf(head, undefined),
    'a gap in seq': noteOf(head, first, { seq: 3 }),
    'another predecessor': noteOf(head, first, { prevSeal: head.root }),
    'time that goes back': noteOf(head, first, { timeMs: 5 }),
    'a boot entry beyond the tree': noteOf(head, first, { bootIndex: 4 }),
  }))
    await expect(store.appendSeal(note), why).rejects.toMatchObject({ code: 'SEAL_REFUSED' });
  await expect(store.appendIntent({ ...intentOf(head), root: old.root })).rejects.toMatchObject({
    code: 'SEAL_REFUSED',
  });
  await store.appendIntent({ ...intentOf(head), kind: 'seal', seq: 2 });
  await store.commit([itemOf(4)]);
  await expect(store.appendSeal(noteOf(store.head(), first))).rejects.toThrow(/open intent/);
  expect((await store.appendSeal(noteOf(head, first))).seq).toBe(2);
});

test('intents stay open until what they announced is in the log', async () => {
  const dir = await newLog();
  let store = await openStore(dir, SMALL);
  await store.appendIntent(intentOf(store.head()));
  await store.appendIntent({ ...intentOf(store.head()), kind: 'seal', seq: 1, body: entryOf(1) });
  await store.close();
  store = await openStore(dir, SMALL);
  expect(store.recovered.openIntents.map((i) => [i.kind, i.counter])).toEqual([
    ['counter', 3n],
    ['seal', 3n],
  ]);
  await store.commit([{ entry: entryOf(1), mark: { kind: 'anchor', counter: 4n } }]);
  await store.commit([{ entry: entryOf(2), mark: { kind: 'boot' } }]);
  await store.close();
  store = await opened(dir);
  expect(store.recovered.openIntents.map((i) => i.kind)).toEqual(['seal']);
  expect(store.recovered.lastAnchor).toMatchObject({ index: 1, counter: 4n });
  expect(store.recovered.lastBoot).toMatchObject({ index: 2 });
});

test('index and tiles can be deleted: everything is there again', async () => {
  const dir = await newLog();
  let store = await openStore(dir, SMALL);
  for (let i = 1; i < 1500; i += 20)
    await store.commit(Array.from({ length: 20 }, (_, k) => itemOf(i + k, 300)));
  const { size, root } = store.head();
  await sealNow(store);
  await store.settle();
  const proof = await store.inclusionProof(700, size);
  await store.close();
  const bundle = readFileSync(join(dir, 'tile/entries/002'));
  const tile = readFileSync(join(dir, 'tile/0/002'));
  for (const gone of [['index.mdb', 'index.mdb-lock'], ['tile'], ['index.mdb', 'index.mdb-lock', 'tile']]) {
    for (const name of gone) rmSync(join(dir, name), { recursive: true, force: true });
    const seen = new Set<string>();
    store = await openStore(dir, { ...SMALL, progress: (what) => seen.add(what) });
    expect(store.lookup(idOf(700))?.index).toBe(700);
    expect(store.sealCovering(700)?.size).toBe(size);
    expect(await store.inclusionProof(700, size)).toEqual(proof);
    expect(Buffer.from(store.rootAt(size))).toEqual(Buffer.from(root));
    expect(readFileSync(join(dir, 'tile/entries/002'))).toEqual(bundle);
    expect(readFileSync(join(dir, 'tile/0/002'))).toEqual(tile);
    await store.close();
  }
  // A damaged tile is not believed, and what cannot be an index is made anew.
  writeFileSync(join(dir, 'tile/0/002'), Buffer.alloc(8192, 1));
  rmSync(join(dir, 'tile/0/001'));
  writeFileSync(join(dir, 'index.mdb'), Buffer.alloc(8192, 1));
  store = await opened(dir);
  expect(await store.inclusionProof(700, size)).toEqual(proof);
  expect(Buffer.from(store.tile({ level: 0, n: 2, width: 256 }))).toEqual(tile);
  expect(Buffer.from(store.tile({ level: 'entries', n: 2, width: 256 }))).toEqual(bundle);
  expect(() => store.tile({ level: 1, n: 0, width: 7 })).toThrow(
    expect.objectContaining({ code: 'NOT_FOUND' }),
  );
});

test('a second writer is refused while the first one lives', async () => {
  const dir = await newLog();
  const store = await openStore(dir, SMALL);
  await expect(openStore(dir, SMALL)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  await store.close();
  await (await openStore(dir, SMALL)).close();
});

test('a segment that is missing, or another one in its place, is refused', async () => {
  const dir = await newLog();
  const store = await openStore(dir, SMALL);
  for (let i = 1; i < 60; i++)
    await store.commit(Array.from({ length: 20 }, (_, k) => itemOf(i * 50 + k, 700)));
  await sealNow(store);
  await store.close();
  const segments = listSegments(layoutOf(dir));
  expect(segments.length).toBeGreaterThan(3);
  const [, second, third] = segments as { path: string }[];
  const last = segments.at(-1) as { path: string };
  for (const [victim, why] of [
    [second, /segment 1 is missing/],
    [last, /checkpoint/],
  ] as const) {
    const copy = join(freshDir(), 'log');
    cpSync(dir, copy, { recursive: true });
    rmSync((victim as { path: string }).path.replace(dir, copy));
    await expect(openStore(copy, SMALL)).rejects.toThrow(why);
  }
  const copy = join(freshDir(), 'log');
  cpSync(dir, copy, { recursive: true });
  copyFileSync((third as { path: string }).path, last.path.replace(dir, copy));
  await expect(openStore(copy, SMALL)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  expect(readdirSync(layoutOf(dir).wal)).toContain('spare');
});
