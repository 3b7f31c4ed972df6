/**
 * GET /v1/records: the records of a caller, or of all on the admin socket, newest first or onwards from a place. Entries
 * are looked through in the log itself, a bounded number for each request: most are dismissed by a byte string that they
 * would have to hold, and 256 at once by a sketch of their words, where there is one. `next` says where to go on.
 */
import type { FastifyInstance } from 'fastify';
import { toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { readStatement } from '../evidence/statement.ts';
import { type Filter, marksOf, matches, type Summary, summarize, wordsFor } from '../evidence/summary.ts';
import { mayHold, SKETCH_ENTRIES } from '../store/sketch.ts';
import type { Store } from '../store/store.ts';
import type { Caller } from './caller.ts';
import type { Gate } from './gate.ts';
import { GET_RECORDS } from './openlisting.ts';
import type { ListQuery } from './request.ts';
import { firstAt } from './search.ts';
import { createSketcher, isSettled } from './sketching.ts';

export interface ListingInput {
  readonly gate: Gate;
  /** The open log; the gate is passed before it is asked for. */
  readonly store: () => Store;
}

/** Records in one answer when the caller names no number. */
const PAGE = 50;
/** Entries looked at for one answer; one that is passed over by its sketch counts as a part of one. */
const MAX_SCAN = 32_768;
const SKETCHED = 1 / 32;
/** Entries looked at without a pause for others: those of one sketch. */
const AT_A_TIME = SKETCH_ENTRIES;
/** Sketches looked at without one. */
const SKETCHES_AT_A_TIME = 32;

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
    await gate.look();
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
  const marks = marksOf(filter).map((group) => group.map((m) => Buffer.from(m)));
  const seen = { log, caller, filter, marks, words: wordsFor(filter) };
  return after === undefined
    ? { ...(await backwards(seen, Math.min(size, before === undefined ? size : Number(before)), most)), size }
    : { ...(await onwards(seen, Number(after) + 1, size, most)), size };
}

interface Looking {
  readonly log: Store;
  readonly caller: Caller;
  readonly filter: Filter;
  readonly marks: readonly (readonly Buffer[])[];
  /** What every record that matches has; none where that is no whole word. */
  readonly words: readonly string[];
}

async function backwards(l: Looking, from: number, most: number): Promise<Omit<Page, 'size'>> {
  const { since, until } = l.filter;
  const records: Listed[] = [];
  // Time never goes back within an epoch, so its bounds are places.
  const floor = since === undefined ? 0 : await firstAt(l.log, from, (time) => time >= since);
  const top = until === undefined ? from : await firstAt(l.log, from, (time) => time > until);
  let left = MAX_SCAN;
  let passed = 0;
  let to = top;
  while (to > floor && left > 0) {
    const at = Math.max(floor, Math.floor((to - 1) / AT_A_TIME) * AT_A_TIME);
    if (passes(l, at, to)) {
      left -= (to - at) * SKETCHED;
      if (++passed % SKETCHES_AT_A_TIME === 0) await pause();
    } else {
      left -= to - at;
      const found = [...look(l, at, to)];
      while (found.length > 0) {
        const record = found.pop() as Listed;
        records.push(record);
        if (records.length === most)
          return { records, ...(record.index > floor ? { next: { before: record.index } } : {}) };
      }
      await pause();
    }
    to = at;
  }
  return { records, ...(to > floor ? { next: { before: to } } : {}) };
}

async function onwards(l: Looking, from: number, size: number, most: number): Promise<Omit<Page, 'size'>> {
  const records: Listed[] = [];
  let left = MAX_SCAN;
  let passed = 0;
  let at = from;
  while (at < size && left > 0) {
    const to = Math.min(size, (Math.floor(at / AT_A_TIME) + 1) * AT_A_TIME);
    if (passes(l, at, to)) {
      left -= (to - at) * SKETCHED;
      if (++passed % SKETCHES_AT_A_TIME === 0) await pause();
    } else {
      left -= to - at;
      for (const record of look(l, at, to)) {
        records.push(record);
        if (records.length === most) return { records, next: { after: record.index } };
      }
      await pause();
    }
    at = to;
  }
  return { records, ...(at < size ? { next: { after: at - 1 } } : {}) };
}

/** Whether a sketch shows that nothing from `from` to `to` - 1, which lie in one block, can match. */
function passes({ log, words }: Looking, from: number, to: number): boolean {
  if (words.length === 0 || to <= from) return false;
  const sketch = log.sketches.get(Math.floor(from / AT_A_TIME));
  return sketch !== undefined && !mayHold(sketch, words);
}

/** The matching records among `from` to `to` - 1 that this caller may see, in order. */
function* look({ log, caller, filter, marks }: Looking, from: number, to: number): Generator<Listed> {
  const block = Math.floor(from / AT_A_TIME);
  const whole = to - from === AT_A_TIME && isSettled(log, block) && log.sketches.get(block) === undefined;
  const sketcher = whole ? createSketcher(log, block) : undefined;
  for (const { index, entry, uid } of log.owned(from, to)) {
    sketcher?.add(entry);
    if (!caller.admin && uid !== caller.uid) continue;
    const bytes = Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength);
    if (!marks.every((group) => group.some((mark) => bytes.includes(mark)))) continue;
    const summary = summarize(readStatement(entry));
    if (matches(summary, filter)) yield { index, digest: toHex(recordDigest(entry)), ...summary };
  }
  sketcher?.end();
}

const pause = () => new Promise((resolve) => setImmediate(resolve));
