/**
 * What retention leaves although it is old: whatever an audit needs to follow the log, and whatever a record that stays
 * rests on. Executions, imports, denials, grants and approvals go; genesis, boots, measurements, anchors, key changes,
 * policies, gaps, revocations and tombstones never do.
 */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../core/json.ts';
import { NS } from '../../core/namespace.ts';
import { edgesOf } from '../../evidence/edges.ts';
import { type Predicate, readStatement } from '../../evidence/statement.ts';
import { KEEP_MS } from '../govern/ledger.ts';

/** The log as this needs it; an entry that was removed already is empty. */
export interface RemainingLog {
  readonly size: number;
  entries(from: number, to: number): Iterable<Uint8Array>;
}

/** Which entries below the bound stay, and how many go. */
export interface Remains {
  readonly keep: ReadonlySet<number>;
  readonly removed: number;
}

const MARK = Buffer.from(`"predicateType":"${NS}/`);
const GO = new Set(['execution', 'import', 'denial', 'grant', 'approval']);
const DIGEST = /"digest":"([0-9a-f]{64})"/g;
/** Entries looked at in one turn of the event loop. */
const AT_A_TIME = 256;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Half a digest: enough to tell records apart, and a keeper of one too many does no harm. */
const short = (hex: string): string => Buffer.from(hex.slice(0, 32), 'hex').toString('latin1');
const shortOf = (entry: Uint8Array): string =>
  createHash('sha256').update(entry).digest().toString('latin1', 0, 16);

/** Looks through a log. @param now milliseconds, by the clock of records */
export async function remainsOf(log: RemainingLog, before: number, now: number): Promise<Remains> {
  const wanted = new Set<string>();
  const ended = new Set<string>();
  for (let at = before; at < log.size; at += AT_A_TIME) {
    for (const entry of log.entries(at, Math.min(at + AT_A_TIME, log.size)))
      for (const m of textOf(entry).matchAll(DIGEST)) wanted.add(short(m[1] as string));
    await turn();
  }
  const keep = new Set<number>();
  let removed = 0;
  // Backwards, for whatever rests on something stands behind it.
  for (let to = before; to > 0; to -= AT_A_TIME) {
    const from = Math.max(0, to - AT_A_TIME);
    const entries = [...log.entries(from, to)].map((e) => Uint8Array.from(e));
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i] as Uint8Array;
      if (entry.length === 0) continue;
      if (stays(entry, now, wanted, ended)) keep.add(from + i);
      else removed++;
    }
    await turn();
  }
  return { keep, removed };
}

function stays(entry: Uint8Array, now: number, wanted: Set<string>, ended: Set<string>): boolean {
  const kind = kindOf(entry);
  if (!GO.has(kind)) return true;
  const text = textOf(entry);
  const digest = shortOf(entry);
  const needed = wanted.has(digest);
  if (!needed && !isLive(kind, text, entry, now, digest, ended)) {
    if (text.includes('"completes"')) for (const d of completesOf(entry)) ended.add(short(d));
    return false;
  }
  // What it rests on itself: all of it for what decided, the grant and the attempt for an execution.
  const { predicate } = readStatement(entry);
  for (const { id, digest: d, rel } of edgesOf(predicate as unknown as JsonObject)) {
    if (rel === 'completes') ended.add(short(d));
    if (id !== undefined || rel === 'completes' || kind !== 'execution') wanted.add(short(d));
  }
  return true;
}

/** Whether something may still be done with it: a grant or an approval that is not over, an attempt without an end. */
function isLive(
  kind: string,
  text: string,
  entry: Uint8Array,
  now: number,
  digest: string,
  ended: ReadonlySet<string>,
): boolean {
  if (kind === 'grant' || kind === 'approval') {
    const { notAfter } = readStatement(entry).predicate as Predicate<'grant'> | Predicate<'approval'>;
    return Date.parse(notAfter) + KEEP_MS >= now;
  }
  if (kind !== 'execution' || !text.includes('"phase":"attempted"') || ended.has(digest)) return false;
  return (readStatement(entry).predicate as Predicate<'execution'>).phase === 'attempted';
}

const completesOf = (entry: Uint8Array): string[] =>
  edgesOf(readStatement(entry).predicate as unknown as JsonObject).flatMap((e) =>
    e.rel === 'completes' ? [e.digest] : [],
  );

const textOf = (e: Uint8Array): string =>
  Buffer.from(e.buffer, e.byteOffset, e.byteLength).toString('latin1');

function kindOf(e: Uint8Array): string {
  const bytes = Buffer.from(e.buffer, e.byteOffset, e.byteLength);
  const at = bytes.lastIndexOf(MARK);
  return at < 0
    ? ''
    : (bytes.toString('latin1', at + MARK.length, at + MARK.length + 16).split('/')[0] as string);
}
