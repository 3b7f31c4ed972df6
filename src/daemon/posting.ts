/** POST /v1/records: one record as JSON, or a stream of them as NDJSON. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AttestdError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { RecordRequest } from '../evidence/schema/request.ts';
import type { Caller } from './caller.ts';
import type { Config } from './config.ts';
import type { Crumbs } from './crumbs.ts';
import type { Engine } from './engineface.ts';
import type { Gate } from './gate.ts';
import { badKey, type Idempotency, idempotencyKey, idempotencyOf } from './idempotency.ts';
import type { Limits } from './limits.ts';
import { createLineTurns, type LineTurns } from './lineturns.ts';
import { POST_RECORDS } from './openapi.ts';
import { compileRequest } from './parents.ts';
import { asAttestdError } from './problem.ts';
import { sendReceipt } from './receipt.ts';
import type { Recorded, Wait } from './recorder.ts';
import type { RecordQuery } from './request.ts';
import { serveStream } from './stream.ts';

export interface PostingInput {
  readonly gate: Gate;
  readonly limits: Limits;
  readonly crumbs: Pick<Crumbs, 'came'>;
  readonly settings: Config['limits'];
}

const check = compileRequest(RecordRequest);

/** Records a request: by the grant that it names, or ungoverned where it names none. */
export function submitRecord(
  engine: Engine,
  caller: Caller,
  request: RecordRequest,
  wait: Wait,
  idempotency: Idempotency | undefined,
  done: Recorded,
): void {
  if (request.grant === undefined) engine.recorder.record(caller, request, wait, idempotency, done);
  else if (idempotency !== undefined) throw badKey('is not taken with a grant: its uses are counted');
  else engine.governor.once(caller, request, wait, done);
}

export function addPosting(app: FastifyInstance, input: PostingInput): void {
  const { gate } = input;
  const turns = createLineTurns();
  app.post('/v1/records', { schema: POST_RECORDS }, (request, reply) => {
    const entered = gate.enter();
    if (entered instanceof Promise) {
      entered.then(
        (engine) => post(input, turns, engine, request, reply),
        (e: Error) => reply.send(e),
      );
    } else post(input, turns, entered, request, reply);
    return reply;
  });
}

function post(
  input: PostingInput,
  turns: LineTurns,
  engine: Engine,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  try {
    const wait: Wait = (request.query as RecordQuery).wait === 'durable' ? 'durable' : 'sealed';
    const key = idempotencyKey(request.headers['idempotency-key']);
    if (request.mediaType === 'application/x-ndjson') {
      if (key !== undefined) throw badKey('is for single records, not for streams');
      stream(input, turns, request, reply, wait);
      return;
    }
    if (request.rawBody === null) throw new AttestdError('MALFORMED', 'the request has no body');
    const fault = check(request.body);
    if (fault !== undefined) throw fault;
    const idempotency = key === undefined ? undefined : idempotencyOf(key, request.rawBody);
    submitRecord(
      engine,
      request.caller,
      request.body as RecordRequest,
      wait,
      idempotency,
      (e, receipt, replayed) => {
        if (e !== null) reply.send(e);
        else {
          reply.hijack();
          sendReceipt(reply.raw, replayed ? 200 : 201, receipt);
        }
      },
    );
  } catch (e) {
    reply.send(e);
  }
}

function stream(
  { limits, crumbs, settings, gate }: PostingInput,
  turns: LineTurns,
  request: FastifyRequest,
  reply: FastifyReply,
  wait: Wait,
): void {
  const { caller } = request;
  reply.hijack();
  serveStream({
    request: request.raw,
    response: reply.raw,
    uid: caller.uid,
    limits,
    turns,
    crumbs,
    maxLineBytes: settings.body_bytes,
    instance: request.id,
    wait,
    record(bytes, done) {
      try {
        const body = parseJson(bytes);
        const fault = check(body);
        if (fault !== undefined) throw fault;
        const go = (engine: Engine): void =>
          submitRecord(engine, caller, body as RecordRequest, wait, undefined, (e, receipt) => {
            done(e === null ? null : asAttestdError(e), receipt);
          });
        // The engine may have been shut while the stream went on, or everybody waits.
        const entered = gate.enter();
        if (entered instanceof Promise) entered.then(go).catch((e: unknown) => done(asAttestdError(e), ''));
        else go(entered);
      } catch (e) {
        done(asAttestdError(e), '');
      }
    },
  });
}
