/**
 * The order of the log. Whatever is to become an entry comes through here, one after the other, and what came within
 * one turn of the event loop goes to the store as one group: one frame, one fdatasync, however many callers wait.
 * Order of calls is order in the log; that is why a boot entry appended here divides the runs exactly.
 */
import { AttestdError, isAttestdError } from '../core/errors.ts';
import type { Item } from '../store/batch.ts';
import type { Committed } from '../store/group.ts';

/** What the store does for it. */
export interface Committer {
  /** Makes all items durable next to each other, or none. */
  commit(items: readonly Item[]): Promise<Committed>;
  /** What that takes at present, milliseconds. */
  readonly syncMs: number;
  /** Settles at once what the disk has finished meanwhile. */
  poll(): void;
}

/** Told of the index and the record digest in hexadecimal when the item is durable, or of why it will not be. */
export type Durable = (e: Error | null, index: number, digest: string) => void;

export interface Sequencer {
  /** Queues an item. `done` is called once, never before this returns. */
  append(item: Item, done: Durable): void;
  /** The same as a promise, for the few entries that the daemon writes about itself. */
  appendOne(item: Item): Promise<number>;
  /** Index that the next item gets, if nothing queued is refused. */
  readonly next: number;
  /** Takes no more; resolves when everything queued is durable or refused. */
  stop(): Promise<void>;
}

export interface SequencerInput {
  readonly store: Committer;
  /** Entries in the log now. */
  readonly size: number;
  /** Something became durable: the log has at least this many entries. */
  readonly onDurable: (size: number) => void;
  /** How long the first of a group waited until all of it was durable, milliseconds. */
  readonly onSynced?: (ms: number) => void;
  /** A group was refused: the disk is full, or the store has failed for good. */
  readonly onFailure: (e: Error) => void;
}

/**
 * So many go to an idle disk at once, in the middle of a turn. All callers would else march in step: everybody waits
 * for one sync, and the processor with them; so, one half is served while the other half is synced. Where a sync takes
 * longer than serving everybody, two cost more than they save.
 */
const EAGER_ITEMS = 32;
const EAGER_SYNC_MS = 3;
/** After so many it is asked whether the disk has finished: more often gives smaller groups, and more of them. */
const POLL_EVERY = 8;
/** What goes to the store in one piece, at most. */
const MAX_ITEMS = 1024;
const MAX_BYTES = 1 << 20;

export function createSequencer(input: SequencerInput): Sequencer {
  const { store, size, onDurable, onSynced, onFailure } = input;
  let items: Item[] = [];
  let waiting: Durable[] = [];
  let bytes = 0;
  /** When the first of the open group came. */
  let begun = 0;
  let next = size;
  let scheduled = false;
  let stopped = false;
  const underway = new Set<Promise<void>>();

  function flush(): void {
    scheduled = false;
    if (items.length > 0) send();
  }

  /** What came before the refusal was told may rest on what was refused. */
  function refuseOpen(error: Error): void {
    const open = waiting;
    next -= open.length;
    items = [];
    waiting = [];
    bytes = 0;
    for (const d of open) d(error, -1, '');
  }

  function send(): void {
    const group = items;
    const done = waiting;
    const since = begun;
    items = [];
    waiting = [];
    bytes = 0;
    const work = store.commit(group).then(
      ({ first, digests, at }) => {
        for (let i = 0; i < done.length; i++) {
          const from = at + 64 * i;
          (done[i] as Durable)(null, first + i, digests.slice(from, from + 64));
        }
        onDurable(first + done.length);
        onSynced?.(performance.now() - since);
      },
      (e: unknown) => {
        const error = e instanceof Error ? e : new AttestdError('STORAGE_UNAVAILABLE', String(e));
        next -= done.length;
        for (const d of done) d(error, -1, '');
        if (isAttestdError(error, 'STORAGE_UNAVAILABLE')) refuseOpen(error);
        onFailure(error);
      },
    );
    underway.add(work);
    void work.finally(() => underway.delete(work));
  }

  const sequencer: Sequencer = {
    append(item, done) {
      if (stopped) {
        queueMicrotask(() => done(new AttestdError('SHUTTING_DOWN', 'the daemon is stopping'), -1, ''));
        return;
      }
      // Between two of many requests that wait in one turn of the event loop, or else it would be found at its end.
      if (underway.size > 0 && items.length % POLL_EVERY === POLL_EVERY - 1) store.poll();
      if (items.length === 0 && onSynced !== undefined) begun = performance.now();
      items.push(item);
      waiting.push(done);
      next++;
      bytes += item.entry.length + (item.opening?.length ?? 0);
      const eager = items.length >= EAGER_ITEMS && underway.size === 0 && store.syncMs < EAGER_SYNC_MS;
      if (eager || items.length >= MAX_ITEMS || bytes >= MAX_BYTES) send();
      else if (!scheduled) {
        scheduled = true;
        setImmediate(flush);
      }
    },
    appendOne: (item) =>
      new Promise((resolve, reject) => {
        sequencer.append(item, (e, index) => (e === null ? resolve(index) : reject(e)));
      }),
    get next() {
      return next;
    },
    async stop() {
      stopped = true;
      if (scheduled) flush();
      while (underway.size > 0) await Promise.all(underway);
    },
  };
  return sequencer;
}
