/**
 * Opening a log for writing, and creating one. Creating is an act of its own: a directory that is missing is an
 * error when opening, so no misplaced path ever begins a second history.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equal, ZERO32 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { parseOrigin } from '../log/origin.ts';
import { checkItem, type Item } from './batch.ts';
import { CheckpointFile } from './checkpoint.ts';
import { Committer } from './committer.ts';
import { type Disk, isNoRoom, nativeDisk, syncDirectory, unavailable } from './disk.ts';
import { Edge } from './edge.ts';
import { makeFrame, TYPE } from './frame.ts';
import { Group } from './group.ts';
import { sha256Of } from './hash.ts';
import { catchUp } from './indexing.ts';
import { layoutOf, listSegments } from './layout.ts';
import { Lookup } from './lookup.ts';
import { Publisher } from './publish.ts';
import { describe, mend } from './recover.ts';
import { readTail } from './replay.ts';
import { encodeSegmentHead, segmentName, type Tip } from './segment.ts';
import { SEGMENT_BYTES, Segments } from './segments.ts';
import { Store } from './store.ts';
import { Tiles } from './tiles.ts';
import { Wal } from './wal.ts';

/** Told how far the rebuilding of index or tiles has come, in entries. */
export type Progress = (what: 'index' | 'tiles', done: number, total: number) => void;

export interface StoreOptions {
  /** Size of new segments in bytes, 256 KiB to 1 GiB; 16 MiB where absent. */
  readonly segmentBytes?: number;
  readonly progress?: Progress;
  /** Told of what was put right or could not be written and does not matter to the log. */
  readonly warn?: (what: string, cause: unknown) => void;
  /** The operations on the disk; the real ones where absent. */
  readonly disk?: Disk;
}

function sizeOf(options: StoreOptions): number {
  const { segmentBytes = SEGMENT_BYTES } = options;
  if (!Number.isInteger(segmentBytes) || segmentBytes < 1 << 18 || segmentBytes > 1 << 30)
    throw new AttestdError('CONFIG_INVALID', 'segmentBytes: not from 256 KiB to 1 GiB');
  return segmentBytes;
}

/**
 * Makes the log of a new epoch, whole or not at all.
 * @param dir `<state>/log/<epoch>`, which must not exist
 * @param genesis entry 0
 * @throws EXISTS, MALFORMED for a bad origin, STORAGE_UNAVAILABLE
 */
export async function createLog(
  dir: string,
  origin: string,
  genesis: Item,
  options: StoreOptions = {},
): Promise<void> {
  parseOrigin(origin);
  checkItem(genesis);
  const segmentBytes = sizeOf(options);
  if (existsSync(dir)) throw new AttestdError('EXISTS', `${dir} is there already`);
  const disk = options.disk ?? nativeDisk();
  // Under another name until it is whole: what a crash leaves of it is removed here and never opened.
  const layout = layoutOf(`${dir}.new`);
  try {
    await rm(layout.dir, { recursive: true, force: true });
    await mkdir(layout.wal, { recursive: true, mode: 0o700 });
    const tip: Tip = { origin, edge: new Edge(), intents: [] };
    const salt = randomBytes(8);
    const facts = { type: TYPE.segment, first: 0, count: 0, erasable: 0, salt, chain: Buffer.from(ZERO32) };
    const head = makeFrame(facts, encodeSegmentHead({ ordinal: 0, lastFrame: 0, end: 0, tip }));
    const group = new Group();
    group.add(genesis);
    const { frame, erasable } = group.finish(0, salt, sha256Of(head));
    const path = join(layout.wal, segmentName(0, 0));
    await disk.allocate(path, segmentBytes);
    const file = await disk.openDurable(path);
    try {
      await file.append([head, frame, ...erasable], 0);
    } finally {
      await file.close();
    }
    await syncDirectory(layout.dir);
    await disk.rename(layout.dir, dir);
    await syncDirectory(dirname(dirname(dir)));
  } catch (cause) {
    throw unavailable('the log could not be created', cause);
  }
}

