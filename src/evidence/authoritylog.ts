/**
 * The audit log of an enrolment authority: its lines as in-toto statements, each an entry of a C2SP tlog like those of
 * a host, under checkpoints that the authority's own key signs. Same leaf hashes, tiles, notes and proofs; another
 * predicate type, so that no entry of one passes for an entry of the other.
 */
import { type Static, Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { toHex, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { type Json, jcs, jcsBytes } from '../core/json.ts';
import { NS, STATEMENT_TYPE, TAG_PREFIX } from '../core/namespace.ts';
import { makeEntry, parseEntry } from './dsse.ts';
import { AUTHORITY_EVENTS, type AuthorityEvent, type AuthorityLine } from './schema/authority.ts';

/** Predicate type of every entry. */
export const AUTHORITY_PREDICATE = `${NS}/authority/v1`;

/** Origin of the log of the authority with this key. @param spki DER SubjectPublicKeyInfo */
export const authorityOrigin = (spki: Uint8Array): string => `${TAG_PREFIX}authority/${toHex(sha256(spki))}`;

/** SHA-256 of a line in canonical form: what the next line names as `prev`. */
export const lineDigest = (line: AuthorityLine): Uint8Array => sha256(utf8(jcs(line)));

const digest = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Frame = Type.Object(
  {
    _type: Type.Literal(STATEMENT_TYPE),
    predicateType: Type.Literal(AUTHORITY_PREDICATE),
    predicate: Type.Object(
      {
        v: Type.Literal(1),
        log: Type.String({ maxLength: 255 }),
        index: Type.Integer({ minimum: 0 }),
        line: Type.Object({ event: Type.String({ maxLength: 32 }) }),
      },
      { additionalProperties: false },
    ),
    subject: Type.Array(
      Type.Object(
        { name: Type.String({ maxLength: 64 }), digest: Type.Object({ sha256: digest }) },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 1 },
    ),
  },
  { additionalProperties: false },
);

/** An entry taken apart. */
export interface AuthorityEntry {
  readonly log: string;
  readonly index: number;
  readonly line: AuthorityLine;
}

const subjectOf = (index: number, predicate: Json) => ({
  name: `authority:${index}`,
  digest: { sha256: toHex(sha256(jcsBytes(predicate))) },
});

/** The entry of a line. @throws RECORD_TOO_LARGE */
export function printAuthorityEntry({ log, index, line }: AuthorityEntry): Uint8Array {
  const predicate = { v: 1, log, index, line };
  return makeEntry(
    jcsBytes({
      _type: STATEMENT_TYPE,
      predicateType: AUTHORITY_PREDICATE,
      predicate,
      subject: [subjectOf(index, predicate)],
    }),
  );
}

const compiled = new Map<string, Validator>();
function validator(name: string, make: () => Validator): Validator {
  const found = compiled.get(name) ?? make();
  compiled.set(name, found);
  return found;
}

/** Whether a value is a line of an authority. */
export function isAuthorityLine(value: unknown): value is AuthorityLine {
  const event = (value as { event?: unknown } | null)?.event;
  if (typeof event !== 'string' || !Object.hasOwn(AUTHORITY_EVENTS, event)) return false;
  const schema = AUTHORITY_EVENTS[event as AuthorityEvent];
  return validator(event, () => Compile(schema) as unknown as Validator).Check(value);
}

/** Strict inverse of `printAuthorityEntry`. @throws MALFORMED, TOO_LARGE */
export function parseAuthorityEntry(entry: Uint8Array): AuthorityEntry {
  const { json } = parseEntry(entry);
  if (!validator('', () => Compile(Frame) as unknown as Validator).Check(json)) {
    throw new AttestdError('MALFORMED', 'not an entry of an authority');
  }
  const { predicate, subject } = json as unknown as Static<typeof Frame>;
  const { log, index, line } = predicate;
  if (!isAuthorityLine(line)) {
    throw new AttestdError('MALFORMED', `the line of event ${line.event} does not fit its schema`);
  }
  const expected = subjectOf(index, predicate as Json);
  if (subject[0]?.name !== expected.name || subject[0].digest.sha256 !== expected.digest.sha256) {
    throw new AttestdError('MALFORMED', 'the subject does not name and bind the line');
  }
  return { log, index, line };
}
