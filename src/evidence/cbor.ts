/**
 * CBOR (RFC 8949) as signed evidence may use it: a walk over the heads bounds nesting, items and lengths before the
 * library (cborg) builds anything, because it recurses; then the library refuses what has two spellings: integers and
 * lengths that are not the shortest, keys that stand twice, tags that nobody asked for, NaN, infinities and undefined.
 * Maps and arrays of indefinite length are read, since AWS signs such documents.
 */
import { decode, encode, rfc8949EncodeOptions, Tagged } from 'cborg';
import { fromUtf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';

/** Bounds of one document. */
export interface CborLimits {
  readonly bytes: number;
  readonly depth: number;
  readonly items: number;
}

/** A tag and what it stands before: `tag`, `value`. Only those that the reader asked for get here. */
export type CborTag = Tagged;
export const CborTag = Tagged;

export type Cbor =
  | number
  | bigint
  | boolean
  | string
  | null
  | Uint8Array
  | CborTag
  | readonly Cbor[]
  | ReadonlyMap<Cbor, Cbor>;

const malformed = (why: string) => new AttestdError('MALFORMED', `CBOR: ${why}`);

/**
 * Reads one item that fills `bytes`.
 * @param tags numbers of the tags that may stand in it
 * @throws MALFORMED, TOO_LARGE
 */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits, tags: readonly number[] = []): Cbor {
  if (bytes.length > limits.bytes) throw new AttestdError('TOO_LARGE', `CBOR: over ${limits.bytes} bytes`);
  const end = walk(bytes, limits);
  if (end !== bytes.length) throw malformed(`${bytes.length - end} bytes too many`);
  try {
    return decode(bytes, {
      strict: true,
      allowIndefinite: true,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      useMaps: true,
      rejectDuplicateMapKeys: true,
      tags: Object.fromEntries(tags.map((t) => [t, Tagged.decoder(t)])),
    });
  } catch (e) {
    throw malformed((e as Error).message.replace(/^CBOR decode error: /, ''));
  }
}

/** Deterministic encoding (RFC 8949 §4.2.1). */
export const encodeCbor = (value: Cbor): Uint8Array => encode(value, rfc8949EncodeOptions);

/** Items still wanted by an open array, map or tag; -1 for one that a break ends. */
type Open = number;

/** Where the first item ends, if it keeps within the limits. */
function walk(b: Uint8Array, { depth, items }: CborLimits): number {
  const open: Open[] = [1];
  let at = 0;
  for (let count = 0; open.length > 0; ) {
    const left = open[open.length - 1] as Open;
    if (left === 0) {
      open.pop();
      continue;
    }
    const head = readHead(b, at);
    at = head.next;
    if (head.isBreak) {
      if (left !== -1) throw malformed('a break where nothing is open');
      open.pop();
      continue;
    }
    if (left > 0) open[open.length - 1] = left - 1;
    if (++count > items) throw new AttestdError('TOO_LARGE', `CBOR: more than ${items} items`);
    if (head.inside !== 0) {
      if (open.length > depth) throw new AttestdError('TOO_LARGE', `CBOR: nested deeper than ${depth}`);
      open.push(head.inside);
    }
    at += head.content;
    if (at > b.length) throw malformed('it ends inside a string');
    if (head.isText) fromUtf8(b.subarray(at - head.content, at)); // the library puts U+FFFD for what is none
  }
  return at;
}

/** One head: where it ends, how many bytes of content follow, how many items are inside (-1: up to a break). */
function readHead(b: Uint8Array, at: number) {
  const first = b[at];
  if (first === undefined) throw malformed('it ends inside an item');
  const major = first >> 5;
  const low = first & 31;
  let argument = low;
  let next = at + 1;
  if (low >= 24 && low <= 27) {
    const n = 1 << (low - 24);
    argument = 0;
    for (let i = 0; i < n; i++) {
      const x = b[next + i];
      if (x === undefined) throw malformed('it ends inside a head');
      argument = argument * 256 + x;
    }
    next += n;
  } else if (low >= 28 && low !== 31) throw malformed('a reserved head');
  if (low === 31) {
    const isBreak = major === 7;
    if (!isBreak && (major < 2 || major === 6)) throw malformed('an indefinite length where none can be');
    return { next, content: 0, inside: isBreak ? 0 : -1, isBreak, isText: false };
  }
  const holds = major === 2 || major === 3;
  const inside = major === 4 ? argument : major === 5 ? argument * 2 : major === 6 ? 1 : 0;
  return { next, content: holds ? argument : 0, inside, isBreak: false, isText: major === 3 };
}
