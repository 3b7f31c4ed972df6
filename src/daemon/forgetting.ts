/** Erasing the openings of a record: its tombstone is durable first, so that nothing is gone that the log does not say. */
import { toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { recordDigest } from '../evidence/dsse.ts';
import type { Store } from '../store/store.ts';
import type { Engine } from './engineface.ts';
import { durableReceipt } from './receipt.ts';
import type { Sequencer } from './sequencer.ts';

/** Writes a tombstone for entry `index`, then erases its openings. @returns the tombstone's receipt, as JSON text */
export type Forget = (index: number, uid: number, reason: string | undefined) => Promise<string>;

export function createForget(store: Store, sequencer: Sequencer, build: Engine['build']): Forget {
  return async (index, uid, reason) => {
    if (store.openings(index) === undefined)
      throw new AttestdError('NOT_FOUND', 'the record has no openings');
    const record = toHex(recordDigest(store.entry(index)));
    const built = build('tombstone', { record, ...(reason === undefined ? {} : { reason }) });
    const at = await sequencer.appendOne({ entry: built.entry, id: built.id, uid });
    await store.forget(index);
    return durableReceipt({ id: built.id, digest: toHex(built.recordDigest), index: at, log: store.origin });
  };
}
