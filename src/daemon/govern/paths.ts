/** What the routes of governed execution say of themselves, for checking requests and for openapi.json. */
import { Type } from 'typebox';
import { closed, Hex32, oneOf, text, Ulid } from '../../evidence/schema/field.ts';
import { Denial, Grant } from '../../evidence/schema/governance.ts';
import {
  ApprovalRequest,
  CompletionRequest,
  ExecutionRequest,
  GrantRequest,
} from '../../evidence/schema/governed.ts';
import { BODY_REFUSALS, Headers, json, KeyedHeaders, problem, REFUSALS } from '../openapi.ts';
import { Receipt } from '../openreceipt.ts';
import { RecordPath, RecordQuery } from '../request.ts';

const DENIED = {
  403: problem('denied: the code says which condition failed, and `denial` names the record of it'),
};
const body = (schema: unknown) => ({ content: { 'application/json': { schema } } });
const post = (operationId: string, summary: string, schema: unknown, params?: unknown) => ({
  operationId,
  summary,
  headers: Headers,
  ...(params === undefined ? {} : { params }),
  querystring: RecordQuery,
  body: body(schema),
  response: { 201: json('recorded', Receipt), ...BODY_REFUSALS, ...DENIED },
});

export const POST_GRANTS = post(
  'requestGrant',
  'Ask before acting: a grant, or a denial; both are records',
  GrantRequest,
);
export const POST_EXECUTIONS = post('begin', 'Use a grant once: writes `attempted`', ExecutionRequest);
export const POST_COMPLETION = {
  ...post('complete', 'End what was begun; only the process that began may', CompletionRequest, RecordPath),
  headers: KeyedHeaders,
  response: {
    200: json('the end that it had before, under this Idempotency-Key', Receipt),
    201: json('recorded', Receipt),
    ...BODY_REFUSALS,
    ...DENIED,
    409: problem('it has come to an end before; or the Idempotency-Key came with another body'),
  },
};
export const POST_APPROVALS = post('approve', 'Stand up for what a denial says was asked', ApprovalRequest);

export const GET_GRANT = {
  operationId: 'getGrant',
  summary: 'A grant of yours with its state, or a denial that you may approve',
  headers: Headers,
  params: RecordPath,
  response: {
    200: json(
      'a grant or a denial',
      Type.Union([
        Type.Object({
          kind: Type.Literal('grant'),
          id: Ulid,
          digest: Hex32,
          /** `used`: as often as it may be. `ended`: used or revoked so many grants ago that it is not known which. */
          state: oneOf('live', 'used', 'revoked', 'expired', 'ended'),
          used: Type.Optional(Type.Integer()),
          grant: Grant,
        }),
        Type.Object({ kind: Type.Literal('denial'), id: Ulid, digest: Hex32, denial: Denial }),
      ]),
    ),
    ...REFUSALS,
  },
};

export const DELETE_GRANT = {
  operationId: 'revokeGrant',
  summary: 'Withdraw a grant: it is good for nothing from then on',
  headers: Headers,
  params: RecordPath,
  querystring: closed({ ...RecordQuery.properties, reason: Type.Optional(text(1024)) }),
  response: { 200: json('recorded', Receipt), ...REFUSALS, ...DENIED },
};
