/**
 * Makes the sketches by which lists pass over entries (store/sketch.ts): of what a list looks through anyway, and, while
 * nobody records, of the rest, oldest first. Only sealed entries are sketched. Nothing that records waits for this.
 */
import { quickSummary, wordsIn } from '../evidence/summary.ts';
import type { OwnedEntry } from '../store/owned.ts';
import { SKETCH_ENTRIES, type Sketches, sketchOf } from '../store/sketch.ts';

/** The part of the log that it reads. */
export interface SketchedLog {
  readonly size: number;
  readonly sketches: Sketches;
  lastSeal(): { readonly size: number } | undefined;
  owned(from: number, to: number): Iterable<OwnedEntry>;
}

/** How often it is looked whether nobody records, and how long is sketched then, in milliseconds. */
const LOOK_MS = 1000;
const WORK_MS = 20;

/** Gathers the words of 256 entries, one after the other, and keeps their sketch. */
export function createSketcher(log: SketchedLog, block: number) {
  const words = new Set<string>();
  let readable = true;
  return {
    add(entry: Uint8Array): void {
      try {
        for (const word of wordsIn(quickSummary(entry))) words.add(word);
      } catch {
        // Whoever looks here meets the fault; a sketch would pass over it.
        readable = false;
      }
    },
    end(): void {
      if (readable) log.sketches.put(block, sketchOf(words));
    },
  };
}

/** Whether these entries are sealed, all of them: so a sketch of them stays true. */
export const isSettled = (log: SketchedLog, block: number): boolean =>
  (block + 1) * SKETCH_ENTRIES <= (log.lastSeal()?.size ?? 0);

function sketch(log: SketchedLog, block: number): void {
  if (log.sketches.get(block) !== undefined) return;
  const sketcher = createSketcher(log, block);
  for (const { entry } of log.owned(block * SKETCH_ENTRIES, (block + 1) * SKETCH_ENTRIES))
    sketcher.add(entry);
  sketcher.end();
}

/** Sketches what has none while the log stands still. @returns an end to it */
export function sketchIdly(store: () => SketchedLog | undefined): () => void {
  let of: SketchedLog | undefined;
  let size = -1;
  let block = 0;
  const timer = setInterval(() => {
    const log = store();
    if (log !== of) block = 0;
    const still = log !== undefined && log === of && log.size === size;
    of = log;
    size = log?.size ?? -1;
    if (!still) return;
    const until = performance.now() + WORK_MS;
    try {
      for (; isSettled(log, block) && performance.now() < until; block++) sketch(log, block);
    } catch {
      // A log that is being closed, or is damaged there; whoever reads that place is told.
      block++;
    }
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
