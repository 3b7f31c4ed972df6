/**
 * The log of one epoch, for its single writer: entries, seals, proofs and the side store of openings. Opening never
 * creates a log; `createLog` does.
 *
 * What this promises to the process: nothing it was told is durable is lost by a crash, and no two roots are ever
 * recorded for one size. What it does not: that whoever can write the directory leaves it alone (see segment.ts).
 */
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { isUlid } from '../core/ulid.ts';
import { consistencyProof } from '../log/consistency.ts';
import { checkIndex, checkSize } from '../log/position.ts';
import { createInclusionProvers } from '../log/prover.ts';
import { levelExtent, type Tile } from '../log/tile.ts';
import { ERASED, type Item } from './batch.ts';
import { sealCovering, sealsFrom } from './covering.ts';
import { WIDTH } from './edge.ts';
import { findRecord } from './finding.ts';
import { TYPE } from './frame.ts';
import type { Committed } from './group.ts';
import { encodeForget, encodeIntent, type Intent } from './intent.ts';
import { entriesOf, type OwnedEntry, ownedEntries } from './owned.ts';
import type { StoreParts } from './parts.ts';
import type { Recovered } from './recover.ts';
import { readSealed, type Sealed } from './seal.ts';
import type { Sketches } from './sketch.ts';
import { type Keep, type Thinned, thinLog } from './thinning.ts';
import { openIntent, sealFault, takeSeal } from './tip.ts';

const refuse = (why: string) => new AttestdError('SEAL_REFUSED', why);

export class Store {
  /** By which lists pass over entries. */
  readonly sketches: Sketches;
  readonly #p: StoreParts;
  #closed: Promise<void> | undefined;
  readonly #prove = createInclusionProvers((level, index) => this.#node(level, index));
  #head: { readonly size: number; readonly root: Uint8Array };

  /** Not to be called: see `openStore`. */
  constructor(parts: StoreParts) {
    this.#p = parts;
    this.sketches = parts.lookup.sketches;
    const { size, root } = parts.recovered;
    this.#head = { size, root };
  }

