/**
 * Builds the entry of any record from its predicate by RFC 8785. This is the plain way, used for everything the daemon
 * writes about itself; executions have a writer of their own that must give the same bytes (execution.ts).
 */
import { toBase64Url, toHex, utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { assertJson, type JsonObject, jcsBytes } from '../core/json.ts';
import { STATEMENT_TYPE } from '../core/namespace.ts';
import { formatTime } from '../core/time.ts';
import { ulid } from '../core/ulid.ts';
import { canonical } from './canonical.ts';
import { SALT_BYTES } from './disclosure.ts';
import { makeEntry, recordDigest } from './dsse.ts';
import {
  checkPredicate,
  type Kind,
  type Predicate,
  predicateType,
  recordSubject,
  type Subject,
} from './statement.ts';

/** What every predicate carries. */
export interface Frame {
  /** ULID of the record. */
  readonly id: string;
  /** Origin of the log. */
  readonly log: string;
  /** Record digest of the run's boot entry in hexadecimal; absent in genesis and boot entries only. */
  readonly boot?: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** 16 random bytes. */
  readonly salt: Uint8Array;
}

type FrameMember = 'v' | 'id' | 'log' | 'boot' | 'time' | 'salt';
/** A predicate without its frame. */
export type Body<K extends Kind> = Unframed<Predicate<K>>;
/** Of each kind of a union by itself: members that only one has stay with it. */
type Unframed<P> = P extends unknown ? Omit<P, FrameMember> : never;

/** A record ready for the log. */
export interface BuiltRecord {
  readonly id: string;
  readonly entry: Uint8Array;
  /** SHA-256(entry), 32 bytes. */
  readonly recordDigest: Uint8Array;
}

/** A frame of this moment. @param random gives that many random bytes */
export function newFrame(
  of: { readonly log: string; readonly boot?: string },
  timeMs: number,
  random: (n: number) => Uint8Array,
): Frame {
  return { ...of, id: ulid(timeMs, random(10)), timeMs, salt: random(SALT_BYTES) };
}

/** The predicate of a record: its body in the frame. */
export function framed<K extends Kind>(body: Body<K>, frame: Frame): JsonObject {
  return {
    ...(body as JsonObject),
    v: 1,
    id: frame.id,
    log: frame.log,
    time: formatTime(frame.timeMs),
    salt: toBase64Url(frame.salt),
    ...(frame.boot === undefined ? {} : { boot: frame.boot }),
  };
}

/**
 * The same entry without a look at the schema, for predicates that the daemon made of parts it has checked: grants come
 * by the thousand. A test holds it equal to `buildEntry`.
 */
export function buildTrusted<K extends Kind>(kind: K, body: Body<K>, frame: Frame): BuiltRecord {
  const predicate = canonical({
    ...(body as JsonObject),
    v: 1,
    id: frame.id,
    log: frame.log,
    time: formatTime(frame.timeMs),
    salt: toBase64Url(frame.salt),
    ...(frame.boot === undefined ? {} : { boot: frame.boot }),
  });
  if (predicate.includes('\\ud')) assertJson(body);
  const digest = toHex(sha256(utf8(predicate)));
  const subject = `[{"digest":{"sha256":"${digest}"},"name":"${kind}:${frame.id}"}]`;
  const entry = makeEntry(
    utf8(
      `{"_type":${JSON.stringify(STATEMENT_TYPE)},"predicate":${predicate},"predicateType":${JSON.stringify(predicateType(kind))},"subject":${subject}}`,
    ),
  );
  return { id: frame.id, entry, recordDigest: recordDigest(entry) };
}

/**
 * The entry of a record.
 * @throws MALFORMED when the predicate does not fit its schema, RECORD_TOO_LARGE
 */
export function buildEntry<K extends Kind>(
  kind: K,
  body: Body<K>,
  frame: Frame,
  artefacts: readonly Subject[] = [],
): BuiltRecord {
  const predicate = framed(body, frame);
  checkPredicate(kind, predicate);
  const statement = {
    _type: STATEMENT_TYPE,
    subject: [recordSubject(kind, frame.id, jcsBytes(predicate)), ...artefacts],
    predicateType: predicateType(kind),
    predicate,
  };
  const entry = makeEntry(jcsBytes(statement));
  return { id: frame.id, entry, recordDigest: recordDigest(entry) };
}
