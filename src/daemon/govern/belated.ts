/**
 * Decisions that waited go into the log: all there are when a run of the daemon begins, and what is kept later as soon
 * as the log takes entries again. Each once, though more are kept meanwhile; whose journal had no room are counted in a
 * gap.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isAttestdError } from '../../core/errors.ts';
import { buildEntry, type Frame } from '../../evidence/record.ts';
import type { Journal } from '../journal.ts';
import { OWN_UID } from '../run.ts';
import type { Sequencer } from '../sequencer.ts';
import type { LateJournal } from './late.ts';

export interface BelatedInput {
  readonly late: LateJournal;
  readonly sequencer: Sequencer;
  readonly frame: () => Frame;
  readonly journal: Journal;
  readonly onGap: () => void;
}

/** Milliseconds between two tries: the first, and the longest. */
const FIRST_MS = 500;
const LONGEST_MS = 16_000;

/** Writes what waits, and goes on doing so until the log is closed. @throws what the first writing throws */
export async function startBelated(input: BelatedInput): Promise<void> {
  const { late, sequencer, frame, journal } = input;
  /** So many of those that wait are in the log: a try that ends half way does not begin again. */
  let written = 0;
  let told = 0;
  let trying = false;

  async function write(): Promise<void> {
    for (;;) {
      const { decisions, lost } = late.waiting();
      if (decisions.length === written && (lost === 0 || told > 0)) break;
      for (const { uid, body } of decisions.slice(written)) {
        const built = buildEntry('denial', body, frame());
        await sequencer.appendOne({ entry: built.entry, id: built.id, uid });
        written++;
      }
      if (lost > 0 && told === 0) {
        const detail = `${lost} refusals that found no room in the journal of late decisions`;
        const built = buildEntry('gap', { reason: 'late-decisions-lost', detail }, frame());
        await sequencer.appendOne({ entry: built.entry, id: built.id, uid: OWN_UID });
        told = lost;
        input.onGap();
      }
    }
    if (written > 0 || told > 0) late.clear(told);
    written = 0;
    told = 0;
  }

  async function again(): Promise<void> {
    if (trying) return;
    trying = true;
    for (let ms = FIRST_MS; trying; ms = Math.min(2 * ms, LONGEST_MS)) {
      await sleep(ms, undefined, { ref: false });
      try {
        await write();
        const { decisions, lost } = late.waiting();
        trying = decisions.length > 0 || lost > 0;
      } catch (error) {
        // A full disk passes; whatever else keeps entries out of the log ends this run of the daemon.
        trying = isAttestdError(error, 'STORAGE_UNAVAILABLE');
        journal.debug('late decisions wait on', { error });
      }
    }
  }

  await write();
  late.onKept(() => void again());
}
