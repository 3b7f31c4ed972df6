/** Removing entries for their age: nothing that was said about the log changes, at any point where it may be cut off. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { leafHash } from '../../src/log/merkle.ts';
import { CompactRange } from '../../src/log/range.ts';
import { copyLog } from '../../src/store/copying.ts';
import { type Disk, nativeDisk } from '../../src/store/disk.ts';
import { type Frame, frameAt, makeFrame, TYPE } from '../../src/store/frame.ts';
import { Lookup } from '../../src/store/lookup.ts';
import { openStore } from '../../src/store/open.ts';
import { readLog } from '../../src/store/reader.ts';
import { sketchOf } from '../../src/store/sketch.ts';
import type { Store } from '../../src/store/store.ts';
import { printThin, ThinMap, thinMapOf, wholeSegment } from '../../src/store/thin.ts';
import { breakingDisk } from './faults.ts';
import { digestOf, entryOf, freshDir, idOf, itemOf, newLog, opened, SMALL, sealNow } from './kit.ts';

const COUNT = 900;
const BEFORE = 700;
const keep = (i: number) => i === 0 || i % 100 === 7;

/** A log of several segments with records that have everything, one by one and in groups, and seals. */
async function filled(): Promise<{ dir: string; store: Store }> {
  const dir = await newLog();
  const store = await openStore(dir, SMALL);
  for (let i = 1; i < COUNT; ) {
    const n = i % 40 < 20 ? 1 : 17;
    await store.commit(Array.from({ length: Math.min(n, COUNT - i) }, (_, k) => itemOf(i + k, 900)));
    i += n;
    if (i % 50 < 17) await sealNow(store);
  }
  await sealNow(store);
  await store.settle();
  return { dir, store };
}

/** All that a log says of itself and that must not change. */
async function said(store: Store) {
  const { size } = store;
  const at = [1, 3, 200, 256, 511, 699, size - 1];
  return {
    size,
    roots: at.map((n) => Buffer.from(store.rootAt(n)).toString('hex')),
    proofs: at.map((i) => store.inclusionProof(i - 1, size).map((h) => Buffer.from(h).toString('hex'))),
    consistency: (await store.consistencyProof(300, size)).map((h) => Buffer.from(h).toString('hex')),
    seals: [...store.seals()].map((s) => s.seq),
    tile: Buffer.from(store.tile({ level: 0, n: 1, width: 256 })).toString('hex'),
    ids: [1, 350, BEFORE, size - 1].map((i) => store.lookup(idOf(i))),
  };
}

/** Every frame once more from the bytes on disk, by leaf hashes: the chain, the seals, what is left. */
async function checkThin(dir: string) {
  const range = new CompactRange();
  const roots = [range.root()];
  const gone: number[] = [];
  for await (const frame of readLog(dir).frames()) {
    if (frame.kind === 'seal')
      expect(Buffer.from(frame.sealed.root)).toEqual(Buffer.from(roots[frame.sealed.size] as Uint8Array));
    if (frame.kind !== 'entries') continue;
    frame.batch.metas();
    for (let i = 0; i < frame.batch.count; i++) {
      const leaf = Buffer.alloc(32);
      frame.batch.leafInto(i, leaf, 0);
      const index = frame.first + i;
      if (frame.batch.removed(i)) gone.push(index);
      else expect(leaf).toEqual(Buffer.from(leafHash(frame.batch.entry(i))));
      range.append(leaf);
      roots.push(range.root());
    }
  }
  return { gone, size: range.size };
}
const filesWith = (dir: string, text: string) =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(dir, name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });
const walBytes = (dir: string) =>
  readdirSync(join(dir, 'wal')).reduce(
    (n, f) => n + (f === 'spare' ? 0 : statSync(join(dir, 'wal', f)).size),
    0,
  );

