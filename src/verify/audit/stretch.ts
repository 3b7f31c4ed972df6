/**
 * A stretch of entries that can be read apart from the rest, by another thread: executions of one run, each sound in
 * itself, their times in order. What it says is all that the audit needs of them; anything else is no stretch, and the
 * audit looks at each entry by itself, so that a finding is worded in one place only.
 */
import { toHex } from '../../core/bytes.ts';
import { recordDigest } from '../../evidence/dsse.ts';
import type { ExecutionPredicate } from '../../evidence/schema/execution.ts';
import { HASH_SIZE, leafHash } from '../../log/merkle.ts';
import { readEntry } from './entry.ts';
import { shapeFault } from './shape.ts';
import { type LeasedExecution, leaseOf } from './uses.ts';

/** What executions one after the other have in common. */
export interface Stretch {
  /** The origin that each names. */
  readonly log: string;
  /** The boot entry that each names: its record digest, hexadecimal. */
  readonly boot: string;
  /** Time of the first and of the last. */
  readonly first: string;
  readonly last: string;
  /** Their leaf hashes, one behind the other. */
  readonly leaves: Uint8Array;
  /** Those of them that a grant permitted, each with its place among them. */
  readonly leased: readonly (readonly [at: number, lease: LeasedExecution])[];
}

/** Reads entries; undefined when they are not a stretch. */
export function readStretch(entries: readonly Uint8Array[]): Stretch | undefined {
  const leaves = new Uint8Array(entries.length * HASH_SIZE);
  const leased: [number, LeasedExecution][] = [];
  let log: unknown;
  let boot: unknown;
  let first = '';
  let last = '';
  for (const [i, entry] of entries.entries()) {
    let predicate: ReturnType<typeof readEntry>['predicate'];
    try {
      const read = readEntry(entry);
      if (read.kind !== 'execution' || shapeFault(read.kind, read.predicate) !== undefined) return undefined;
      predicate = read.predicate;
    } catch {
      return undefined;
    }
    const time = predicate.time as string;
    if (i === 0) {
      log = predicate.log;
      boot = predicate.boot;
      first = time;
    } else if (predicate.log !== log || predicate.boot !== boot || time < last) return undefined;
    last = time;
    const lease = leaseOf(predicate as unknown as ExecutionPredicate, () => toHex(recordDigest(entry)));
    if (lease !== undefined) leased.push([i, lease]);
    leaves.set(leafHash(entry), i * HASH_SIZE);
  }
  return typeof log === 'string' && typeof boot === 'string'
    ? { log, boot, first, last, leaves, leased }
    : undefined;
}
