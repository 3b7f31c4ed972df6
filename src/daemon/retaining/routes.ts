/**
 * POST /v1/retention: an operator has old entries removed. GET /v1/log/{epoch}/remains/{n}: what is left of entry bundle
 * n, for an audit through the socket; a bundle that lost an entry is none of the tlog-tiles layout any more.
 */
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { concat, u16 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { Count, closed, Time, text, Ulid } from '../../evidence/schema/field.ts';
import { HASH_SIZE } from '../../log/merkle.ts';
import { TILE_WIDTH } from '../../log/tile.ts';
import type { Store } from '../../store/store.ts';
import type { Cosigs } from '../cosigs.ts';
import type { Gate } from '../gate.ts';
import { epochOf } from '../layout.ts';
import { BODY_REFUSALS, Bytes, Headers, json, problem, REFUSALS } from '../openapi.ts';
import { compileSchema } from '../request.ts';
import { firstAt } from '../search.ts';

const RetentionBody = closed({
  before: Type.Optional(Count),
  olderThan: Type.Optional(Time),
  dryRun: Type.Optional(Type.Boolean()),
  reason: Type.Optional(text(1024)),
});
type RetentionBody = Static<typeof RetentionBody>;

const POST_RETENTION = {
  operationId: 'retain',
  summary:
    'Remove entries below an index or older than a time for good; their leaf hashes and all proofs stay',
  headers: Headers,
  body: { content: { 'application/json': { schema: RetentionBody } } },
  response: {
    200: json(
      'what was removed, or would be',
      Type.Object({
        before: Count,
        removed: Count,
        kept: Count,
        freed: Count,
        tombstone: Type.Optional(Ulid),
      }),
    ),
    ...BODY_REFUSALS,
    409: problem('so much is not sealed, anchored or cosigned yet'),
  },
};

const RemainsPath = closed({
  epoch: Type.String({ maxLength: 32 }),
  n: Type.String({ pattern: '^(?:0|[1-9][0-9]{0,12})$' }),
});

const GET_REMAINS = {
  operationId: 'getRemains',
  summary:
    'Entries of a bundle, each u16 length and bytes, or u16 0 and its leaf hash where it was removed; admin socket',
  headers: Headers,
  params: RemainsPath,
  response: { 200: { description: 'what is left', ...Bytes('application/octet-stream') }, ...REFUSALS },
};

export interface RetentionRoutesInput {
  readonly gate: Gate;
  readonly cosigs: Cosigs;
  /** The open log; the gate is passed before it is asked for. */
  readonly store: () => Store;
}

export function addRetention(app: FastifyInstance, input: RetentionRoutesInput): void {
  const check = compileSchema(RetentionBody);

  app.post('/v1/retention', { schema: POST_RETENTION }, async (request, reply) => {
    const engine = await input.gate.enter();
    if (!request.caller.admin) throw new AttestdError('FORBIDDEN', 'only the admin socket removes entries');
    const fault = check(request.body);
    if (fault !== undefined) throw fault;
    const { before, olderThan, dryRun = false, reason } = request.body as RetentionBody;
    if ((before === undefined) === (olderThan === undefined))
      throw new AttestdError('INVALID_REQUEST', '/before or /olderThan is wanted, and not both', {
        field: '/before',
      });
    const store = input.store();
    const bound = before ?? (await firstAt(store, store.size, (time) => time >= (olderThan as string)));
    const cosigned = await input.cosigs.newest(store);
    const { uid } = request.caller;
    const done = await engine.retention.retain({ before: bound, dryRun, reason, uid, cosigned });
    return reply.header('content-type', 'application/json').send(JSON.stringify(done));
  });

  app.get('/v1/log/:epoch/remains/:n', { schema: GET_REMAINS }, async (request, reply) => {
    const { origin } = await input.gate.look();
    if (!request.caller.admin) throw new AttestdError('FORBIDDEN', "entries are other callers' records");
    const { epoch, n } = request.params as Static<typeof RemainsPath>;
    if (epoch !== epochOf(origin)) throw new AttestdError('NOT_FOUND', `the log in use is ${origin}`);
    const bytes = remainsOfBundle(input.store(), Number(n));
    return reply.header('content-type', 'application/octet-stream').send(Buffer.from(bytes));
  });
}

/** @throws NOT_FOUND */
function remainsOfBundle(store: Store, n: number): Uint8Array {
  const from = n * TILE_WIDTH;
  const to = Math.min(from + TILE_WIDTH, store.size);
  if (to <= from) throw new AttestdError('NOT_FOUND', `the log has no such bundle at ${store.size} entries`);
  const leaves = store.tile({ level: 0, n, width: to - from });
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const entry of store.entries(from, to)) {
    const rest = entry.length > 0 ? Uint8Array.from(entry) : leaves.subarray(at, at + HASH_SIZE);
    parts.push(u16(entry.length), rest);
    at += HASH_SIZE;
  }
  return concat(...parts);
}