test('what is removed is in no file; roots, proofs, seals, tiles and ids are as they were', async () => {
  const { dir, store } = await filled();
  const before = await said(store);
  const bytes = walBytes(dir);
  const { removed, freed } = await store.thin(BEFORE, keep);
  expect(removed).toBeGreaterThan(650);
  expect(freed).toBeGreaterThan(bytes / 2);
  expect(await said(store)).toEqual(before);
  const check = async (s: Store) => {
    expect(await said(s)).toEqual(before);
    expect(() => s.entry(350)).toThrow(expect.objectContaining({ code: 'RECORD_REMOVED' }));
    expect(Buffer.from(s.entry(307)).toString()).toBe(Buffer.from(entryOf(307, 900)).toString());
    expect([s.openings(350), s.openings(307)]).toEqual(['erased', 'erased']);
    expect(Buffer.from(s.openings(BEFORE + 50) as Uint8Array).toString()).toContain(`of ${BEFORE + 50}`);
    expect(s.idempotent(1000 + (350 % 3), digestOf('key', 350))).toBeUndefined();
    expect(s.idempotent(1000 + (307 % 3), digestOf('key', 307))?.index).toBe(307);
    expect([...s.entries(349, 352)].map((e) => e.length)).toEqual([0, 0, 0]);
    expect([...s.owned(300, 310)].map((e) => e.index)).toEqual([307]);
    expect(() => s.tile({ level: 'entries', n: 1, width: 256 })).toThrow(/removed/);
    const { gone, size } = await checkThin(dir);
    expect([gone.length, size]).toEqual([removed, COUNT]);
    expect(gone.some(keep)).toBe(false);
  };
  await check(store);
  for (const i of [1, 350, 600]) {
    expect([i, filesWith(dir, `entry ${i} `), filesWith(dir, `secret of ${i}"`)]).toEqual([i, [], []]);
  }
  // Again is nothing; and the log goes on, is opened again, and without its index and tiles too.
  expect(await store.thin(BEFORE, keep)).toEqual({ removed: 0, freed: 0 });
  await store.commit([itemOf(COUNT + 1)]);
  await sealNow(store);
  await store.close();
  // The keys of what stays are in the index, and none of what is gone.
  const index = Lookup.open(join(dir, 'index.mdb'), () => {});
  for (const i of [1, 350, 600, 307, BEFORE + 1]) {
    const known = index.keys.get(1000 + (i % 3), digestOf('key', i));
    expect([i, known]).toEqual([i, i === 307 || i > BEFORE ? i : undefined]);
  }
  await index.close();
  for (const bare of [false, true]) {
    if (bare)
      for (const f of ['tile', 'index.mdb', 'index.mdb-lock'])
        rmSync(join(dir, f), { recursive: true, force: true });
    const again = await openStore(dir, SMALL);
    expect(Buffer.from(again.rootAt(699)).toString('hex')).toBe(before.roots[5]);
    expect(again.lookup(idOf(350))).toEqual(before.ids[1]);
    expect(() => again.entry(350)).toThrow(/removed/);
    await again.settle();
    expect(existsSync(join(dir, 'tile/entries/000'))).toBe(false);
    expect(existsSync(join(dir, 'tile/0/000'))).toBe(true);
    await again.close();
  }
});

test('what is copied and sketched while entries are removed is gone behind it, wherever that had come to', async () => {
  const dir = await newLog();
  const disk = nativeDisk();
  // The copy of the first entries was read and is about to be written.
  let go = () => {};
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  let begun = false;
  const slow: Disk = {
    ...disk,
    async create(path, bytes) {
      if (path.endsWith('tile/entries/000')) {
        begun = true;
        await held;
      }
      return disk.create(path, bytes);
    },
  };
  const store = await openStore(dir, { ...SMALL, disk: slow });
  for (let i = 1; i < COUNT; i += 17)
    await store.commit(Array.from({ length: Math.min(17, COUNT - i) }, (_, k) => itemOf(i + k, 900)));
  await sealNow(store);
  expect(begun).toBe(true);
  // What a copy that was cut off may leave.
  mkdirSync(join(dir, 'tile/entries'), { recursive: true });
  writeFileSync(join(dir, 'tile/entries/001.tmp'), entryOf(350, 900));
  let asked = false;
  const sketching = (i: number) => {
    // A list looks through entries that are not removed yet.
    if (!asked && i > 300) store.sketches.put(1, sketchOf(['entry 350']));
    asked ||= i > 300;
    return keep(i);
  };
  const thinned = store.thin(BEFORE, sketching);
  await Promise.race([thinned, sleep(200)]);
  go();
  expect((await thinned).removed).toBeGreaterThan(650);
  await store.settle();
  expect([asked, store.sketches.get(1)]).toEqual([true, undefined]);
  for (const i of [1, 350, 600]) expect([i, filesWith(dir, `entry ${i} `)]).toEqual([i, []]);
  // The rest is published all the same.
  expect(existsSync(join(dir, 'tile/0/002'))).toBe(true);
  await store.close();
});

