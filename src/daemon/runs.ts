/**
 * Begins runs: at start, and whenever the TPM is found in another life (resetCount or restartCount changed). The
 * boot entry divides the log in order; records are written for the new run from the moment it is queued, and seals
 * speak for it once it is durable.
 */
import type { Journal } from './journal.ts';
import { type BootInput, buildBoot, OWN_UID, type Platform, type Run } from './run.ts';
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
  /** Reads the platform, and the counter after the counter rule was checked. */
  readonly examine: () => Promise<{ readonly platform: Platform; readonly counter: BootInput['counter'] }>;
}

export function createRuns(input: RunsInput): Runs {
  let writing: Run | undefined;
  let sealing: Run | undefined;
  let beginning: Promise<void> | undefined;

  async function begin(): Promise<void> {
    const { platform, counter } = await input.examine();
    const size = input.sequencer.next;
    const from = input.sealedSize();
    // Genesis stands for itself: it is certified and needs no run.
    const lost = from < size && size > 1;
    const built = buildBoot({
      origin: input.origin,
      timeMs: input.now(),
      random: input.random,
      platform,
      counter,
      recovered: lost ? { from, size } : undefined,
    });
    sealing = undefined;
    const queued = input.sequencer.appendOne({
      entry: built.entry,
      id: built.id,
      uid: OWN_UID,
      mark: { kind: 'boot' },
    });
    const run: Run = { ...built, bootIndex: size };
    writing = run;
    const bootIndex = await queued;
    sealing = writing = { ...run, bootIndex };
    input.journal.info('a run begins', {
      index: bootIndex,
      resetCount: run.resetCount,
      restartCount: run.restartCount,
      recovered: lost ? size - from : 0,
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
