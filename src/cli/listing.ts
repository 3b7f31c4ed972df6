/** What list, search, tail and report share: the filters that a person types, pages after pages, and the table. */
import type { Client } from '../client/client.ts';
import type { Listed, ListQuery } from '../client/listing.ts';
import { AttestdError } from '../core/errors.ts';
import { printable, printableJson } from '../core/printable.ts';
import { type Input, type Option, text } from './command.ts';
import type { Io } from './io.ts';

/** Options of every command that chooses records. */
export const FILTERS: readonly Option[] = [
  { flags: '--kind <kind>', help: 'execution, grant, denial, boot, …' },
  { flags: '--action <action>', help: 'type, name or type/name; ending in *, all that begins so' },
  { flags: '--decision <decision>', help: 'permitted, denied or ungoverned' },
  { flags: '--uid <uid>', help: 'of this caller; others than yourself on the admin socket' },
  { flags: '--grant <id>', help: 'that gave, used or ended this grant' },
  { flags: '--trace <id>', help: 'of this W3C trace' },
  { flags: '--since <time>', help: 'not before: a time, a date, or an age such as 30m, 12h, 7d' },
  { flags: '--until <time>', help: 'not after: the same' },
];

const AGE = /^(\d{1,6})([smhd])$/;
const MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DATE = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z)?$/;

/** A time as a person gives it, in the form of records. @throws USAGE */
export function timeOf(option: string, value: string, now: number): string {
  const age = AGE.exec(value);
  const ms =
    age !== null
      ? now - Number(age[1]) * (MS[age[2] as string] as number)
      : DATE.test(value)
        ? Date.parse(value)
        : Number.NaN;
  if (Number.isNaN(ms))
    throw new AttestdError(
      'USAGE',
      `${option} takes 2026-11-21, 2026-11-21T15:02:11Z, 30m, 12h or 7d, not ${value}`,
      {
        field: option,
      },
    );
  return new Date(ms).toISOString();
}

/** The filters that were typed. @throws USAGE */
export function filtersOf(input: Input, now: number): ListQuery {
  const plain = (name: string) => {
    const value = text(input, name);
    return value === undefined ? {} : { [name]: value };
  };
  const time = (name: string) => {
    const value = text(input, name);
    return value === undefined ? {} : { [name]: timeOf(`--${name}`, value, now) };
  };
  const uid = text(input, 'uid');
  if (uid !== undefined && !/^\d{1,10}$/.test(uid))
    throw new AttestdError('USAGE', `--uid is a number, not ${uid}`, { field: '--uid' });
  return {
    ...plain('kind'),
    ...plain('action'),
    ...plain('decision'),
    ...plain('grant'),
    ...plain('trace'),
    ...time('since'),
    ...time('until'),
    ...(uid === undefined ? {} : { uid: Number(uid) }),
  };
}

/** `--limit`, a whole number. @throws USAGE */
export function limitOf(input: Input, otherwise: number): number {
  const value = text(input, 'limit') ?? String(otherwise);
  if (!/^[1-9]\d{0,6}$/.test(value))
    throw new AttestdError('USAGE', `--limit is a number from 1 to 9999999, not ${value}`, {
      field: '--limit',
    });
  return Number(value);
}

/** Newest first, page after page, until `limit` or the end. `looked` is told how many entries are left to look at. */
export async function* newest(
  client: Client,
  query: ListQuery,
  limit: number,
  looked: (left: number) => void = () => undefined,
): AsyncGenerator<Listed> {
  let left = limit;
  for (let at: ListQuery = query; ; ) {
    const page = await client.list({ ...at, limit: Math.min(left, 500) });
    yield* page.records;
    left -= page.records.length;
    if (left <= 0 || page.next?.before === undefined) return;
    looked(page.next.before);
    at = { ...query, before: page.next.before };
  }
}

/** Rows of the table. What a caller chose is cut to what can be printed: it may try to drive the terminal. */
export function row(io: Io, r: Listed): string {
  const what = r.decision === 'denied' ? (r.reason ?? 'denied') : (r.status ?? r.phase ?? '');
  const word = r.decision === 'denied' ? io.style('red', what.padEnd(20)) : what.padEnd(20);
  const who = r.uid === undefined ? '-' : String(r.uid);
  const action = [r.action, r.target].filter((t) => t !== undefined).join(' ');
  return `${r.time.slice(0, 19)}Z  ${r.id}  ${r.kind.padEnd(12)} ${who.padStart(6)}  ${word} ${printable(action)}\n`;
}

/** Heading of the table. */
export function heading(io: Io): string {
  const columns = `${'time'.padEnd(20)}  ${'id'.padEnd(26)}  ${'kind'.padEnd(12)} ${'uid'.padStart(6)}  ${'how'.padEnd(20)} what\n`;
  return io.style('bold', columns);
}

/** One record: a line of JSON, or a row. */
export const printed = (io: Io, r: Listed): string => (io.json ? `${printableJson(r)}\n` : row(io, r));
