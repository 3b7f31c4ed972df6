/**
 * What retention leaves although it is old: whatever an audit needs to follow the log, whatever a record that stays rests
 * on, and whatever the next start must find to know what was used. Executions, imports, denials, grants and approvals go;
 * genesis, boots, measurements, anchors, key changes, policies, gaps, revocations and tombstones never do.
 *
 * Only the log is asked, never what is kept beside it: a grant whose uses were removed could be used again. Memory does not
 * grow with the log but for a bit for each entry.
 */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../core/json.ts';
import { NS } from '../../core/namespace.ts';
import { edgesOf } from '../../evidence/edges.ts';
import type { ExecutionPredicate } from '../../evidence/schema/execution.ts';
import { type Predicate, readStatement } from '../../evidence/statement.ts';
import { isUngoverned } from '../govern/ledger.ts';
import { KEEP_MS } from '../govern/live.ts';
import { DigestFilter } from './filter.ts';

/** The log as this needs it; an entry that was removed already is empty. */
export interface RemainingLog {
  readonly size: number;
  entries(from: number, to: number): Iterable<Uint8Array>;
}

/** Which entries below the bound stay, and how many go. */
export interface Remains {
  readonly keeps: (index: number) => boolean;
  readonly kept: number;
  readonly removed: number;
}

const MARK = Buffer.from(`"predicateType":"${NS}/`);
const GO = new Set(['execution', 'import', 'denial', 'grant', 'approval']);
const DIGEST = /"digest":"([0-9a-f]{64})"/g;
/** Entries looked at in one turn of the event loop. */
const AT_A_TIME = 256;
const turn = () => new Promise((resolve) => setImmediate(resolve));
/** Ends whose beginnings are remembered: executions that were under way at one time, and what callers make up. */
const MAX_ENDED = 1 << 17;

const digestOf = (entry: Uint8Array): Buffer => createHash('sha256').update(entry).digest();
const fromHex = (hex: string): Buffer => Buffer.from(hex, 'hex');
/** Half a digest is enough to tell records apart. */
const short = (digest: Buffer): string => digest.toString('latin1', 0, 16);

/** What was met so far. */
interface Met {
  readonly now: number;
  /** Grants that may still be used. Each is in the ledger's memory too. */
  readonly good: Set<string>;
  /** Records that something names which stays. */
  readonly wanted: DigestFilter;
  /** Attempts whose end goes, by their digest and lease, and the index of that end. */
  readonly ended: Map<string, { readonly attempt: Buffer; readonly index: number }>;
  readonly maxEnded: number;
  /** Has an entry stay that was taken for one that goes. */
  readonly restore: (index: number) => void;
}

/**
 * Looks through a log.
 * @param now milliseconds, by the clock of records
 * @param maxEnded how many ends are remembered whose beginning was not met yet
 */
export async function remainsOf(
  log: RemainingLog,
  before: number,
  now: number,
  maxEnded: number = MAX_ENDED,
): Promise<Remains> {
  const keep = new Uint8Array((before + 7) >> 3);
  let kept = 0;
  let removed = 0;
  const stay = (i: number): void => {
    keep[i >> 3] = (keep[i >> 3] as number) | (1 << (i & 7));
    kept++;
  };
  const keeps = (i: number): boolean => ((keep[i >> 3] ?? 0) & (1 << (i & 7))) !== 0;
  const restore = (i: number): void => {
    if (keeps(i)) return;
    stay(i);
    removed--;
  };
  const wanted = new DigestFilter();
  const met: Met = { now, good: new Set(), wanted, ended: new Map(), maxEnded, restore };
  for (let at = 0; at < log.size; at += AT_A_TIME) {
    let index = at;
    for (const entry of log.entries(at, Math.min(at + AT_A_TIME, log.size))) {
      if (index++ >= before) takeNamed(entry, met);
      else if (kindOf(entry) === 'grant' && isGood(entry, now)) met.good.add(short(digestOf(entry)));
    }
    await turn();
  }
  // Backwards, for whatever rests on something stands behind it.
  for (let to = before; to > 0; to -= AT_A_TIME) {
    const from = Math.max(0, to - AT_A_TIME);
    const entries = [...log.entries(from, to)].map((e) => Uint8Array.from(e));
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i] as Uint8Array;
      if (entry.length === 0) continue;
      if (stays(entry, from + i, met)) stay(from + i);
      else removed++;
    }
    await turn();
  }
  return { keeps, kept, removed };
}

