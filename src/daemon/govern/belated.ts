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
import type { LateDecision, LateJournal } from './late.ts';

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
  /** Lines that say what no denial can say, and how many lines are set aside. */
  let strange: string[] = [];
  let aside = 0;
  let trying = false;

  async function gap(reason: string, detail: string): Promise<void> {
    const built = buildEntry('gap', { reason, detail }, frame());
    await sequencer.appendOne({ entry: built.entry, id: built.id, uid: OWN_UID });
    input.onGap();
  }

  async function write(): Promise<void> {
    for (;;) {
      const { decisions, lost, damaged } = late.waiting();
      for (const decision of decisions.slice(written)) {
        const item = itemOf(decision);
        if (item === undefined) strange.push(decision.line);
        else await sequencer.appendOne(item);
        written++;
      }
      if (lost > 0 && told === 0) {
        await gap(
          'late-decisions-lost',
          `${lost} refusals that found no room in the journal of late decisions`,
        );
        told = lost;
      }
      const lines = [...damaged, ...strange];
      if (lines.length > aside) {
        const { file, sha256 } = late.setAside(lines);
        journal.warn('the journal of late decisions is damaged; what cannot be read is set aside', {
          file,
          lines: lines.length,
        });
        const what = `${lines.length} lines of the journal of late decisions cannot be read`;
        await gap('late-decisions-damaged', `${what}; they are in ${file}, SHA-256 ${sha256}`);
        aside = lines.length;
      }
      const now = late.waiting();
      if (now.decisions.length === written && (now.lost === 0 || told > 0)) break;
    }
    if (written > 0 || told > 0 || aside > 0) late.clear(told);
    written = 0;
    told = 0;
    strange = [];
    aside = 0;
  }

  /** A line of another version, or by somebody else, may be no denial although it is JSON. */
  function itemOf({ uid, body }: LateDecision) {
    if (!Number.isInteger(uid) || uid < 0 || uid > 0xffffffff) return undefined;
    const at = frame();
    try {
      const { entry, id } = buildEntry('denial', body, at);
      return { entry, id, uid };
    } catch {
      return undefined;
    }
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