/**
 * Opens a log as its only writer and brings it to a state that can go on, as recover.ts has it.
 * @throws NOT_FOUND when there is no log; STORE_LOCKED; STORE_CORRUPT, saying where; STORAGE_UNAVAILABLE;
 *   NATIVE_MISSING
 */
export async function openStore(dir: string, options: StoreOptions = {}): Promise<Store> {
  const segmentBytes = sizeOf(options);
  const layout = layoutOf(dir);
  listSegments(layout);
  const disk = options.disk ?? nativeDisk();
  const undo: (() => unknown)[] = [];
  try {
    const release = disk.lock(layout.lock);
    if (release === undefined)
      throw new AttestdError('STORE_LOCKED', `${layout.lock} is held by another process`);
    undo.push(release);
    return await build(dir, segmentBytes, disk, options, undo);
  } catch (e) {
    for (const act of undo.reverse()) await act();
    throw e instanceof AttestdError ? e : unavailable('the log could not be opened', e);
  }
}

async function build(
  dir: string,
  segmentBytes: number,
  disk: Disk,
  options: StoreOptions,
  undo: (() => unknown)[],
): Promise<Store> {
  const { progress, warn = () => undefined } = options;
  const layout = layoutOf(dir);
  const tail = readTail(listSegments(layout));
  const { tip, point } = tail;
  const { origin, edge } = tip;

  const wal = new Wal(tail.segments);
  undo.push(() => wal.close());
  const checkpoint = new CheckpointFile(disk, layout.checkpoint, warn);
  const stale = checkpoint.check(tip.lastSeal, edge.size, origin);
  const lookup = Lookup.open(layout.index, warn);
  undo.push(() => lookup.close());
  const locate = wal.locate;
  wal.locate = (index) => lookup.place(index) ?? locate(index);
  await catchUp(wal, lookup, tip, point, (done, total) => progress?.('index', done, total));

  const tiles = new Tiles(dir, edge, wal, warn);
  const seal = tip.lastSeal;
  if (seal !== undefined && !equal(tiles.rootAt(seal.size), seal.root))
    throw new AttestdError('STORE_CORRUPT', `the sealed root of ${seal.size} entries is not that of the log`);
  const dropped = await mend(tail, disk);
  if (stale && seal !== undefined) checkpoint.put(seal.note);
  undo.push(() => checkpoint.close());
  const publisher = new Publisher({ disk, tiles, wal, lookup, warn });
  try {
    await publisher.run(
      () => edge.size,
      (done, total) => progress?.('tiles', done, total),
    );
  } catch (cause) {
    // The log itself needs no room to be opened; they follow when there is some.
    if (!isNoRoom(cause)) throw cause;
    warn('tiles are not written', cause);
  }

  const recovered = describe(tail, dropped);
  // A quote is never taken again for an earlier run's intent (design §4), so none waits for one any more.
  tip.intents = tip.intents.filter((i) => i.kind !== 'seal');
  const segments = new Segments({ disk, layout, segmentBytes, wal, tip, point });
  undo.push(() => segments.close());
  const committer = new Committer({
    segments,
    tip,
    visit: (level, n, tile) => tiles.keep(level, n, tile),
    elsewhere: () => checkpoint.failed,
    durable(first, items, place, entries) {
      lookup.addFrame(first, place);
      for (let i = 0; i < items.length; i++) {
        const { id, uid, idempotency } = items[i] as Item;
        lookup.addEntry(first + i, id, uid, idempotency?.key);
      }
      const { ordinal, offset, chain } = segments.point;
      lookup.reach({ size: first + items.length, place: { ordinal, offset }, chain });
      publisher.take(first, items.length, entries);
      publisher.follow(() => committer.size);
    },
  });
  const [release] = undo as [() => void];
  const store = new Store({
    disk,
    tip,
    recovered,
    wal,
    tiles,
    lookup,
    publisher,
    segments,
    committer,
    checkpoint,
    release,
  });
  for (const index of tail.forgets) await store.forget(index);
  return store;
}