function takeNamed(entry: Uint8Array, { wanted }: Met): void {
  for (const m of textOf(entry).matchAll(DIGEST)) wanted.add(fromHex(m[1] as string));
}

function stays(entry: Uint8Array, index: number, met: Met): boolean {
  const kind = kindOf(entry);
  if (!GO.has(kind)) return true;
  const digest = digestOf(entry);
  const needed = met.wanted.has(digest);
  const own =
    kind === 'execution'
      ? executionStays(entry, digest, index, needed, met)
      : isLive(kind, entry, digest, met);
  if (!needed && !own) return false;
  // What it rests on itself: all of it for what decided, the grant and the attempt for an execution.
  for (const { id, digest: d, rel } of edgesIn(readStatement(entry).predicate))
    if (id !== undefined || rel === 'completes' || kind !== 'execution') met.wanted.add(fromHex(d));
  return true;
}

/** Whether something may still be done with a grant or an approval, or with the grant that one was taken out of. */
function isLive(kind: string, entry: Uint8Array, digest: Buffer, { good, now }: Met): boolean {
  if (kind === 'approval') return isGood(entry, now);
  if (kind !== 'grant') return false;
  if (good.has(short(digest))) return true;
  const { delegation } = readStatement(entry).predicate as Predicate<'grant'>;
  return delegation !== undefined && good.has(short(fromHex(delegation.grant.digest)));
}

/**
 * A use of a grant that may still be used stays, with its end; and so does an attempt without an end. The end of an attempt
 * that stays for another reason stays too: at the next start the attempt would be taken for one that was cut off.
 */
function executionStays(
  entry: Uint8Array,
  digest: Buffer,
  index: number,
  needed: boolean,
  met: Met,
): boolean {
  const text = textOf(entry);
  const ungoverned = isUngoverned(entry);
  if (ungoverned && !text.includes('"completes"') && !text.includes('"attempted"')) return false;
  const predicate = readStatement(entry).predicate as ExecutionPredicate;
  const { authorization, phase, parents = [] } = predicate;
  const lease = authorization === 'ungoverned' ? '' : `${authorization.grant.digest} ${authorization.use.n}`;
  const used = authorization !== 'ungoverned' && met.good.has(short(fromHex(authorization.grant.digest)));
  if (phase === 'attempted') {
    const name = short(digest) + lease;
    const end = met.ended.get(name);
    if (end === undefined) return true;
    met.ended.delete(name);
    if (!needed && !used) return false;
    met.restore(end.index);
    return true;
  }
  if (needed || used) return used;
  for (const { rel, digest: d } of parents) {
    if (rel !== 'completes') continue;
    const attempt = fromHex(d);
    met.ended.set(short(attempt) + lease, { attempt, index });
  }
  while (met.ended.size > met.maxEnded) forgetOldest(met);
  return false;
}

/** There are too many ends to remember: the one whose beginning was looked for longest stays, and its beginning with it. */
function forgetOldest({ ended, wanted, restore }: Met): void {
  const [name, { attempt, index }] = ended.entries().next().value as [
    string,
    { attempt: Buffer; index: number },
  ];
  ended.delete(name);
  wanted.add(attempt);
  restore(index);
}

/** Whether a grant or an approval is not over, and could not have been forgotten by the ledger. */
function isGood(entry: Uint8Array, now: number): boolean {
  const { notAfter } = readStatement(Uint8Array.from(entry)).predicate as
    | Predicate<'grant'>
    | Predicate<'approval'>;
  return Date.parse(notAfter) + KEEP_MS >= now;
}

const edgesIn = (predicate: unknown) => edgesOf(predicate as JsonObject);

const textOf = (e: Uint8Array): string =>
  Buffer.from(e.buffer, e.byteOffset, e.byteLength).toString('latin1');

function kindOf(e: Uint8Array): string {
  const bytes = Buffer.from(e.buffer, e.byteOffset, e.byteLength);
  const at = bytes.lastIndexOf(MARK);
  return at < 0
    ? ''
    : (bytes.toString('latin1', at + MARK.length, at + MARK.length + 16).split('/')[0] as string);
}
