/**
 * GET /v1/records: the records of a caller, or of all on the admin socket, newest first or onwards from a place. Entries
 * are looked through in the log itself, a bounded number for each request: most are dismissed by a byte string that they
 * would have to hold, so there is no index to keep, to lose or to go stale. `next` says where to go on.
 */
import type { FastifyInstance } from 'fastify';
import { toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { readStatement } from '../evidence/statement.ts';
import { type Filter, marksOf, matches, type Summary, summarize } from '../evidence/summary.ts';
import type { Store } from '../store/store.ts';
import type { Caller } from './caller.ts';
import type { Gate } from './gate.ts';
import { GET_RECORDS } from './openlisting.ts';
import type { ListQuery } from './request.ts';

export interface ListingInput {
  readonly gate: Gate;
  /** The open log; the gate is passed before it is asked for. */
  readonly store: () => Store;
}

/** Records in one answer when the caller names no number. */
const PAGE = 50;
/** Entries looked at for one answer, and without a pause for others. */
const MAX_SCAN = 32_768;
const AT_A_TIME = 256;

/** A summary with its place. */
export interface Listed extends Summary {
  readonly index: number;
  /** Record digest. */
  readonly digest: string;
}

/** A page of a list. */
export interface Page {
  readonly records: readonly Listed[];
  /** Where the list goes on; absent where it has ended (going back) or has caught up (going onwards). */
  readonly next?: { readonly before: number } | { readonly after: number };
  /** Entries in the log. */
  readonly size: number;
}

export function addListing(app: FastifyInstance, { gate, store }: ListingInput): void {
  app.get('/v1/records', { schema: GET_RECORDS }, async (request, reply) => {
    await gate.enter();
    const page = await list(store(), request.caller, request.query as ListQuery);
    return reply.header('content-type', 'application/json').send(JSON.stringify(page));
  });
}

async function list(log: Store, caller: Caller, query: ListQuery): Promise<Page> {
  const { before, after, limit, uid, ...rest } = query;
  if (before !== undefined && after !== undefined)
    throw new AttestdError('INVALID_REQUEST', 'before and after exclude each other', { field: '/after' });
  if (uid !== undefined && !caller.admin && Number(uid) !== caller.uid)
    throw new AttestdError('FORBIDDEN', "others' records are listed on the admin socket");
  const filter: Filter = { ...rest, ...(uid === undefined ? {} : { uid: Number(uid) }) };
  const size = log.size;
  const most = Number(limit ?? PAGE);
  const seen = { log, caller, filter, marks: marksOf(filter).map((m) => Buffer.from(m)) };
  return after === undefined
    ? { ...(await backwards(seen, Math.min(size, before === undefined ? size : Number(before)), most)), size }
    : { ...(await onwards(seen, Number(after) + 1, size, most)), size };
}

interface Looking {
  readonly log: Store;
  readonly caller: Caller;
  readonly filter: Filter;
  readonly marks: readonly Buffer[];
}

async function backwards(l: Looking, from: number, most: number): Promise<Omit<Page, 'size'>> {
  const { since, until } = l.filter;
  const records: Listed[] = [];
  // Time never goes back within an epoch, so its bounds are places.
  const floor = since === undefined ? 0 : firstAt(l.log, from, (time) => time >= since);
  const top = until === undefined ? from : firstAt(l.log, from, (time) => time > until);
  const stop = Math.max(floor, top - MAX_SCAN);
  for (let to = top; to > stop; to -= AT_A_TIME) {
    const found = [...look(l, Math.max(stop, to - AT_A_TIME), to)];
    while (found.length > 0) {
      const record = found.pop() as Listed;
      records.push(record);
      if (records.length === most)
        return { records, ...(record.index > floor ? { next: { before: record.index } } : {}) };
    }
    await pause();
  }
  return { records, ...(stop > floor ? { next: { before: stop } } : {}) };
}

async function onwards(l: Looking, from: number, size: number, most: number): Promise<Omit<Page, 'size'>> {
  const records: Listed[] = [];
  const stop = Math.min(size, from + MAX_SCAN);
  for (let at = from; at < stop; at += AT_A_TIME) {
    for (const record of look(l, at, Math.min(stop, at + AT_A_TIME))) {
      records.push(record);
      if (records.length === most) return { records, next: { after: record.index } };
    }
    await pause();
  }
  return { records, ...(stop < size ? { next: { after: stop - 1 } } : {}) };
}

/** The matching records among `from` to `to` - 1 that this caller may see, in order. */
function* look({ log, caller, filter, marks }: Looking, from: number, to: number): Generator<Listed> {
  for (const { index, entry, uid } of log.owned(from, to)) {
    if (!caller.admin && uid !== caller.uid) continue;
    const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
    if (!marks.every((mark) => bytes.includes(mark))) continue;
    const summary = summarize(readStatement(entry));
    if (matches(summary, filter)) yield { index, digest: toHex(recordDigest(entry)), ...summary };
  }
}

/** The first entry below `size` whose time is past a bound. */
function firstAt(log: Store, size: number, past: (time: string) => boolean): number {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (past(readStatement(log.entry(middle)).predicate.time)) high = middle;
    else low = middle + 1;
  }
  return low;
}

const pause = () => new Promise((resolve) => setImmediate(resolve));