test('an opening in a segment that was thinned in part can still be forgotten, and a copy has none of them', async () => {
  const { dir, store } = await filled();
  await store.thin(BEFORE, keep);
  const mixed = readdirSync(join(dir, 'wal')).find((f) => {
    const at = readFileSync(join(dir, 'wal', f));
    return thinMapOf(at) !== undefined && filesWith(dir, `secret of ${BEFORE + 20}"`).includes(`wal/${f}`);
  });
  expect(mixed).toBeDefined();
  const to = join(freshDir(), 'copy');
  const copied = await copyLog(dir, to, { openings: false });
  expect([copied.size, filesWith(to, 'secret of')]).toEqual([COUNT, []]);
  const whole = join(freshDir(), 'copy');
  await copyLog(dir, whole, { openings: true });
  expect(filesWith(whole, `secret of ${BEFORE + 20}"`)).toHaveLength(1);
  expect((await checkThin(to)).gone).toEqual((await checkThin(dir)).gone);
  await store.forget(BEFORE + 20);
  expect(filesWith(dir, `secret of ${BEFORE + 20}"`)).toEqual([]);
  expect(store.openings(BEFORE + 21)).not.toBe('erased');
  await checkThin(dir);
  await store.close();
  const again = await opened(dir);
  expect(again.openings(BEFORE + 20)).toBe('erased');
});

test('a key that was used anew after its record went stays known, whatever is removed again', async () => {
  const { dir, store } = await filled();
  const uid = 1000 + (350 % 3);
  const key = digestOf('key', 350);
  await store.thin(BEFORE, keep);
  const { first: again } = await store.commit([{ ...itemOf(350), id: idOf(COUNT + 9) }]);
  await store.settle();
  expect(store.idempotent(uid, key)?.index).toBe(again);
  await store.thin(BEFORE + 20, keep);
  expect(store.idempotent(uid, key)?.index).toBe(again);
  await store.close();
  const index = Lookup.open(join(dir, 'index.mdb'), () => {});
  await index.keys.drop([{ index: 350, uid, key }]);
  expect(index.keys.get(uid, key)).toBe(again);
  await index.keys.drop([{ index: again, uid, key }]);
  expect(index.keys.get(uid, key)).toBeUndefined();
  await index.close();
});

test('cut off at any operation on the disk, it goes on where it was', async () => {
  const { dir, store } = await filled();
  const before = await said(store);
  await store.close();
  // Each life goes on from the one before, so every point is met on a log in another state.
  let done = false;
  for (let at = 0; !done && at < 40; at++) {
    const mode = at % 2 === 0 ? 'persisted' : 'not persisted';
    const broken = await openStore(dir, { ...SMALL, disk: breakingDisk(at >> 1, mode) }).catch(
      () => undefined,
    );
    done =
      (await broken?.thin(BEFORE, keep).then(
        ({ removed }) => removed === 0,
        () => false,
      )) === true;
    await broken?.close().catch(() => undefined);
    const healthy = await openStore(dir, { ...SMALL, disk: nativeDisk() });
    expect({ ...(await said(healthy)), at }).toEqual({ ...before, at });
    await healthy.close();
    await checkThin(dir);
  }
  expect(done).toBe(true);
  expect((await checkThin(dir)).gone.length).toBeGreaterThan(650);
});

