/**
 * How what a caller sends is checked: by JSON Schema, changing nothing, and naming the one field that is wrong. The
 * body of a record is the schema of evidence; what only this API has is here. There is no member anywhere for what
 * the daemon observes itself.
 */
import { type Static, type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { AttestdError } from '../core/errors.ts';
import { MAX_MESSAGE } from '../evidence/export/workload.ts';
import { closed, Epoch, Hex32, oneOf, Time, text, Ulid } from '../evidence/schema/field.ts';
import { type Kind, PREDICATES } from '../evidence/statement.ts';

/** Decimal text, because a query is text and is not coerced. */
const Position = Type.String({ pattern: '^(?:0|[1-9][0-9]{0,15})$' });

export const QuoteBody = closed({
  nonce: Type.String({
    pattern: '^[A-Za-z0-9_-]{22,86}$',
    description: 'base64url of 16 to 64 bytes that the auditor chose',
  }),
  /** With the kernel's IMA list; on the admin socket. */
  ima: Type.Optional(oneOf('list', 'none')),
});
export type QuoteBody = Static<typeof QuoteBody>;

export const RecordQuery = closed({ wait: Type.Optional(oneOf('durable', 'sealed')) });
export type RecordQuery = Static<typeof RecordQuery>;

export const RecordPath = closed({ id: Ulid });
export type RecordPath = Static<typeof RecordPath>;

/** `full`: everything that the record rests on, and that in its turn; else what decided it and its own parents. */
/** `ima`: with the kernel's IMA list; on the admin socket. */
export const BundleQuery = closed({
  lineage: Type.Optional(oneOf('decision', 'full')),
  ima: Type.Optional(oneOf('list', 'none')),
});
export type BundleQuery = Static<typeof BundleQuery>;

/** Which records; numbers are text, because a query is text and is not coerced. */
export const ListQuery = closed({
  before: Type.Optional(Position),
  after: Type.Optional(Position),
  limit: Type.Optional(Type.String({ pattern: '^(?:[1-9][0-9]?|[1-4][0-9]{2}|500)$' })),
  kind: Type.Optional(oneOf(...(Object.keys(PREDICATES) as Kind[]))),
  uid: Type.Optional(Type.String({ pattern: '^(?:0|[1-9][0-9]{0,9})$' })),
  action: Type.Optional(text(512)),
  decision: Type.Optional(oneOf('permitted', 'denied', 'ungoverned')),
  grant: Type.Optional(Ulid),
  trace: Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$' })),
  since: Type.Optional(Time),
  until: Type.Optional(Time),
  text: Type.Optional(text(256)),
});
export type ListQuery = Static<typeof ListQuery>;

export const AttachmentPath = closed({ sha256: Hex32 });
export type AttachmentPath = Static<typeof AttachmentPath>;

export const ForgetBody = closed({ reason: Type.Optional(text(1024)) });
export type ForgetBody = Static<typeof ForgetBody>;

export const LogPath = closed({ epoch: Epoch });
export const SealsQuery = closed({ from: Type.Optional(Position), after: Type.Optional(Position) });
export type SealsQuery = Static<typeof SealsQuery>;
export const TilePath = closed({ epoch: Epoch, '*': Type.String({ maxLength: 200 }) });

/** The name under which the record key stands among the keys; no caller's key has it. */
export const RECORD_KEY = 'record';
const KeyName = Type.String({ pattern: `^(?!${RECORD_KEY}$)[a-z0-9][a-z0-9.-]{0,62}$` });
export const KeyBody = closed({ name: KeyName, role: oneOf('workload', 'tls') });
export type KeyBody = Static<typeof KeyBody>;
export const KeyPath = closed({ name: Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{0,62}$' }) });
export type KeyPath = Static<typeof KeyPath>;
export const SignBody = closed({
  message: Type.String({
    maxLength: Math.ceil(MAX_MESSAGE / 3) * 4,
    description:
      'base64 of the message; a TLS key takes the whole CertificateVerify content (RFC 8446 4.4.3)',
  }),
});
export type SignBody = Static<typeof SignBody>;
export const WithdrawBody = closed({ reason: text(256) });
export type WithdrawBody = Static<typeof WithdrawBody>;

/** One fault of a value, in the words of JSON Schema. */
interface SchemaFault {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A check that gives INVALID_REQUEST naming the field by its JSON pointer, or nothing. It never changes the value. */
export function compileSchema(schema: TSchema): (value: unknown) => AttestdError | undefined {
  const check = Compile(schema);
  return (value) => {
    if (check.Check(value)) return undefined;
    const faults = check.Errors(value) as unknown as SchemaFault[];
    const first = faults[0];
    if (first === undefined) return invalid('', 'is not valid');
    // An unknown member shows first as a false schema at its own path.
    if (first.keyword === 'boolean') return invalid(first.instancePath, 'is not a known field');
    if (first.keyword === 'required') {
      const [missing] = (first.params.requiredProperties ?? []) as string[];
      return invalid(`${first.instancePath}/${missing ?? ''}`, 'is missing');
    }
    if (first.keyword === 'const') {
      const words = faults
        .filter((f) => f.keyword === 'const' && f.instancePath === first.instancePath)
        .map((f) => String(f.params.allowedValue));
      return invalid(first.instancePath, `must be one of ${words.join(', ')}`);
    }
    return invalid(first.instancePath, first.message);
  };
}

function invalid(pointer: string, why: string): AttestdError {
  const field = pointer.slice(0, 200);
  return new AttestdError('INVALID_REQUEST', `${field || 'the body'} ${why}`, { field });
}