  get origin(): string {
    return this.#p.tip.origin;
  }
  get recovered(): Recovered {
    return this.#p.recovered;
  }
  /** Durable entries. */
  get size(): number {
    return this.#p.committer.size;
  }
  /** What it takes to make a group of records durable at present, milliseconds: a moving average. */
  get syncMs(): number {
    return this.#p.committer.syncMs;
  }
  /** Set once a write has failed: every later commit rejects with it, and only a restart helps. */
  get failed(): AttestdError | undefined {
    return this.#p.committer.failed ?? this.#p.checkpoint.failed;
  }
  /** Set while there is no room for a further segment: the log can be read, not written. */
  get full(): AttestdError | undefined {
    return this.#p.committer.full;
  }
  /** Whether the index is not written any more: nothing is lost by that. */
  get unindexed(): boolean {
    return this.#p.lookup.broken;
  }
  /** Size and root of what is durable now. */
  head(): { readonly size: number; readonly root: Uint8Array } {
    if (this.#head.size !== this.size) this.#head = { size: this.size, root: this.rootAt(this.size) };
    return this.#head;
  }
  /**
   * Makes items durable with one write and one fdatasync, together with whatever else is waiting, and next to each
   * other in the order given. Resolves in the order of the log with their place and digests.
   * @throws (rejects) RECORD_TOO_LARGE, TOO_LARGE, MALFORMED, SHUTTING_DOWN, or STORAGE_UNAVAILABLE: then `failed` or
   *   `full` says which, and with `failed` the items may be in the log all the same
   */
  commit(items: readonly Item[]): Promise<Committed> {
    return this.#p.committer.commit(items);
  }

  /** Looks whether the disk has finished meanwhile: a busy event loop would find that out late, and the disk would idle. */
  poll(): void {
    this.#p.segments.poll();
  }

  /** Makes it durable that something is about to be asked of the TPM. It stands in place of an older one of its kind. */
  appendIntent(intent: Intent): Promise<void> {
    const { committer, tip } = this.#p;
    return committer.control(async () => {
      if (intent.size > this.size || !equal(intent.root, this.rootAt(intent.size)))
        throw refuse(`intent: the root of ${intent.size} entries is another`);
      await committer.writeControl(TYPE.intent, encodeIntent(intent));
      openIntent(tip, intent);
      this.#reach();
    });
  }

  /**
   * Makes a seal durable; only then may it leave the process. The `checkpoint` file follows.
   * @param note the checkpoint with exactly one seal line, already verified
   * @throws (rejects) SEAL_REFUSED when root, seq or prev_seal do not follow from the log or an open intent is another
   */
  appendSeal(note: Uint8Array): Promise<Sealed> {
    const { committer, tip, lookup, checkpoint } = this.#p;
    return committer.control(async () => {
      const sealed = readSealed(note, this.origin);
      const { size, seq, bootIndex } = sealed;
      const fault = sealFault(tip, sealed, this.size, (n) => this.rootAt(n));
      if (fault !== undefined) throw refuse(fault);
      const place = await committer.writeControl(TYPE.seal, sealed.note);
      takeSeal(tip, { ...sealed, place });
      lookup.addSeal({ size, seq, bootIndex, place });
      this.#reach();
      checkpoint.put(sealed.note);
      return sealed;
    });
  }

  lastSeal(): Sealed | undefined {
    return this.#p.tip.lastSeal;
  }

  /**
   * The smallest sealed checkpoint that covers an entry.
   * @param bounds minSize: at least so many entries; bootIndex: only seals of the run with this boot entry
   */
  sealCovering(index: number, bounds: { minSize?: number; bootIndex?: number } = {}): Sealed | undefined {
    return sealCovering(this.#p, index, bounds);
  }

  /** Every sealed checkpoint of size `from` and above, in order. */
  seals(from = 0): Generator<Sealed> {
    return sealsFrom(this.#p, from);
  }

  /** Entry `index`, as stored. @throws MALFORMED when there is none, RECORD_REMOVED, STORE_CORRUPT */
  entry(index: number): Uint8Array {
    checkIndex(index, this.size);
    return this.#p.wal.entry(index);
  }

  /** The entries `from` to `to` - 1, empty where removed; views that are good until the next one is asked for. */
  *entries(from = 0, to: number = this.size): Generator<Uint8Array> {
    checkSize(from, 'first index');
    if (to > this.size) throw new AttestdError('MALFORMED', `there are ${this.size} entries, not ${to}`);
    yield* entriesOf(this.#p.wal, from, to);
  }

  /** The same with the uid that owns each, without those that were removed. */
  owned(from: number, to: number): Generator<OwnedEntry> {
    return ownedEntries(this.#p.wal, from, Math.min(to, this.size));
  }

  /** Root of the first `size` entries. @throws MALFORMED, STORE_CORRUPT */
  rootAt(size: number): Uint8Array {
    this.#checkSize(size);
    return this.#p.tiles.rootAt(size);
  }

  /** The inclusion proof of entry `index` in the tree of `size` (RFC 9162 §2.1.3). @throws MALFORMED, STORE_CORRUPT */
  inclusionProof(index: number, size: number): Uint8Array[] {
    this.#checkSize(size);
    return this.#prove(index, size);
  }
  /** The consistency proof between two sizes (RFC 9162 §2.1.4). @throws MALFORMED, STORE_CORRUPT */
  async consistencyProof(from: number, to: number): Promise<Uint8Array[]> {
    this.#checkSize(to);
    return consistencyProof(from, to, this.#node);
  }
  /** A copy, for tiles are reused. */
  readonly #node = (level: number, index: number): Uint8Array =>
    Uint8Array.from(this.#p.tiles.node(level, index));

  /**
   * Bytes of a tile or entry bundle at any width that the log has by now.
   * @throws NOT_FOUND when it has not, STORE_CORRUPT
   */
  tile({ level, n, width }: Tile): Uint8Array {
    const { full, partial } = levelExtent(level === 'entries' ? 0 : level, this.size);
    if (n > full || (n === full && width > partial))
      throw new AttestdError('NOT_FOUND', `the log has no such tile at ${this.size} entries`);
    return level === 'entries'
      ? this.#p.wal.bundle(n * WIDTH, n * WIDTH + width)
      : this.#p.tiles.tile(level, n).bytes(width);
  }

  /** The record with this ULID, and whose it is. */
  lookup(id: string): { index: number; uid: number } | undefined {
    return isUlid(id) ? findRecord(this.#p, id) : undefined;
  }

  /** The durable record that was made under this idempotency key (its SHA-256), and the SHA-256 of its request body. */
  idempotent(uid: number, key: Uint8Array): { index: number; body: Uint8Array } | undefined {
    const index = this.#p.lookup.keys.get(uid, key);
    if (index === undefined) return undefined;
    const meta = this.#meta(index).meta;
    return meta?.key?.equals(key) && meta.uid === uid && meta.body
      ? { index, body: Uint8Array.from(meta.body) }
      : undefined;
  }

  /** ULID and owner of entry `index`, where it has them. */
  owner(index: number): { id?: string; uid?: number } {
    const { id, uid } = this.#meta(index).meta ?? {};
    return { ...(id === undefined ? {} : { id }), ...(uid === undefined ? {} : { uid }) };
  }

  /** The openings of entry `index`: `erased` after `forget`, undefined where it never had any. @throws STORE_CORRUPT */
  openings(index: number): Uint8Array | 'erased' | undefined {
    const { batch, meta } = this.#meta(index);
    const opening = meta && batch.opening(meta);
    if (opening === 'damaged')
      throw new AttestdError('STORE_CORRUPT', `the opening of entry ${index} is damaged`);
    return opening === undefined || opening === 'erased' ? opening : Uint8Array.from(opening);
  }

  /**
   * Erases the openings of entry `index` for good: announced in the log, then overwritten in place and synced.
   * @throws (rejects) NOT_FOUND when the entry has none; STORAGE_UNAVAILABLE
   */
  forget(index: number): Promise<void> {
    const { committer, segments, wal } = this.#p;
    return committer.control(async () => {
      checkIndex(index, this.size);
      const { batch, meta, place } = this.#meta(index);
      if (meta?.opening === undefined) throw new AttestdError('NOT_FOUND', `entry ${index} has no openings`);
      if (batch.opening(meta) === 'erased') return;
      await committer.writeControl(TYPE.forget, encodeForget(index));
      this.#reach();
      const { at, length } = meta.opening;
      const offset = place.offset + batch.frame.bytes - batch.frame.erasable.length + at;
      await committer.guard(() =>
        segments.overwrite({ ordinal: place.ordinal, offset }, Buffer.alloc(length, ERASED)),
      );
      wal.drop(place);
    });
  }

  /** Removes entries below `before` for good, but those to keep; their leaf hashes stay. See thinning.ts. */
  thin(before: number, keep: Keep): Promise<Thinned> {
    checkSize(before, 'bound');
    return thinLog(this.#p, Math.min(before, this.size), keep);
  }

  /** Writes the index and the tiles up to now; nothing depends on it. */
  async settle(): Promise<void> {
    await this.#p.publisher.run(() => this.size);
    await this.#p.lookup.flush();
  }

  /** Lets what was taken become durable, writes the index, lets go of the lock. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { committer, publisher, checkpoint, segments, lookup, wal, release } = this.#p;
    try {
      await committer.close();
      await checkpoint.close();
      await publisher.stop();
      await segments.close();
    } finally {
      await lookup.close();
      wal.close();
      release();
    }
  }

  #meta(index: number) {
    checkIndex(index, this.size);
    const { batch, place } = this.#p.wal.batchOf(index);
    return { batch, place, meta: batch.metas()[index - batch.first] };
  }

  #checkSize(size: number): void {
    checkSize(size, 'tree size');
    if (size > this.size) throw new AttestdError('MALFORMED', `there are ${this.size} entries, not ${size}`);
  }

  #reach(): void {
    const { ordinal, offset, chain } = this.#p.segments.point;
    this.#p.lookup.reach({ size: this.size, place: { ordinal, offset }, chain });
  }
}
