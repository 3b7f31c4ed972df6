/**
 * Retention: entries below an index are removed, by index and never by a clock of their own, and not before they are
 * sealed, anchored and, where witnesses cosign, cosigned. A tombstone is sealed first, so that nothing is gone that the log
 * does not say; then word is left beside the log, so that an interruption anywhere is gone on from at the next start. Word
 * alone removes nothing: it says where the tombstone stands, and that is what is believed.
 */
import { AttestdError } from '../../core/errors.ts';
import type { Store } from '../../store/store.ts';
import type { Thinned } from '../../store/thinning.ts';
import type { Engine } from '../engineface.ts';
import type { Journal } from '../journal.ts';
import type { Sealer } from '../sealer.ts';
import type { Sequencer } from '../sequencer.ts';
import { type Remains, remainsOf } from './remains.ts';
import { isAnnounced, readWord, type Word, writeWord } from './word.ts';

export interface RetentionInput {
  readonly store: Store;
  readonly sequencer: Sequencer;
  readonly sealer: Sealer;
  readonly build: Engine['build'];
  /** Entries that the newest anchor covers; undefined where there is no counter. */
  readonly anchored: () => number | undefined;
  /** File in which word is left. */
  readonly word: string;
  readonly now: () => number;
  readonly journal: Journal;
}

export interface RetainRequest {
  /** Entries below this index go. */
  readonly before: number;
  /** Says what would be done and does nothing. */
  readonly dryRun: boolean;
  readonly reason: string | undefined;
  readonly uid: number;
  /** Entries that witnesses cosigned; undefined where none did. */
  readonly cosigned: number | undefined;
}

export interface Retained {
  readonly before: number;
  /** Entries that go, and those below the bound that stay. */
  readonly removed: number;
  readonly kept: number;
  /** Bytes of segments that were given back. */
  readonly freed: number;
  /** ULID of the tombstone; absent where nothing goes, and for a dry run. */
  readonly tombstone?: string;
}

export interface Retention {
  /** @throws RETENTION_REFUSED, SEAL_PENDING, SHUTTING_DOWN, STORAGE_UNAVAILABLE */
  retain(request: RetainRequest): Promise<Retained>;
  /** Takes no more; what is under way ends at the next place from which the next start goes on. */
  stop(): Promise<void>;
}

const shuttingDown = () => new AttestdError('SHUTTING_DOWN', 'removing old entries was stopped');

/** Goes on with what was cut off, in the background. */
export function openRetention(input: RetentionInput): Retention {
  const { store, now, journal, word: file } = input;
  const halt = new AbortController();
  let last: Promise<unknown> = Promise.resolve();
  const check = (): void => {
    if (halt.signal.aborted) throw shuttingDown();
  };
  /** One after the other. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(() => {
      check();
      return work();
    });
    last = mine.catch(() => undefined);
    return mine;
  };
  const look = (before: number): Promise<Remains> => {
    const entries = (from: number, to: number) => {
      check();
      return store.entries(from, to);
    };
    return remainsOf({ size: store.size, entries }, before, now());
  };
  const remove = async (word: Word, { keeps }: Remains): Promise<Thinned> => {
    const done = await store.thin(word.before, (index) => {
      check();
      return keeps(index);
    });
    writeWord(file, { ...word, done: true });
    journal.warn('entries were removed for their age', { before: word.before, ...done });
    return done;
  };
  const left = readWord(file);
  if (left === 'unreadable') journal.warn('retention.json cannot be read, and nothing was removed');
  else if (left !== undefined && !left.done) {
    inTurn(async () => {
      if (isAnnounced(store, left)) await remove(left, await look(left.before));
      else journal.warn('retention.json names no sealed tombstone, and nothing was removed', { ...left });
    }).catch((error: Error) => journal.warn('removing old entries was not finished', { error }));
  }
  return {
    retain: (request) =>
      inTurn(async () => {
        const { before, dryRun, reason, uid } = request;
        holdBound(request, store, input.anchored());
        const remains = await look(before);
        const { removed, kept } = remains;
        const answer = { before, removed, kept, freed: 0 };
        if (dryRun || removed === 0) return answer;
        const built = input.build('tombstone', {
          retention: { before },
          ...(reason === undefined ? {} : { reason }),
        });
        const tombstone = await input.sequencer.appendOne({ entry: built.entry, id: built.id, uid });
        await sealed(input.sealer, tombstone, halt.signal);
        const word = { before, tombstone, done: false };
        writeWord(file, word);
        return { ...answer, ...(await remove(word, remains)), tombstone: built.id };
      }),
    async stop() {
      halt.abort();
      await last;
    },
  };
}

/** @throws RETENTION_REFUSED, saying how far one may go */
function holdBound({ before, cosigned }: RetainRequest, store: Store, anchored: number | undefined): void {
  const bounds: readonly (readonly [string, number | undefined])[] = [
    ['sealed', store.lastSeal()?.size ?? 0],
    ['anchored by the counter', anchored],
    ['cosigned', cosigned],
    // The newest entry says what time it is.
    ['followed by another', store.size - 1],
  ];
  for (const [what, size] of bounds) {
    if (size !== undefined && before > size)
      throw new AttestdError('RETENTION_REFUSED', `entries from ${size} on are not ${what} yet`);
  }
}

/** Resolves under a seal of the same run. @throws SEAL_PENDING, SHUTTING_DOWN */
function sealed(sealer: Sealer, index: number, halt: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    halt.addEventListener('abort', () => reject(shuttingDown()), { once: true });
    if (halt.aborted) reject(shuttingDown());
    sealer.wait(index, (seal) => {
      if (seal === undefined)
        reject(new AttestdError('SEAL_PENDING', 'the tombstone is not sealed yet, and nothing was removed'));
      else if (seal.bootIndex > index)
        reject(new AttestdError('SEAL_PENDING', 'another run began meanwhile, and nothing was removed'));
      else resolve();
    });
  });
}
