/**
 * Erasing the openings of a record: its tombstone is durable first, so that nothing is gone that the log does not say. Word
 * is left beside the log before either, so that an interruption in between is gone on from at the next start. Word alone
 * erases nothing: it says which tombstone, and only what that names in the log is erased.
 */
import { mkdirSync, readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { readStatement } from '../evidence/statement.ts';
import type { Store } from '../store/store.ts';
import type { Engine } from './engineface.ts';
import type { Journal } from './journal.ts';
import { writeDurably } from './layout.ts';
import { durableReceipt } from './receipt.ts';
import type { Sequencer } from './sequencer.ts';

/**
 * Writes a tombstone for entry `index`, then erases its openings. Who asks for it meanwhile waits for that one.
 * @returns the tombstone's receipt, as JSON text
 */
export type Forget = (index: number, uid: number, reason: string | undefined) => Promise<string>;

export interface ForgettingInput {
  readonly store: Pick<Store, 'openings' | 'entry' | 'forget' | 'lookup' | 'origin' | 'size'>;
  readonly sequencer: Pick<Sequencer, 'appendOne'>;
  readonly build: Engine['build'];
  /** Directory in which word is left: a file for each erasure under way. */
  readonly dir: string;
  readonly journal: Pick<Journal, 'warn'>;
}

const WORD = /^(0|[1-9][0-9]{0,15})$/;

/** Goes on with what was cut off, and takes more. */
export async function openForgetting(input: ForgettingInput): Promise<Forget> {
  const { store, sequencer, build, dir, journal } = input;
  const underway = new Map<number, Promise<string>>();
  const wordOf = (index: number) => join(dir, String(index));

  /** Whether the log says that the openings of this entry are to go. */
  function isAnnounced(index: number, id: string): boolean {
    const found = store.lookup(id);
    if (found === undefined) return false;
    const { kind, predicate } = readStatement(store.entry(found.index));
    if (kind !== 'tombstone' || !('record' in predicate)) return false;
    return predicate.record === toHex(recordDigest(store.entry(index)));
  }

  async function goOn(index: number): Promise<void> {
    const open = index < store.size && ![undefined, 'erased'].includes(store.openings(index) as string);
    // Where nothing stands in the log, whoever asked was not answered, and nothing was to be gone yet.
    if (open && isAnnounced(index, readFileSync(wordOf(index), 'utf8').trim())) {
      await store.forget(index);
      journal.warn('openings were erased, as a run before this one had begun to', { entry: index });
    }
    unlinkSync(wordOf(index));
  }

  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(dir).filter((n) => WORD.test(n))) {
    const index = Number(name);
    await goOn(index).catch((error: Error) => {
      journal.warn('erasing openings was not finished', { entry: index, error });
    });
  }

  async function forget(index: number, uid: number, reason: string | undefined): Promise<string> {
    if (store.openings(index) === undefined)
      throw new AttestdError('NOT_FOUND', 'the record has no openings');
    const record = toHex(recordDigest(store.entry(index)));
    const built = build('tombstone', { record, ...(reason === undefined ? {} : { reason }) });
    writeDurably(wordOf(index), `${built.id}\n`);
    const at = await sequencer.appendOne({ entry: built.entry, id: built.id, uid });
    await store.forget(index);
    unlinkSync(wordOf(index));
    return durableReceipt({ id: built.id, digest: toHex(built.recordDigest), index: at, log: store.origin });
  }

  return (index, uid, reason) => {
    const before = underway.get(index);
    if (before !== undefined) return before;
    const mine = forget(index, uid, reason).finally(() => underway.delete(index));
    underway.set(index, mine);
    return mine;
  };
}
