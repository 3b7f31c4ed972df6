/**
 * The line between the frames of a log and its audit: entries are gathered and read by threads while more frames come
 * in, and everything reaches the audit in the order of the log.
 */
import { Reader } from '../../core/reader.ts';
import { MAX_ENTRY_SIZE } from '../../log/entries.ts';
import { HASH_SIZE } from '../../log/merkle.ts';
import type { Batch } from '../../store/batch.ts';
import type { Cursor, LogFrame } from '../../store/reader.ts';
import type { Audit } from '../../verify/audit/audit.ts';
import type { Stretch } from '../../verify/audit/stretch.ts';
import type { Readers } from './readers.ts';

/** Entries that go to a thread at once: enough that the way there costs little. */
const GATHERED = 512;

interface Step {
  /** Where the log goes on behind it. */
  readonly next: Cursor;
  apply(): Promise<void>;
}

export interface Line {
  /** Takes the next frame. @returns the place up to which the audit has come, when it moved */
  take(frame: LogFrame): Promise<Cursor | undefined>;
  /** Returns when the audit has everything that was taken. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** @param readers absent: entries are read in place */
export function createLine(audit: Audit, readers: Readers | undefined): Line {
  const steps: Step[] = [];
  let gathered: Uint8Array[] = [];
  let count = 0;
  let end: Cursor | undefined;
  const ship = () => {
    if (readers === undefined || end === undefined || count === 0) return;
    const bytes = Buffer.concat(gathered);
    const reading = readers.read(bytes);
    // A failure is met where the step is applied; until then it must not count as unhandled.
    reading.catch(() => undefined);
    steps.push({ next: end, apply: async () => place(audit, bytes, await reading) });
    gathered = [];
    count = 0;
  };
  const advance = async (left: number): Promise<Cursor | undefined> => {
    let at: Cursor | undefined;
    while (steps.length > left) {
      const step = steps.shift() as Step;
      await step.apply();
      at = step.next;
    }
    return at;
  };
  return {
    async take(frame) {
      if (frame.kind === 'entries') {
        const { batch } = frame;
        if (readers === undefined) {
          readEach(audit, batch);
          return frame.next;
        }
        if (batch.anyRemoved()) {
          ship();
          steps.push({ next: frame.next, apply: async () => readEach(audit, batch) });
          return await advance(4 * readers.threads);
        }
        gathered.push(batch.bundle(0, batch.count));
        count += batch.count;
        end = frame.next;
        if (count >= GATHERED) ship();
      } else if (frame.kind === 'seal') {
        const { note } = frame.sealed;
        if (readers === undefined) {
          await audit.seal(note);
          return frame.next;
        }
        ship();
        steps.push({ next: frame.next, apply: () => audit.seal(note) });
      }
      return await advance(4 * (readers?.threads ?? 0));
    },
    async drain() {
      ship();
      await advance(0);
    },
    async close() {
      await readers?.close();
    },
  };
}

/** Entries one by one, those that were removed by their leaf hashes. */
function readEach(audit: Audit, batch: Batch): void {
  for (let i = 0; i < batch.count; i++) {
    if (!batch.removed(i)) audit.entry(batch.entry(i));
    else {
      const leaf = Buffer.alloc(HASH_SIZE);
      batch.leafInto(i, leaf, 0);
      audit.removed(leaf);
    }
  }
}

async function place(audit: Audit, bytes: Uint8Array, stretch: Stretch | undefined): Promise<void> {
  if (stretch !== undefined && audit.stretch(stretch)) return;
  const reader = new Reader(bytes, 'entries');
  while (reader.left > 0) audit.entry(reader.sized(MAX_ENTRY_SIZE));
}
