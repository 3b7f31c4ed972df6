/**
 * A record's way through the daemon: request → entry → durable → sealed → receipt (design §3). One-shot requests and
 * the lines of a stream come through here alike.
 */
import { toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { recordDigest } from '../evidence/dsse.ts';
import type { RecordRequest } from '../evidence/schema/request.ts';
import type { Item } from '../store/batch.ts';
import type { Sealed } from '../store/seal.ts';
import type { Caller } from './caller.ts';
import type { MonotoneClock } from './clock.ts';
import type { Idempotency } from './idempotency.ts';
import { durableReceipt, type Place, recoveredReceipt, sealedReceipt } from './receipt.ts';
import type { Run } from './run.ts';
import type { Sealer } from './sealer.ts';
import type { Sequencer } from './sequencer.ts';

export type Wait = 'durable' | 'sealed';

/** Given the receipt as JSON text, or why there is none; `replayed` when the record was there before. */
export type Recorded = (e: Error | null, receipt: string, replayed: boolean) => void;

/** What the recorder asks of the store. */
export interface RecordStore {
  /** An earlier record of this uid under this key. */
  idempotent(uid: number, key: Uint8Array): { readonly index: number; readonly body: Uint8Array } | undefined;
  entry(index: number): Uint8Array;
  owner(index: number): { readonly id?: string };
  /** Oldest seal that covers entry `index`. */
  sealCovering(index: number): Sealed | undefined;
  inclusionProof(index: number, size: number): readonly Uint8Array[];
}

export interface Recorder {
  /** Records what fits the request schema. `done` is called once, never before this returns. */
  record(
    caller: Caller,
    request: RecordRequest,
    wait: Wait,
    idempotency: Idempotency | undefined,
    done: Recorded,
  ): void;
  /**
   * Appends what was built elsewhere, and answers as `record` does. `durable` is told first, and of the index.
   * @param digest record digest in hexadecimal
   */
  submit(
    item: Item & { readonly id: string },
    digest: string,
    wait: Wait,
    durable: (e: Error | null, index: number) => void,
    done: Recorded,
  ): void;
  /**
   * Answers by the record that this uid made under the key before, or waits for the one that it is making; else `first`
   * makes it and says what became of it. May throw what `first` throws.
   */
  once(
    uid: number,
    idempotency: Idempotency,
    wait: Wait,
    first: (settle: (e: Error | null, place: Place) => void) => void,
    done: Recorded,
  ): void;
  /** Answers for an entry that is durable already. */
  receipt(place: Place, wait: Wait, done: Recorded): void;
}

export interface RecorderInput {
  readonly origin: string;
  readonly run: () => Run;
  readonly clock: MonotoneClock;
  readonly sequencer: Sequencer;
  readonly sealer: Sealer;
  readonly store: RecordStore;
  /** Counts what became of each record that was asked for. */
  readonly outcomes: Record<'recorded' | 'replayed' | 'failed', number>;
}

interface Underway {
  readonly body: Uint8Array;
  readonly followers: ((e: Error | null, place: Place) => void)[];
}

/** Where nothing was written. */
export const NOWHERE: Place = { id: '', digest: '', index: -1, log: '', entry: new Uint8Array(0) };

export function createRecorder(input: RecorderInput): Recorder {
  const { origin, clock, sequencer, sealer, store, outcomes } = input;
  /** Keys whose first record is not durable yet. */
  const underway = new Map<string, Underway>();

  function sealed(place: Place, seal: Sealed, replayed: boolean, done: Recorded): void {
    if (seal.bootIndex > place.index) {
      done(null, recoveredReceipt(place), replayed);
      return;
    }
    let receipt: string;
    try {
      receipt = sealedReceipt(place, seal, store.inclusionProof(place.index, seal.size));
    } catch (e) {
      done(e as Error, '', replayed);
      return;
    }
    done(null, receipt, replayed);
  }

  function fail(e: Error, replayed: boolean, done: Recorded): void {
    outcomes.failed++;
    done(e, '', replayed);
  }

  function answer(place: Place, wait: Wait, replayed: boolean, done: Recorded): void {
    outcomes[replayed ? 'replayed' : 'recorded']++;
    if (wait === 'durable') {
      done(null, durableReceipt(place), replayed);
      return;
    }
    const covering = replayed ? store.sealCovering(place.index) : undefined;
    if (covering !== undefined) {
      sealed(place, covering, replayed, done);
      return;
    }
    sealer.wait(place.index, (seal) => {
      if (seal !== undefined) sealed(place, seal, replayed, done);
      else {
        const detail = `record ${place.id} is entry ${place.index} and waits for its seal`;
        done(new AttestdError('SEAL_PENDING', detail), '', replayed);
      }
    });
  }

  function append(
    caller: Caller,
    request: RecordRequest,
    idempotency: Idempotency | undefined,
    durable: (e: Error | null, place: Place) => void,
  ): void {
    const built = input.run().write(request, caller.observedJcs, clock.now());
    const { id, entry, disclosures } = built;
    // Disclosures are base64url, so nothing in them is mistaken for the separator (RFC 9901 uses it too).
    const opening = disclosures.length === 0 ? undefined : Buffer.from(disclosures.join('~'), 'latin1');
    const item = { entry, id, uid: caller.uid, opening, idempotency };
    sequencer.append(item, (e, index, digest) => {
      durable(e, e === null ? { id, digest, index, log: origin, entry } : NOWHERE);
    });
  }

  function once(
    uid: number,
    idempotency: Idempotency,
    wait: Wait,
    first: (settle: (e: Error | null, place: Place) => void) => void,
    done: Recorded,
  ): void {
    const earlier = store.idempotent(uid, idempotency.key);
    if (earlier !== undefined) {
      const { index } = earlier;
      const { id = '' } = store.owner(index);
      const entry = store.entry(index);
      const place = { id, digest: toHex(recordDigest(entry)), index, log: origin, entry };
      const fault = otherBody(earlier.body, idempotency.body, place);
      if (fault !== undefined) throw fault;
      queueMicrotask(() => answer(place, wait, true, done));
      return;
    }
    const name = `${uid} ${toHex(idempotency.key)}`;
    const before = underway.get(name);
    if (before !== undefined) {
      // With another body, too, it is the first one's fate that counts: only what is durable stands in the way.
      before.followers.push((e, place) => {
        const other = e === null ? otherBody(before.body, idempotency.body, place) : undefined;
        if (e !== null) fail(e, true, done);
        else if (other !== undefined) done(other, '', false);
        else answer(place, wait, true, done);
      });
      return;
    }
    const mine: Underway = { body: idempotency.body, followers: [] };
    underway.set(name, mine);
    try {
      first((e, place) => {
        underway.delete(name);
        for (const f of mine.followers) f(e, place);
      });
    } catch (e) {
      underway.delete(name);
      throw e;
    }
  }

  return {
    once,
    receipt: (place, wait, done) => answer(place, wait, false, done),
    submit(item, digest, wait, durable, done) {
      sequencer.append(item, (e, index) => {
        durable(e, index);
        if (e !== null) fail(e, false, done);
        else answer({ id: item.id, digest, index, log: origin, entry: item.entry }, wait, false, done);
      });
    },
    record(caller, request, wait, idempotency, done) {
      try {
        if (idempotency === undefined) {
          append(caller, request, undefined, (e, place) => {
            if (e === null) answer(place, wait, false, done);
            else fail(e, false, done);
          });
        } else {
          const first: Parameters<typeof once>[3] = (settle) =>
            append(caller, request, idempotency, (e, place) => {
              if (e === null) answer(place, wait, false, done);
              else fail(e, false, done);
              settle(e, place);
            });
          once(caller.uid, idempotency, wait, first, done);
        }
      } catch (e) {
        queueMicrotask(() => done(e as Error, '', false));
      }
    },
  };
}

/** The refusal of a key that came with another body before. @param place the record that it was used for */
function otherBody(a: Uint8Array, b: Uint8Array, { id, digest }: Place): AttestdError | undefined {
  if (Buffer.compare(a, b) === 0) return undefined;
  return new AttestdError('IDEMPOTENCY_MISMATCH', 'this Idempotency-Key came with another body before', {
    field: 'idempotency-key',
    record: { id, digest },
  });
}
