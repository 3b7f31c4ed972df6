/** What the route of lists says of itself; see openapi.ts. */
import { Type } from 'typebox';
import { Count, Hex32, oneOf, Time, Uint32, Ulid } from '../evidence/schema/field.ts';
import { Headers, json, REFUSALS } from './openapi.ts';
import { ListQuery } from './request.ts';

const ListedRecord = Type.Object({
  index: Count,
  digest: Hex32,
  id: Ulid,
  kind: Type.String(),
  time: Time,
  uid: Type.Optional(Uint32),
  exe: Type.Optional(Type.String()),
  unit: Type.Optional(Type.String()),
  action: Type.Optional(Type.String({ description: 'type/name' })),
  target: Type.Optional(Type.String()),
  phase: Type.Optional(Type.String()),
  status: Type.Optional(Type.String()),
  decision: Type.Optional(oneOf('permitted', 'denied', 'ungoverned')),
  reason: Type.Optional(Type.String({ description: 'code of a denial' })),
  grant: Type.Optional(Ulid),
  trace: Type.Optional(Type.String()),
});

export const GET_RECORDS = {
  operationId: 'listRecords',
  summary: 'Your own records, newest first or onwards from a place; all records on the admin socket',
  headers: Headers,
  querystring: ListQuery,
  response: {
    200: json(
      'a page of them; next says where to go on, also where none of those looked at so far matched',
      Type.Object({
        records: Type.Array(ListedRecord),
        next: Type.Optional(Type.Union([Type.Object({ before: Count }), Type.Object({ after: Count })])),
        size: Count,
      }),
    ),
    ...REFUSALS,
  },
};
