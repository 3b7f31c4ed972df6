/**
 * What the routes say of themselves. Requests are checked by the same schemas; from all of it the generator script
 * makes openapi.json, and a test holds that file against it.
 */
import { Type } from 'typebox';
import { BUNDLE_MEDIA_TYPE, FRESH_MEDIA_TYPE } from '../core/namespace.ts';
import { COSE_MEDIA_TYPE } from '../evidence/export/cose.ts';
import { ENVELOPE_MEDIA_TYPE, EnvelopeSchema } from '../evidence/export/envelope.ts';
import { BundleSchema, FreshSchema } from '../evidence/schema/bundle.ts';
import { Count, oneOf, Ref, Ulid } from '../evidence/schema/field.ts';
import { RecordRequest } from '../evidence/schema/request.ts';
import { Receipt } from './openreceipt.ts';
import {
  BundleQuery,
  ForgetBody,
  KeyBody,
  KeyPath,
  LogPath,
  QuoteBody,
  RecordPath,
  RecordQuery,
  SealsQuery,
  SignBody,
  TilePath,
  WithdrawBody,
} from './request.ts';

const Problem = Type.Object(
  {
    type: Type.String({ description: 'urn:attestd:error:CODE' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    hint: Type.Optional(Type.String()),
    field: Type.Optional(Type.String({ description: 'JSON pointer of the field that is wrong' })),
    tpm: Type.Optional(Type.String({ description: "the TPM's own name of a response code" })),
    denial: Type.Optional(Ref),
    record: Type.Optional(Ref),
    instance: Type.Optional(Type.String()),
  },
  { description: 'RFC 9457' },
);
/** Shared by all routes. */
export const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: Problem } },
});
/** Shared by all routes. */
export const REFUSALS = {
  400: problem('the request is malformed or does not fit its schema'),
  403: problem('the attestd-client header is missing, or the caller may not'),
  404: problem('not there, or not yours'),
  429: problem('this caller has used up its share; see Retry-After'),
  503: problem('the TPM, the log or the daemon is not ready; see Retry-After'),
};
/** Shared by all routes that take a body. */
export const BODY_REFUSALS = {
  ...REFUSALS,
  413: problem('the body, or the record that it makes, is too large'),
  415: problem('another media type, charset or encoding than this path takes'),
};
/** Shared by all routes. */
export const Headers = Type.Object({
  'attestd-client': Type.String({ description: 'name/version of the program that calls; required' }),
});
/** Shared by routes that answer what is sent again under its key as they did before. */
export const KeyedHeaders = Type.Object({
  ...Headers.properties,
  'idempotency-key': Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
});

const Line = Type.Union([
  Type.Object({ line: Type.Integer({ minimum: 1 }), ...Receipt.properties }),
  Type.Object({ line: Type.Integer({ minimum: 1 }), error: Problem }),
]);
/** Shared by all routes. */
export const json = (description: string, schema: unknown) => ({
  description,
  content: { 'application/json': { schema } },
});

export const POST_RECORDS = {
  operationId: 'record',
  summary: 'Record one execution, or a stream of them with one answer line for each line, in order',
  headers: KeyedHeaders,
  querystring: RecordQuery,
  body: {
    content: {
      'application/json': { schema: RecordRequest },
      'application/x-ndjson': { schema: RecordRequest },
    },
  },
  response: {
    200: {
      description: 'an earlier record under this Idempotency-Key; or the answers to a stream',
      content: { 'application/json': { schema: Receipt }, 'application/x-ndjson': { schema: Line } },
    },
    201: json('recorded', Receipt),
    ...BODY_REFUSALS,
    409: problem('the Idempotency-Key came with another body before'),
  },
};

export const GET_RECORD = {
  operationId: 'getRecord',
  summary: 'One record of your own; any record on the admin socket',
  headers: Headers,
  params: RecordPath,
  response: {
    200: json(
      'the record',
      Type.Object({
        ...Receipt.properties,
        entry: Type.String({ description: 'base64 of the entry: what is hashed' }),
        statement: Type.Object({}, { additionalProperties: true, description: 'in-toto Statement v1' }),
        disclosures: Type.Array(Type.String({ description: 'RFC 9901' })),
      }),
    ),
    ...REFUSALS,
  },
};

export const GET_BUNDLE = {
  operationId: 'getBundle',
  summary: 'The evidence bundle of a record: one file for an auditor',
  headers: Headers,
  params: RecordPath,
  querystring: BundleQuery,
  response: {
    200: { description: 'the bundle', content: { [BUNDLE_MEDIA_TYPE]: { schema: BundleSchema } } },
    ...REFUSALS,
    409: problem('this host has no certificate yet'),
  },
};

export const POST_FORGET = {
  operationId: 'forget',
  summary: 'Erase the openings of a record for good, and say so in the log',
  headers: Headers,
  params: RecordPath,
  body: { content: { 'application/json': { schema: ForgetBody } } },
  response: { 201: json('the tombstone', Receipt), ...BODY_REFUSALS },
};

