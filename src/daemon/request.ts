/**
 * What a caller may send: the body of POST /v1/records and of POST /v1/quotes. From these schemas come the checks
 * (nothing is coerced, dropped or filled in) and the OpenAPI document. There is no member for anything that the
 * daemon observes itself.
 */
import { type Static, type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { AttestdError } from '../core/errors.ts';

const closed = <T extends Record<string, TSchema>>(properties: T, description?: string) =>
  Type.Object(properties, {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  });
const text = (maxLength: number, description?: string) =>
  Type.String({ minLength: 1, maxLength, ...(description === undefined ? {} : { description }) });
const HEX32 = '^[0-9a-f]{64}$';

/** Named values. `_sd` and `...` are names of RFC 9901 itself, and names that JavaScript objects have are refused. */
const NAME = '^(?!(?:_sd|\\.\\.\\.|__proto__)$)[\\s\\S]{1,256}$';
const values = (description: string) =>
  Type.Object(
    {},
    {
      maxProperties: 256,
      patternProperties: { [NAME]: Type.Unknown() },
      additionalProperties: false,
      description,
    },
  );

export const RecordBody = closed({
  phase: Type.Enum(['attempted', 'completed', 'interrupted']),
  action: closed({
    type: text(128, 'kind of action, such as tool.call'),
    name: text(256, 'name of the action'),
    target: Type.Optional(text(2048, 'what it acts on')),
  }),
  claimed: Type.Optional(values('what the caller says about itself; never merged with what is observed')),
  inputs: Type.Optional(values('salted: the record holds digests, the values stay on the host')),
  parameters: Type.Optional(values('salted, like inputs')),
  outputs: Type.Optional(values('salted, like inputs')),
  plain: Type.Optional(
    closed(
      {
        inputs: Type.Optional(values('enters the record in clear')),
        parameters: Type.Optional(values('enters the record in clear')),
        outputs: Type.Optional(values('enters the record in clear')),
      },
      'values that the caller asks to be recorded in clear',
    ),
  ),
  outcome: Type.Optional(
    closed({
      status: Type.Enum(['succeeded', 'failed', 'timedout', 'cancelled']),
      code: Type.Optional(Type.Integer({ minimum: -2147483648, maximum: 4294967295 })),
      effect: Type.Enum(['none', 'dispatched', 'confirmed', 'unknown']),
    }),
  ),
  artefacts: Type.Optional(
    Type.Array(
      closed({
        name: text(1024),
        sha256: Type.String({ pattern: HEX32 }),
        plain: Type.Optional(Type.Boolean({ description: 'record the digest as it is, not salted' })),
      }),
      { maxItems: 256 },
    ),
  ),
  parents: Type.Optional(
    Type.Array(
      closed({
        rel: Type.Enum(['authorizedBy', 'calledBy', 'derivedFrom', 'after', 'retryOf', 'compensates']),
        digest: Type.String({ pattern: HEX32, description: 'record digest of the parent' }),
        log: Type.Optional(Type.String({ pattern: '^[a-z0-9.-]+/[a-z0-9.-]+/[a-z0-9.-]+$', maxLength: 255 })),
      }),
      { maxItems: 64 },
    ),
  ),
  trace: Type.Optional(
    closed({ traceparent: Type.String({ pattern: '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' }) }),
  ),
  capture: Type.Optional(
    closed({ complete: Type.Boolean(), omitted: Type.Array(text(256), { maxItems: 64 }) }),
  ),
});
export type RecordBody = Static<typeof RecordBody>;

export const QuoteBody = closed({
  nonce: Type.String({
    pattern: '^[A-Za-z0-9_-]{22,86}$',
    description: 'base64url of 16 to 64 bytes that the auditor chose',
  }),
});
export type QuoteBody = Static<typeof QuoteBody>;

export const RecordQuery = closed({
  wait: Type.Optional(Type.Enum(['durable', 'sealed'], { description: 'sealed when absent' })),
});
export type RecordQuery = Static<typeof RecordQuery>;

/** One fault of a value, in the words of JSON Schema. */
export interface SchemaFault {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A check that gives the fault worth naming, or nothing. It never changes the value. */
export function compileSchema(schema: TSchema): (value: unknown) => SchemaFault | undefined {
  const check = Compile(schema);
  return (value) => {
    if (check.Check(value)) return undefined;
    const faults = check.Errors(value) as unknown as SchemaFault[];
    // An unknown member shows twice; the first form has its path.
    const f = faults[0];
    if (f === undefined) return { keyword: '', instancePath: '', message: 'is not valid', params: {} };
    if (f.keyword === 'boolean') return { ...f, keyword: 'additionalProperties', params: {} };
    if (f.keyword === 'required') {
      const [missing] = (f.params.requiredProperties ?? []) as string[];
      return { ...f, message: 'is missing', params: { missingProperty: missing } };
    }
    if (f.keyword === 'enum' && Array.isArray(f.params.allowedValues)) {
      return { ...f, message: `must be one of ${f.params.allowedValues.join(', ')}` };
    }
    return f;
  };
}

/** Our error for a fault, naming the field by its JSON pointer. */
export function faultError(f: SchemaFault): AttestdError {
  const { missingProperty } = f.params;
  const field = typeof missingProperty === 'string' ? `${f.instancePath}/${missingProperty}` : f.instancePath;
  const what = f.keyword === 'additionalProperties' ? 'is not a known field' : f.message;
  return new AttestdError('INVALID_REQUEST', `${field.slice(0, 200) || 'the body'} ${what}`, {
    field: field.slice(0, 200),
  });
}
