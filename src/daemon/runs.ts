/**
 * Begins runs: at start, and whenever the TPM is found in another life (resetCount or restartCount changed). The
 * boot entry divides the log in order; records are written for the new run from the moment it is queued, and seals
 * speak for it once it is durable.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { isAttestdError } from '../core/errors.ts';
import { type Body, buildEntry, newFrame } from '../evidence/record.ts';
import { DiskFull } from '../store/segments.ts';
import type { Journal } from './journal.ts';
import { epochBreak, type Lives } from './lives.ts';
import { type BootInput, buildBoot, draftBoot, OWN_UID, type Platform, type Run, sightingOf } from './run.ts';
import type { Sequencer } from './sequencer.ts';

export interface Runs {
  /** The run that records are written for. @throws INTERNAL before the first */
  readonly writing: Run;
  /** The run whose boot entry is durable; undefined before the first, and while one is begun. */
  readonly sealing: Run | undefined;
  /** Begins a run; calls at the same time begin one. */
  begin(): Promise<void>;
}

export interface RunsInput {
  readonly origin: string;
  readonly random: (n: number) => Uint8Array;
  readonly now: () => number;
  readonly sequencer: Sequencer;
  readonly journal: Journal;
  /** Size of the newest seal, 0 before the first. */
  readonly sealedSize: () => number;
  /** The report of a confidential machine over a boot predicate; absent where none is asked for. */
  readonly attest?: (predicate: Uint8Array) => Promise<Body<'boot'>['tee']>;
  /** Reads the platform, and the counter after the counter rule was checked. */
  readonly examine: () => Promise<{ readonly platform: Platform; readonly counter: BootInput['counter'] }>;
  /** The register into which the daemon measures itself, and that being done; absent where it does not. */
  readonly measuring?: { readonly pcr: number; start(): Promise<void> };
  /**
   * Has callers wait for this: what they record in a run before its measurements stand would be rejected as taken by a
   * daemon that nobody knows.
   */
  readonly hold: (work: Promise<unknown>) => void;
  /** Whether the TPM can be the one that sealed this log; where it cannot, each run says so behind its boot entry. */
  readonly lives: Lives;
}

/** Milliseconds after which a run that could not begin is begun again; on a full disk each try looks for room. */
const AGAIN_MS = 250;
const ROOM_MS = 2000;

/** Begins a run, again and again while the TPM is away or the disk is full. @throws what no further try mends */
export async function beginAgain(runs: Runs, stopping: () => boolean, journal: Journal): Promise<void> {
  for (;;) {
    try {
      await runs.begin();
      return;
    } catch (error) {
      const passing = ['TPM_UNAVAILABLE', 'TPM_TIMEOUT', 'TPM_ERROR', 'OVERLOADED'];
      const full = error instanceof DiskFull;
      if (stopping() || !isAttestdError(error) || !(full || passing.includes(error.code))) throw error;
      journal.warn('a run did not begin', { error });
      await sleep(full ? ROOM_MS : AGAIN_MS);
    }
  }
}

/** How often a report is asked for while entries keep coming. */
const ATTEMPTS = 3;

export function createRuns(input: RunsInput): Runs {
  let writing: Run | undefined;
  let sealing: Run | undefined;
  let beginning: Promise<void> | undefined;

  async function begin(): Promise<void> {
    const { platform, counter } = await input.examine();
    input.lives.meet(sightingOf(platform));
    const draft = () => {
      const size = input.sequencer.next;
      const from = input.sealedSize();
      // Genesis stands for itself: it is certified and needs no run.
      const lost = from < size && size > 1;
      const recovered = lost ? { from, size } : undefined;
      const { origin, random } = input;
      return {
        size,
        recovered,
        ...draftBoot({
          origin,
          timeMs: input.now(),
          random,
          platform,
          counter,
          recovered,
          register: input.measuring?.pcr,
        }),
      };
    };
    let drafted = draft();
    let tee = input.attest === undefined ? undefined : await input.attest(drafted.predicate);
    // Entries that came meanwhile make another draft; a report over the old one would bind nothing.
    for (let tries = 1; drafted.size !== input.sequencer.next; tries++) {
      drafted = draft();
      if (typeof tee !== 'object' || input.attest === undefined) break;
      tee = tries < ATTEMPTS ? await input.attest(drafted.predicate) : 'unreadable';
    }
    const { size, recovered } = drafted;
    const built = buildBoot(drafted, tee);
    sealing = undefined;
    const queued = input.sequencer.appendOne({
      entry: built.entry,
      id: built.id,
      uid: OWN_UID,
      mark: { kind: 'boot' },
    });
    const why = input.lives.broken;
    if (why !== undefined) {
      const frame = newFrame({ log: input.origin, boot: built.boot }, input.now(), input.random);
      const gap = buildEntry('gap', epochBreak(why), frame);
      // The same group as the boot entry, or refused with it.
      void input.sequencer.appendOne({ entry: gap.entry, id: gap.id, uid: OWN_UID }).catch(() => undefined);
      input.journal.error('the TPM cannot be the one that sealed this log; nothing is granted', { why });
    }
    const run: Run = { ...built, bootIndex: size };
    const before = writing;
    writing = run;
    // No record is to name a boot entry that is not there.
    void queued.catch(() => {
      writing = before;
    });
    // No seal speaks for this run before what it runs from is in the register.
    const standing = queued.then((bootIndex) => {
      writing = { ...run, bootIndex };
      return input.measuring?.start();
    });
    if (input.measuring !== undefined) input.hold(standing);
    await standing;
    const { bootIndex } = writing;
    sealing = writing;
    input.journal.info('a run begins', {
      index: bootIndex,
      resetCount: run.resetCount,
      restartCount: run.restartCount,
      recovered: recovered === undefined ? 0 : recovered.size - recovered.from,
      ...(tee === undefined ? {} : { tee: tee === 'unreadable' ? tee : tee.platform }),
    });
  }

  return {
    get writing() {
      if (writing === undefined) throw new Error('no run has begun');
      return writing;
    },
    get sealing() {
      return sealing;
    },
    begin() {
      beginning ??= begin().finally(() => {
        beginning = undefined;
      });
      return beginning;
    },
  };
}
