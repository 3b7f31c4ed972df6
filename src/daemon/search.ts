/**
 * Finds anchors and parents in the log without an index of their own. Every seal names the newest anchor below its
 * size, and that number never goes back, so an anchor is found by bisection over the seals. A parent is named by its
 * digest alone and stands before its child, mostly shortly before: it is looked for backwards, a bounded way.
 */
import { toHex } from '../core/bytes.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { type Predicate, readStatement } from '../evidence/statement.ts';

import { entryIfKept, type LogReader } from './reader.ts';
import type { SketchedLog } from './sketching.ts';

export interface FoundAnchor {
  readonly index: number;
  readonly predicate: Predicate<'anchor'>;
}

/** The sealed anchor with this counter value. */
export function findAnchor(log: LogReader, counter: bigint): FoundAnchor | undefined {
  const sealed = log.lastSeal();
  if (sealed === undefined || sealed.anchorCtr < counter || counter === 0n) return undefined;
  const reached = (index: number): boolean => {
    const seal = log.sealCovering(index);
    return seal === undefined || seal.anchorCtr >= counter;
  };
  let low = 0;
  let high = sealed.size - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (reached(middle)) high = middle;
    else low = middle + 1;
  }
  const end = log.sealCovering(low)?.size ?? 0;
  for (let i = low; i < end; i++) {
    const predicate = anchorAt(log, i);
    if (predicate?.counter === counter.toString()) return { index: i, predicate };
  }
  return undefined;
}

const MARK = Buffer.from('"predicateType":"https://attestd.dev/anchor/v1"');

function anchorAt(log: LogReader, index: number): Predicate<'anchor'> | undefined {
  const entry = entryIfKept(log, index);
  if (entry === undefined || !Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength).includes(MARK))
    return undefined;
  const statement = readStatement(entry);
  return statement.kind === 'anchor' ? statement.predicate : undefined;
}

/** The first sealed anchor whose checkpoint covers entry `index`. */
export function coveringAnchor(log: LogReader, index: number): FoundAnchor | undefined {
  const first = index === 0 ? 0n : (log.sealCovering(index - 1)?.anchorCtr ?? 0n);
  const last = log.lastSeal()?.anchorCtr ?? 0n;
  // Values below the first anchor's belong to no anchor; the genesis value is one of them.
  for (let counter = first === 0n ? firstCounter(log) : first; counter <= last; counter++) {
    const found = findAnchor(log, counter);
    if (found !== undefined && found.predicate.checkpoint.size > index) return found;
  }
  return undefined;
}

function firstCounter(log: LogReader): bigint {
  const genesis = readStatement(log.entry(0));
  const value = genesis.kind === 'genesis' ? genesis.predicate.counter?.value : undefined;
  return value === undefined ? 1n : BigInt(value) + 1n;
}

/** The first entry below `size` whose time is past a bound; what was removed counts as what follows it. */
export async function firstAt(
  log: Pick<SketchedLog, 'owned'>,
  size: number,
  past: (time: string) => boolean,
): Promise<number> {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [kept] = log.owned(middle, high);
    if (kept === undefined || past(readStatement(kept.entry).predicate.time)) high = middle;
    else low = kept.index + 1;
    // Where much was removed, one step may pass over many entries.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return low;
}

/** How far back parents are looked for, in entries, and how many at a time. */
const FARTHEST = 65_536;
const AT_A_TIME = 512;

/** Indices of the entries with these record digests (hex) before `index`, as far as they are found. */
export async function findParents(
  log: LogReader,
  index: number,
  digests: readonly string[],
): Promise<number[]> {
  const wanted = new Set(digests);
  const found: number[] = [];
  const stop = Math.max(0, index - FARTHEST);
  for (let i = index - 1; i >= stop && wanted.size > 0; i--) {
    const entry = entryIfKept(log, i);
    if (entry !== undefined && wanted.delete(toHex(recordDigest(entry)))) found.push(i);
    if ((index - i) % AT_A_TIME === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return found.sort((a, b) => a - b);
}