test('nothing is removed from a segment with damage anywhere in it, and what stands behind the damage stays', async () => {
  const { dir, store } = await filled();
  const file = join(dir, 'wal', readdirSync(join(dir, 'wal')).sort()[0] as string);
  const whole = readFileSync(file);
  const frames: { offset: number; bytes: number }[] = [];
  for (let f = frameAt(whole, 0); f !== undefined; f = frameAt(whole, f.offset + f.bytes)) frames.push(f);
  const last = frames.at(-1) as { offset: number; bytes: number };
  const control = frames.find((f) => whole[f.offset + 4] === TYPE.seal) as { offset: number };
  const damages: readonly (readonly [string, (b: Buffer) => unknown])[] = [
    ['the head', (b) => b.fill(0, 0, 4)],
    ['an entry', (b) => b.fill(1, (frames[3]?.offset ?? 0) + 90, (frames[3]?.offset ?? 0) + 92)],
    ['a seal', (b) => b.fill(1, control.offset + 80, control.offset + 82)],
    ['the last frame, changed', (b) => b.fill(1, last.offset + 80, last.offset + 82)],
    ['the last frame, of which nothing is left', (b) => b.fill(0, last.offset)],
    ['a frame of another chain', (b) => swap(b, frames)],
  ];
  for (const [what, damage] of damages) {
    const bytes = Buffer.from(whole);
    damage(bytes);
    writeFileSync(file, bytes);
    await expect(store.thin(BEFORE, keep), what).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining(file),
    });
    expect([what, readFileSync(file).equals(bytes)]).toEqual([what, true]);
  }
  writeFileSync(file, whole);
  expect((await store.thin(BEFORE, keep)).removed).toBeGreaterThan(650);
  await store.close();
});

/** Puts a frame with a right CRC, but another chain, in place of one. */
function swap(b: Buffer, frames: readonly { offset: number; bytes: number }[]): void {
  const at = frames[4]?.offset ?? 0;
  const { type, first, count, payload, erasable, salt } = frameAt(b, at) as Frame;
  const facts = { type, first, count, erasable: erasable.length, salt, chain: Buffer.alloc(32, 7) };
  makeFrame(facts, payload).copy(b, at);
}

test('a thinned segment that somebody changed is damage, wherever it is changed', async () => {
  const { dir, store } = await filled();
  await store.thin(BEFORE, keep);
  await store.close();
  const file = join(dir, 'wal', readdirSync(join(dir, 'wal')).sort()[0] as string);
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at += 97) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ 4;
    writeFileSync(file, bytes);
    await expect(checkThin(dir), `byte ${at}`).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    if (at > 4000) at += 4000;
  }
  for (const cut of [0, 10, 30, whole.length >> 1, whole.length - 1]) {
    writeFileSync(file, whole.subarray(0, cut));
    await expect(checkThin(dir), `cut at ${cut}`).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  }
  writeFileSync(file, whole);
  await checkThin(dir);
});

test('any bytes behind the magic are read or refused, never more', () => {
  const parts = fc.array(fc.tuple(fc.nat(50), fc.uint8Array({ maxLength: 30 })), { maxLength: 8 });
  fc.assert(
    fc.property(parts, fc.nat(40), (list, tail) => {
      let at = 0;
      const laid = list.map(([gap, bytes], i) => {
        const offset = i === 0 ? 0 : at + gap;
        at = offset + bytes.length;
        return { offset, bytes };
      });
      const whole = wholeSegment(printThin(at + tail, laid));
      expect(whole.length).toBe(at + tail);
      for (const { offset, bytes } of laid)
        expect(whole.subarray(offset, offset + bytes.length)).toEqual(Buffer.from(bytes));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (tail) => {
      const bytes = Buffer.concat([Buffer.from('ff57415401000000', 'hex'), tail]);
      try {
        const length = ThinMap.headBytes(bytes);
        if (length !== undefined) new ThinMap(bytes.subarray(0, length));
      } catch (e) {
        expect(e).toMatchObject({ code: 'STORE_CORRUPT' });
      }
    }),
  );
});