export const POST_QUOTES = {
  operationId: 'quote',
  summary: "Have the TPM quote the newest seal over an auditor's nonce",
  headers: Headers,
  body: { content: { 'application/json': { schema: QuoteBody } } },
  response: {
    200: { description: 'fresh evidence', content: { [FRESH_MEDIA_TYPE]: { schema: FreshSchema } } },
    ...BODY_REFUSALS,
    409: problem('this host has no certificate yet'),
  },
};

export const Bytes = (m: string) => ({ content: { [m]: { schema: Type.String({ format: 'binary' }) } } });

export const GET_ENVELOPE = {
  operationId: 'getEnvelope',
  summary: 'A sealed record as a DSSE envelope, signed by the record key',
  headers: Headers,
  params: RecordPath,
  response: {
    200: { description: 'the envelope', content: { [ENVELOPE_MEDIA_TYPE]: { schema: EnvelopeSchema } } },
    ...REFUSALS,
  },
};

export const GET_COSE = {
  operationId: 'getCose',
  summary: 'A sealed record as COSE_Sign1 with a receipt (RFC 9942), both signed by the record key',
  headers: Headers,
  params: RecordPath,
  response: { 200: { description: 'the signed statement', ...Bytes(COSE_MEDIA_TYPE) }, ...REFUSALS },
};

const WorkloadKey = Type.Object({
  name: Type.String(),
  role: oneOf('record', 'workload', 'tls'),
  uid: Type.Optional(Type.Integer()),
  unit: Type.Optional(Type.String()),
  record: Type.Optional(Ulid),
  spki: Type.String({ description: 'base64 of the DER SubjectPublicKeyInfo' }),
  public: Type.String({ description: 'base64 of the TPMT_PUBLIC' }),
  attest: Type.String({ description: 'base64 of the TPMS_ATTEST by which the AK certifies it' }),
  signature: Type.String({ description: 'base64 of the TPMT_SIGNATURE over it' }),
});
const YOUR_KEY = { headers: Headers, params: KeyPath };

export const GET_KEYS = {
  operationId: 'listKeys',
  summary: 'The record key and your own keys; the keys of all callers on the admin socket',
  headers: Headers,
  response: { 200: json('keys', Type.Object({ keys: Type.Array(WorkloadKey) })), ...REFUSALS },
};

export const POST_KEYS = {
  operationId: 'createKey',
  summary: 'Make a key in the TPM for this caller, its uid and unit, and record it',
  headers: Headers,
  body: { content: { 'application/json': { schema: KeyBody } } },
  response: { 201: json('made', WorkloadKey), ...BODY_REFUSALS, 409: problem('you have a key of this name') },
};

export const POST_SIGN = {
  operationId: 'sign',
  summary: 'ECDSA with SHA-256 over the message, domain-separated by the role of the key',
  ...YOUR_KEY,
  body: { content: { 'application/json': { schema: SignBody } } },
  response: {
    200: json(
      'signed',
      Type.Object({ signature: Type.String({ description: 'base64 of the DER signature' }) }),
    ),
    ...BODY_REFUSALS,
  },
};

export const POST_WITHDRAW = {
  operationId: 'withdrawKey',
  summary: 'Record that a key is withdrawn, and forget it',
  ...YOUR_KEY,
  body: { content: { 'application/json': { schema: WithdrawBody } } },
  response: { 200: json('withdrawn', WorkloadKey), ...BODY_REFUSALS },
};

export const GET_KEY_REQUEST = {
  operationId: 'getKeyRequest',
  summary: 'A certificate request (PKCS#10, DER) for a key of yours; for the record key on the admin socket',
  ...YOUR_KEY,
  response: { 200: { description: 'the request', ...Bytes('application/pkcs10') }, ...REFUSALS },
};

export const GET_CHECKPOINT = {
  operationId: 'getCheckpoint',
  summary: 'The newest published checkpoint (C2SP tlog-tiles)',
  headers: Headers,
  params: LogPath,
  response: { 200: { description: 'a signed note', ...Bytes('text/plain') }, ...REFUSALS },
};

export const GET_TILE = {
  operationId: 'getTile',
  summary: 'A tile <L>/<N>[.p/<W>], or an entry bundle entries/<N>[.p/<W>] on the admin socket',
  headers: Headers,
  params: TilePath,
  response: { 200: { description: 'hashes or entries', ...Bytes('application/octet-stream') }, ...REFUSALS },
};

export const GET_SEALS = {
  operationId: 'getSeals',
  summary: 'Sealed notes of size `from` and above whose seq is over `after`, in order; on the admin socket',
  headers: Headers,
  params: LogPath,
  querystring: SealsQuery,
  response: {
    200: json(
      'at most 256 seals, and where the next page begins if there is one',
      Type.Object({
        seals: Type.Array(Type.Object({ size: Count, note: Type.String() })),
        next: Type.Optional(Type.Object({ from: Count, after: Count })),
      }),
    ),
    ...REFUSALS,
  },
};
