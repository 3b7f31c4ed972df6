/**
 * Start-up, second half: what is done about what was found. Nothing on the disk is changed before every reason to
 * refuse has been looked for, so that a log that is refused can be examined as it was.
 *
 * | found | done |
 * |---|---|
 * | bytes behind the last whole frame, no whole frame behind them | a write that was never acknowledged: zeroed, reported |
 * | a broken frame with a whole one behind it | STORE_CORRUPT: it had been durable, for one write is one frame |
 * | a last segment without a head | the next segment was about to begin: removed |
 * | a FORGET whose opening still stands | overwritten now |
 * | a seal whose root is not that of the log | STORE_CORRUPT |
 * | a checkpoint or an index that knows more than the log | STORE_CORRUPT: the log was shortened |
 * | a checkpoint that is older than the last seal | written again |
 * | an index or tiles that are behind, or missing | made from the log |
 */
import { unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Disk, syncDirectory } from './disk.ts';
import type { Intent } from './intent.ts';
import type { Tail } from './replay.ts';
import type { Sealed } from './seal.ts';
import type { Marked } from './segment.ts';

/** Bytes of a write that was never acknowledged. */
export interface Dropped {
  readonly segment: string;
  readonly offset: number;
  readonly bytes: number;
}

/** What the log was when it was opened. */
export interface Recovered {
  readonly size: number;
  readonly root: Uint8Array;
  readonly lastSeal?: Sealed;
  readonly lastBoot?: Marked;
  readonly lastAnchor?: Marked & { readonly counter: bigint };
  /** Announced and not known to have been done. */
  readonly openIntents: readonly Intent[];
  /** Entries that were durable but not sealed when the previous run ended. */
  readonly unsealed?: { readonly from: number; readonly size: number };
  /** Bytes of an unacknowledged write that were discarded. */
  readonly dropped?: Dropped;
}

/**
 * Mends what a crash may leave: removes a segment that was not begun, and zeroes what a torn write left, so that it
 * never meets what is written next.
 */
export async function mend(tail: Tail, disk: Disk): Promise<Dropped | undefined> {
  const { unbegun, torn, point, segments } = tail;
  if (unbegun !== undefined) {
    unlinkSync(unbegun.path);
    await syncDirectory(dirname(unbegun.path));
  }
  const segment = segments.at(-1);
  if (torn === 0 || segment === undefined) return undefined;
  const file = await disk.openDurable(segment.path);
  try {
    await file.append([Buffer.alloc(torn)], point.offset);
  } finally {
    await file.close();
  }
  return { segment: segment.path, offset: point.offset, bytes: torn };
}

/** What callers are told of the start. */
export function describe({ tip }: Tail, dropped: Dropped | undefined): Recovered {
  const { edge, lastSeal, lastBoot, lastAnchor, intents } = tip;
  const from = lastSeal?.size ?? 0;
  return {
    size: edge.size,
    root: Uint8Array.from(edge.root()),
    openIntents: [...intents],
    ...(lastSeal === undefined ? {} : { lastSeal }),
    ...(lastBoot === undefined ? {} : { lastBoot }),
    ...(lastAnchor === undefined ? {} : { lastAnchor }),
    ...(from < edge.size ? { unsealed: { from, size: edge.size } } : {}),
    ...(dropped === undefined ? {} : { dropped }),
  };
}
