/**
 * Anchors: the NV counter, certified by the AK over a durable checkpoint, as an entry of the log (design §6, Rollback).
 * The steps are INTENT fsynced → increment → certify → entry. After a fault in between, the next attempt looks at the
 * counter: an increment that was announced and made is not made again, so the counters of the anchors rise by one each.
 */
import { toBase64, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { anchorExtraData } from '../evidence/binding.ts';
import { type Body, buildEntry, newFrame } from '../evidence/record.ts';
import { printCheckpoint } from '../log/checkpoint.ts';
import type { Intent } from '../store/intent.ts';
import type { Counter } from '../tpm/counter.ts';
import type { Key } from '../tpm/key.ts';
import type { MonotoneClock } from './clock.ts';
import { checkContinuity } from './continuity.ts';
import { OWN_UID, type Run } from './run.ts';
import type { Head } from './sealer.ts';
import type { Sequencer } from './sequencer.ts';

/** Why an anchor is written. */
export type AnchorReason = Body<'anchor'>['reason'];

/** An anchor in the log, or genesis. */
export interface AnchorPoint {
  readonly index: number;
  readonly counter: bigint;
  /** Record digest, 32 bytes. */
  readonly digest: Uint8Array;
  /** Size of the checkpoint that it certifies; 0 for genesis. */
  readonly size: number;
}

export interface AnchorsInput {
  readonly origin: string;
  readonly counter: Counter;
  /** The AK in force. */
  readonly ak: () => Key;
  readonly clock: MonotoneClock;
  readonly random: (n: number) => Uint8Array;
  readonly head: () => Head;
  readonly run: () => Run;
  readonly sequencer: Sequencer;
  readonly onIncrement?: () => void;
  readonly intend: (intent: Intent) => Promise<void>;
  /** Newest anchor in the log, or genesis. */
  readonly last: AnchorPoint;
  /** Values announced after it. */
  readonly announced: readonly bigint[];
}

export interface Anchors {
  readonly last: AnchorPoint;
  /** Values announced after it. */
  readonly announced: readonly bigint[];
  /** Counter of the newest anchor with index below `size`; 0 where there is none but genesis. */
  below(size: number): bigint;
  /** Writes an anchor. @throws AUDIT_CONTINUITY_LOST, and what TPM and store throw */
  write(reason: AnchorReason): Promise<void>;
}

export function createAnchors(input: AnchorsInput): Anchors {
  const { origin, counter, ak, clock, random } = input;
  let last = input.last;
  let previous: AnchorPoint | undefined;
  /** Queued: it is durable a little before we are told, and a seal made in between must name it. */
  let coming: AnchorPoint | undefined;
  const announced = new Set(input.announced);
  let underway: Promise<void> = Promise.resolve();

  /** Brings the counter to one more than the newest anchor's, whatever happened before. */
  async function advance(head: Head): Promise<void> {
    const next = last.counter + 1n;
    const state = checkContinuity({ last: last.counter, intents: [...announced] }, await counter.read());
    if (state.kind === 'interrupted') return;
    if (!announced.has(next)) {
      await input.intend({
        kind: 'counter',
        seq: 0,
        size: head.size,
        root: head.root,
        counter: last.counter,
        body: new Uint8Array(0),
      });
      announced.add(next);
    }
    const made = await counter.increment();
    input.onIncrement?.();
    if (made !== next) {
      throw new AttestdError(
        'AUDIT_CONTINUITY_LOST',
        `somebody else incremented the counter: ${made}, not ${next}`,
      );
    }
  }

  async function writeOne(reason: AnchorReason): Promise<void> {
    const head = input.head();
    await advance(head);
    const text = printCheckpoint({ origin, size: head.size, root: head.root });
    const certified = await counter.certify(ak(), anchorExtraData(last.digest, text));
    if (certified.value !== last.counter + 1n) {
      throw new AttestdError(
        'AUDIT_CONTINUITY_LOST',
        `the TPM certified ${certified.value}, not ${last.counter + 1n}`,
      );
    }
    const built = buildEntry(
      'anchor',
      {
        counter: certified.value.toString(),
        prev: toHex(last.digest),
        checkpoint: { size: head.size, root: toBase64(head.root) },
        reason,
        attest: toBase64(certified.attest),
        signature: toBase64(certified.signature),
      },
      newFrame({ log: origin, boot: input.run().boot }, clock.now(), random),
    );
    const point = { counter: certified.value, digest: built.recordDigest, size: head.size };
    coming = { ...point, index: input.sequencer.next };
    try {
      const index = await input.sequencer.appendOne({
        entry: built.entry,
        id: built.id,
        uid: OWN_UID,
        mark: { kind: 'anchor', counter: certified.value },
      });
      previous = last;
      last = { ...point, index };
    } finally {
      coming = undefined;
    }
    announced.clear();
  }

  return {
    get last() {
      return last;
    },
    get announced() {
      return [...announced];
    },
    below(size) {
      for (const a of [coming, last, previous])
        if (a !== undefined && a.index < size && a.index > 0) return a.counter;
      return 0n;
    },
    write(reason) {
      const work = underway.then(() => writeOne(reason));
      underway = work.catch(() => undefined);
      return work;
    },
  };
}
