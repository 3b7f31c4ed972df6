/**
 * Retention: entries below an index are removed, by index and never by a clock of their own, and not before they are
 * sealed, anchored and, where witnesses cosign, cosigned. A tombstone is sealed first, so that nothing is gone that the log
 * does not say; then word is left beside the log, so that an interruption anywhere is gone on from at the next start.
 */
import { readFileSync } from 'node:fs';
import { AttestdError } from '../../core/errors.ts';
import { parseJson } from '../../core/json.ts';
import type { Store } from '../../store/store.ts';
import type { Thinned } from '../../store/thinning.ts';
import type { Engine } from '../engineface.ts';
import type { Journal } from '../journal.ts';
import { writeDurably } from '../layout.ts';
import type { Sealer } from '../sealer.ts';
import type { Sequencer } from '../sequencer.ts';
import { type Remains, remainsOf } from './remains.ts';

export interface RetentionInput {
  readonly store: Store;
  readonly sequencer: Sequencer;
  readonly sealer: Sealer;
  readonly build: Engine['build'];
  /** Entries that the newest anchor covers; undefined where there is no counter. */
  readonly anchored: () => number | undefined;
  /** Where word is left. */
  readonly file: string;
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
  /** @throws RETENTION_REFUSED, SEAL_PENDING, STORAGE_UNAVAILABLE */
  retain(request: RetainRequest): Promise<Retained>;
}

/** Goes on with what was cut off, in the background. */
export function openRetention(input: RetentionInput): Retention {
  const { store, now, journal, file } = input;
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
  const remove = async (before: number, { keeps }: Remains): Promise<Thinned> => {
    const done = await store.thin(before, keeps);
    writeWord(file, { before, done: true });
    journal.warn('entries were removed for their age', { before, ...done });
    return done;
  };
  const unfinished = readWord(file);
  if (unfinished !== undefined && !unfinished.done) {
    inTurn(async () => {
      const before = Math.min(unfinished.before, store.size);
      await remove(before, await remainsOf(store, before, now()));
    }).catch((error: Error) => journal.warn('removing old entries was not finished', { error }));
  }
  return {
    retain: (request) =>
      inTurn(async () => {
        const { before, dryRun, reason, uid } = request;
        holdBound(request, store, input.anchored());
        const remains = await remainsOf(store, before, now());
        const { removed, kept } = remains;
        const answer = { before, removed, kept, freed: 0 };
        if (dryRun || removed === 0) return answer;
        const built = input.build('tombstone', {
          retention: { before },
          ...(reason === undefined ? {} : { reason }),
        });
        const index = await input.sequencer.appendOne({ entry: built.entry, id: built.id, uid });
        await sealed(input.sealer, index);
        writeWord(file, { before, done: false });
        return { ...answer, ...(await remove(before, remains)), tombstone: built.id };
      }),
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

/** @throws SEAL_PENDING */
function sealed(sealer: Sealer, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    sealer.wait(index, (seal) => {
      if (seal !== undefined) resolve();
      else
        reject(new AttestdError('SEAL_PENDING', 'the tombstone is not sealed yet, and nothing was removed'));
    });
  });
}

interface Word {
  readonly before: number;
  readonly done: boolean;
}

function writeWord(file: string, word: Word): void {
  writeDurably(file, `${JSON.stringify({ v: 1, ...word })}\n`);
}

/** What was left; undefined where there is nothing, or nothing that can be read: then it is the operator's to say it again. */
function readWord(file: string): Word | undefined {
  try {
    const { v, before, done } = parseJson(readFileSync(file)) as { v?: unknown } & Partial<Word>;
    const sound = v === 1 && Number.isSafeInteger(before) && (before ?? -1) >= 0 && typeof done === 'boolean';
    return sound ? { before: before as number, done } : undefined;
  } catch {
    return undefined;
  }
}
