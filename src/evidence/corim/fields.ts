/**
 * A CBOR map with numbered fields, as the CDDL of draft-ietf-rats-corim writes them: each field is read once, and what
 * nobody read is known at the end, because an extension that is passed over could have said the opposite of the rest.
 */
import { AttestdError } from '../../core/errors.ts';
import { type Cbor, type CborLimits, CborTag, decodeCbor } from '../cbor.ts';

/** Bounds of a manifest and, each for itself, of the tags in it. */
export const CORIM_LIMITS: CborLimits = { bytes: 4 * 1024 * 1024, depth: 16, items: 262_144 };
/** Every tag that the draft uses (§IANA, and those of CBOR itself: time, UUID, URI, OID). */
const TAGS = [1, 32, 37, 111, 501, 505, 506, 508, 550, 552, 553, 554, 555, 556, 557, 558, 559, 560, 561, 562];
const MORE = [563, 564];
const MAX_TEXT = 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\x00-\x1f\x7f-\x9f]/;

export const corimFault = (why: string): AttestdError => new AttestdError('MALFORMED', `CoRIM: ${why}`);

/** Reads one item of a manifest. @throws MALFORMED, TOO_LARGE */
export const readItem = (bytes: Uint8Array): Cbor => decodeCbor(bytes, CORIM_LIMITS, [...TAGS, ...MORE]);

export interface Fields {
  /** @throws MALFORMED when it is missing */
  need(label: number, name: string): Cbor;
  take(label: number): Cbor | undefined;
  /** Labels that nobody asked for. */
  rest(): string[];
}

/** @throws MALFORMED for what is no map */
export function fieldsOf(value: Cbor | undefined, what: string): Fields {
  if (!(value instanceof Map)) throw corimFault(`${what} is no map`);
  const map = value as ReadonlyMap<Cbor, Cbor>;
  const seen = new Set<Cbor>();
  const take = (label: number): Cbor | undefined => {
    seen.add(label);
    return map.get(label);
  };
  return {
    take,
    need(label, name) {
      const found = take(label);
      if (found === undefined) throw corimFault(`${what} has no ${name}`);
      return found;
    },
    rest: () => [...map.keys()].filter((k) => !seen.has(k)).map(labelText),
  };
}

const labelText = (k: Cbor): string =>
  typeof k === 'number'
    ? String(k)
    : typeof k === 'string' && !CONTROL.test(k)
      ? k.slice(0, 64)
      : 'that is no number';

/** A list of at least one. @throws MALFORMED */
export function listOf(value: Cbor | undefined, what: string): readonly Cbor[] {
  if (!Array.isArray(value) || value.length === 0) throw corimFault(`${what} is no list of at least one`);
  return value as readonly Cbor[];
}

/** A list of exactly two. @throws MALFORMED */
export function pairOf(value: Cbor, what: string): readonly [Cbor, Cbor] {
  const list = listOf(value, what);
  if (list.length !== 2) throw corimFault(`${what} has not two parts`);
  return list as unknown as readonly [Cbor, Cbor];
}

/** Text that may be shown to a person as it is. @throws MALFORMED */
export function textOf(value: Cbor | undefined, what: string): string {
  if (typeof value !== 'string' || value === '' || value.length > MAX_TEXT || CONTROL.test(value)) {
    throw corimFault(`${what} is no text of 1 to ${MAX_TEXT} characters`);
  }
  return value;
}

/** What is behind a tag; undefined for anything else. */
export function tagged(value: Cbor | undefined, tag: number): Cbor | undefined {
  return value instanceof CborTag && value.tag === tag ? (value.value as Cbor) : undefined;
}

/** Milliseconds since 1970 of a time (tag 1, RFC 8949 §3.4.2). @throws MALFORMED */
export function timeOf(value: Cbor | undefined, what: string): number {
  const seconds = tagged(value, 1);
  if (typeof seconds !== 'number' || !Number.isInteger(seconds) || Math.abs(seconds) > 8.64e12) {
    throw corimFault(`${what} is no time in whole seconds`);
  }
  return seconds * 1000;
}
