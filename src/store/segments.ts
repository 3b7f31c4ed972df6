/**
 * Appending frames to the newest segment and going on to the next one. One spare segment is always allocated ahead,
 * so a full disk is met here and nowhere else: as a refusal before anything was written, never as half a frame.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import { type Disk, type DurableFile, wordsOf } from './disk.ts';
import { makeFrame, TYPE } from './frame.ts';
import { sha256Of } from './hash.ts';
import type { Layout } from './layout.ts';
import { encodeSegmentHead, type Place, segmentName, type Tip } from './segment.ts';
import type { Wal } from './wal.ts';

/** Default size of a segment in bytes. */
export const SEGMENT_BYTES: number = 16 << 20;

/** Where appending goes on. */
export interface WritePoint {
  readonly ordinal: number;
  readonly salt: Buffer;
  /** Digest of the last frame, and where it begins. */
  chain: Buffer;
  lastFrame: number;
  /** Where the next frame goes. */
  offset: number;
}

export interface SegmentsOptions {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly segmentBytes: number;
  readonly wal: Wal;
  readonly tip: Tip;
  readonly point: WritePoint;
}

/** A frame that is ready to be written: header and payload, then what can be erased. */
export interface Ready {
  readonly frame: Buffer;
  readonly erasable?: readonly Buffer[];
  /** Where the entries of a frame of entries are. */
  readonly entries?: { readonly from: number; readonly count: number };
}

/** A frame that was written. */
export interface Written {
  readonly place: Place;
  /** Leaf hashes of its entries, 32 bytes each. */
  readonly leaves: Buffer;
  /** SHA-256 of each in hexadecimal, 64 characters each. */
  readonly digests: string;
}

/** No room, and nothing was written: unlike a failed write this can pass. */
export class DiskFull extends AttestdError {
  constructor(cause: unknown) {
    const why = wordsOf(cause);
    super('STORAGE_UNAVAILABLE', `read-only: no further segment can be allocated (${why})`, { cause });
  }
}

export class Segments {
  readonly #o: SegmentsOptions;
  readonly #point: WritePoint;
  #file: DurableFile | undefined;
  /** The spare that is being allocated, or how that ended. */
  #spare: Promise<DiskFull | undefined>;
  /** What a sync takes at present, milliseconds. */
  #syncMs = 0;
  /** Bytes at the end of a segment that only seals, intents and the like may use. */
  readonly #reserve: number;

  constructor(o: SegmentsOptions) {
    this.#o = o;
    this.#point = o.point;
    this.#reserve = Math.min(64 * 1024, o.segmentBytes >> 4);
    this.#spare = this.#allocate();
  }

  /** The largest frame that any segment has room for beside its head. */
  get maxFrame(): number {
    return this.#o.segmentBytes >> 1;
  }

  /** What a write with its sync takes at present, milliseconds: a moving average over about eight. */
  get syncMs(): number {
    return this.#syncMs;
  }

  /** Where the next frame goes, and the digest of the one before. */
  get point(): Readonly<WritePoint> {
    return this.#point;
  }

  /** Whether the segment has room for a frame of `bytes`. */
  hasRoom(bytes: number, control: boolean): boolean {
    return this.#point.offset + bytes <= this.#o.segmentBytes - (control ? 0 : this.#reserve);
  }

  /**
   * Finds room for a frame of `bytes`, in the next segment if need be. The tip must be that of every frame so far.
   * @param control whether the frame may use the reserve
   * @throws DiskFull when there is none; any other error is final
   */
  async makeRoom(bytes: number, control: boolean): Promise<void> {
    if (this.hasRoom(bytes, control)) return;
    await this.#next();
    if (!this.hasRoom(bytes, control))
      throw new AttestdError('INTERNAL', `a frame of ${bytes} bytes does not fit an empty segment`);
  }

