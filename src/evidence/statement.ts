/**
 * Statements (in-toto Statement v1) as attestd makes them: one of our predicate types, a first subject that names the
 * record and binds its predicate, and further subjects for artefacts. Reading one checks its shape and that binding;
 * whether the record is true, or belongs where it stands, is for the verifier.
 */
import type { Static, TSchema } from 'typebox';
import { Type } from 'typebox';
import { Check, Errors } from 'typebox/value';
import { toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { jcsBytes } from '../core/json.ts';
import { NS, STATEMENT_TYPE } from '../core/namespace.ts';
import { parseTime } from '../core/time.ts';
import { parseEntry } from './dsse.ts';
import { Execution, MAX_MEMBERS } from './schema/execution.ts';
import { closed, Hex32, text } from './schema/field.ts';
import { Approval, Denial, Grant, Policychange, Revocation } from './schema/governance.ts';
import { Import } from './schema/import.ts';
import { Keychange } from './schema/keychange.ts';
import { Anchor, Boot, Gap, Genesis, Measurement, Tombstone } from './schema/predicates.ts';

/** Schema of each kind of predicate; the predicate type is `<NS>/<kind>/v1`. */
export const PREDICATES = {
  genesis: Genesis,
  boot: Boot,
  measurement: Measurement,
  execution: Execution,
  anchor: Anchor,
  keychange: Keychange,
  gap: Gap,
  tombstone: Tombstone,
  grant: Grant,
  denial: Denial,
  approval: Approval,
  revocation: Revocation,
  policychange: Policychange,
  import: Import,
} as const satisfies Record<string, TSchema>;

/** Subject of an import record that names the CER by its certificateHash. */
export const IMPORTED = 'nexart:cer';

/** A kind of record. */
export type Kind = keyof typeof PREDICATES;
/** The predicate of a kind. */
export type Predicate<K extends Kind> = Static<(typeof PREDICATES)[K]>;

/** `salted` marks an artefact whose digest is that of a disclosure and not of the artefact. */
export const Subject = closed({
  name: text(512),
  digest: closed({ sha256: Hex32 }),
  annotations: Type.Optional(closed({ salted: Type.Literal(true) })),
});
export type Subject = Static<typeof Subject>;

const Frame = closed({
  _type: Type.Literal(STATEMENT_TYPE),
  predicateType: Type.String({ maxLength: 64 }),
  predicate: Type.Object({}),
  subject: Type.Array(Subject, { minItems: 1, maxItems: 1 + MAX_MEMBERS }),
});

/** A statement of kind K. `artefacts` are the subjects after the first. */
export interface StatementOf<K extends Kind> {
  readonly kind: K;
  readonly predicate: Predicate<K>;
  readonly artefacts: readonly Subject[];
}
/** A statement, by kind. */
export type Statement = { [K in Kind]: StatementOf<K> }[Kind];

/** `<NS>/<kind>/v1` */
export const predicateType = (kind: Kind): string => `${NS}/${kind}/v1`;

const KINDS: ReadonlyMap<string, Kind> = new Map(
  (Object.keys(PREDICATES) as Kind[]).map((kind) => [predicateType(kind), kind]),
);

/** The kind of a predicate type; undefined where it is none. */
export const kindOf = (type: string): Kind | undefined => KINDS.get(type);

/** Refuses a value that does not fit, naming the field by JSON pointer. @throws MALFORMED */
export function checkShape(what: string, schema: TSchema, value: unknown): void {
  if (Check(schema, value)) return;
  const first = Errors(schema, value)[0];
  const field = first?.instancePath ?? '';
  throw new AttestdError('MALFORMED', `${what}, ${field || 'whole'}: ${first?.message ?? 'wrong'}`, {
    field,
  });
}

/** Checks a predicate against the schema of its kind, and that its time is one. @throws MALFORMED */
export function checkPredicate<K extends Kind>(kind: K, value: unknown): asserts value is Predicate<K> {
  checkShape(`${kind} predicate`, PREDICATES[kind], value);
  parseTime((value as { time: string }).time);
}

/** First subject of a record: its name, and SHA-256 of the canonical predicate. */
export function recordSubject(kind: Kind, id: string, predicateBytes: Uint8Array): Subject {
  return { name: `${kind}:${id}`, digest: { sha256: toHex(sha256(predicateBytes)) } };
}

/** Whether a subject is the one of an import. */
const names = (s: Subject | undefined): boolean => s?.name === IMPORTED && s.annotations === undefined;

/**
 * Reads the statement in an entry: strict PAE, canonical JSON, our predicate type, its schema, and a first subject
 * that binds the predicate.
 * @throws MALFORMED, TOO_LARGE
 */
export function readStatement(entry: Uint8Array): Statement {
  const { json } = parseEntry(entry);
  checkShape('statement', Frame, json);
  const { predicateType: type, predicate, subject } = json as Static<typeof Frame>;
  const kind = KINDS.get(type);
  if (kind === undefined) throw new AttestdError('MALFORMED', `predicate type ${type} is not known`);
  checkPredicate(kind, predicate);
  const [first, ...artefacts] = subject;
  const expected = recordSubject(kind, predicate.id, jcsBytes(predicate));
  if (
    first === undefined ||
    first.name !== expected.name ||
    first.digest.sha256 !== expected.digest.sha256 ||
    first.annotations !== undefined
  ) {
    throw new AttestdError('MALFORMED', 'the first subject does not name and bind the predicate');
  }
  // An import names what was imported: checked against the predicate by the verifier.
  const named = kind === 'import' && artefacts.length === 1 && names(artefacts[0]);
  if (kind === 'import' && !named) {
    throw new AttestdError('MALFORMED', `an import record has one artefact, ${IMPORTED}`);
  }
  if (kind !== 'execution' && !named && artefacts.length > 0) {
    throw new AttestdError('MALFORMED', `a ${kind} record has no artefacts`);
  }
  return { kind, predicate, artefacts } as Statement;
}