  /**
   * Writes one frame; resolves with its place when it is durable. One at a time: its digest is known only then.
   * @param make the frame, for this salt and chain
   */
  async write(make: (salt: Buffer, chain: Buffer) => Ready): Promise<Written> {
    const point = this.#point;
    const { ordinal, offset } = point;
    this.#file ??= await this.#o.disk.openDurable(this.#path(ordinal));
    const { frame, erasable = [], entries } = make(point.salt, point.chain);
    const { ms, hashes, digests } = await this.#append([frame, ...erasable], offset, entries);
    point.chain = hashes.subarray(0, 32);
    point.lastFrame = offset;
    point.offset = erasable.reduce((n, e) => n + e.length, offset + frame.length);
    this.#syncMs += (ms - this.#syncMs) / 8;
    return { place: { ordinal, offset }, leaves: hashes.subarray(32), digests };
  }

  /** Settles at once a write that has ended meanwhile. */
  poll(): void {
    this.#file?.poll();
  }

  async #append(buffers: readonly [Buffer, ...Buffer[]], offset: number, entries: Ready['entries']) {
    const file = this.#file as DurableFile;
    if (entries !== undefined) return file.appendEntries(buffers, offset, entries.from, entries.count);
    return { hashes: sha256Of(buffers[0]), digests: '', ms: await file.append(buffers, offset) };
  }

  /** Begins the next segment although there is room in this one. @throws DiskFull */
  roll(): Promise<void> {
    return this.#next();
  }

  /** Overwrites bytes of a frame that is already there. */
  async overwrite(place: Place, bytes: Uint8Array): Promise<void> {
    if (place.ordinal === this.#point.ordinal && this.#file !== undefined) {
      await this.#file.append([bytes], place.offset);
      return;
    }
    const file = await this.#o.disk.openDurable(this.#path(place.ordinal));
    try {
      await file.append([bytes], this.#o.wal.offsetOf(place, bytes.length));
    } finally {
      await file.close();
    }
  }

  async close(): Promise<void> {
    await this.#spare;
    await this.#file?.close();
    this.#file = undefined;
  }

  #path(ordinal: number): string {
    const segment = this.#o.wal.segments[ordinal];
    if (segment === undefined) throw new AttestdError('INTERNAL', `segment ${ordinal} is not known`);
    return segment.path;
  }

  /** Begins the next segment in the spare: rename, then its head as first frame, then a new spare in the background. */
  async #next(): Promise<void> {
    const { disk, layout, wal, tip } = this.#o;
    let full = await this.#spare;
    if (full !== undefined) {
      this.#spare = this.#allocate();
      full = await this.#spare;
    }
    if (full !== undefined) throw full;
    const point = this.#point;
    const ordinal = point.ordinal + 1;
    const first = tip.edge.size;
    const path = join(layout.wal, segmentName(first, ordinal));
    if (existsSync(path)) throw new AttestdError('STORE_CORRUPT', `${path} is there already`);
    await disk.rename(layout.spare, path);
    await this.#file?.close();
    this.#file = undefined;
    wal.add({ path, ordinal, first });
    const payload = encodeSegmentHead({ ordinal, lastFrame: point.lastFrame, end: point.offset, tip });
    const salt = randomBytes(8);
    const facts = { type: TYPE.segment, first, count: 0, erasable: 0, salt, chain: point.chain };
    const frame = makeFrame(facts, payload);
    Object.assign(point, { ordinal, salt, offset: 0, lastFrame: 0 });
    await this.write(() => ({ frame }));
    this.#spare = this.#allocate();
  }

  /** Allocates the spare; a full disk is told and not thrown, for it matters only once the spare is wanted. */
  async #allocate(): Promise<DiskFull | undefined> {
    const { disk, layout, segmentBytes } = this.#o;
    try {
      if (existsSync(layout.spare)) {
        if (statSync(layout.spare).size === segmentBytes) return undefined;
        await unlink(layout.spare);
      }
      await disk.allocate(layout.spare, segmentBytes);
      return undefined;
    } catch (cause) {
      await unlink(layout.spare).catch(() => undefined);
      return new DiskFull(cause);
    }
  }
}
