/**
 * POST /v1/otlp/v1/traces: OTLP/HTTP on the socket, JSON or protobuf, gzip, deflate or neither. Chosen spans are records once this
 * is answered; a span that was exported before is the record it was. What is refused is counted as the protocol has it.
 */
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { AttestdError, isAttestdError } from '../core/errors.ts';
import { readJson } from '../evidence/otlp/json.ts';
import { readProtobuf } from '../evidence/otlp/protobuf.ts';
import type { ResourceSpans } from '../evidence/otlp/span.ts';
import { RecordRequest } from '../evidence/schema/request.ts';
import { PROTOBUF, TRACES } from './app.ts';
import type { BodyReader } from './deadline.ts';
import type { Gate } from './gate.ts';
import { idempotencyOf } from './idempotency.ts';
import type { Limits } from './limits.ts';
import { BODY_REFUSALS, Headers, type problem } from './openapi.ts';
import { compileSchema } from './request.ts';
import { type Telling, tellings } from './telemetry.ts';

export interface OtlpInput {
  readonly gate: Gate;
  readonly limits: Limits;
  readonly bodies: Pick<BodyReader, 'maxBytes'>;
}

/** A body may grow so much when it is unpacked. */
const GROWTH = 8;
/** The client header of `attestctl otlp-bridge`: who calls is then the bridge, and the record says so. */
const BRIDGE = /^attestctl-otlp-bridge\//;
/** What exporters of the SDKs offer; deflate is the zlib format, RFC 9110 clause 8.4.1.2. */
const UNPACK = new Map([
  ['gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
]);
const check = compileSchema(RecordRequest);
/** What is wrong with a span itself: the others are recorded. */
const BAD = new Set([
  'INVALID_REQUEST',
  'MALFORMED',
  'IDEMPOTENCY_MISMATCH',
  'RECORD_TOO_LARGE',
  'TOO_LARGE',
]);

/** A refusal of this path; problem details where the head is too broken to say which path it is. */
const asStatus = ({ description, content }: ReturnType<typeof problem>) => ({
  description,
  content: {
    ...content,
    'application/json': {
      schema: Type.Object({ message: Type.String() }, { description: 'google.rpc.Status' }),
    },
    [PROTOBUF]: { schema: Type.String({ description: 'google.rpc.Status' }) },
  },
});

const POST_TRACES = {
  operationId: 'exportTraces',
  summary: 'OTLP/HTTP: spans of generative AI, and those with attestd.record = true, become records',
  headers: Headers,
  body: {
    content: {
      'application/json': {
        schema: Type.Object(
          { resourceSpans: Type.Optional(Type.Union([Type.Array(Type.Object({})), Type.Null()])) },
          { description: 'ExportTraceServiceRequest' },
        ),
      },
      [PROTOBUF]: { schema: Type.String({ description: 'ExportTraceServiceRequest' }) },
    },
  },
  response: {
    200: {
      description: 'recorded, but for what partialSuccess counts; in the media type of the request',
      content: {
        'application/json': {
          schema: Type.Object({
            partialSuccess: Type.Optional(
              Type.Object({ rejectedSpans: Type.String(), errorMessage: Type.String() }),
            ),
          }),
        },
        [PROTOBUF]: { schema: Type.String({ description: 'ExportTraceServiceResponse' }) },
      },
    },
    ...Object.fromEntries(Object.entries(BODY_REFUSALS).map(([code, r]) => [code, asStatus(r)])),
  },
};

export function addOtlp(app: FastifyInstance, input: OtlpInput): void {
  app.post(TRACES, { schema: POST_TRACES }, (request, reply) => take(input, request, reply));
}

async function take({ gate, limits, bodies }: OtlpInput, request: FastifyRequest, reply: FastifyReply) {
  const packed = request.headers['content-encoding']?.toLowerCase();
  if (request.rawBody === null) throw new AttestdError('MALFORMED', 'the request has no body');
  let body: Buffer = request.rawBody;
  if (packed !== undefined && packed !== 'identity') {
    const unpack = UNPACK.get(packed);
    if (unpack === undefined) {
      throw new AttestdError('UNSUPPORTED_MEDIA_TYPE', `the encoding ${packed} is neither gzip nor deflate`, {
        field: 'content-encoding',
      });
    }
    body = await unpack(body, { maxOutputLength: bodies.maxBytes * GROWTH }).catch(
      (cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ERR_BUFFER_TOO_LARGE')
          throw new AttestdError('TOO_LARGE', 'the body grows too large');
        throw new AttestdError('MALFORMED', `the body is no ${packed}`, { cause });
      },
    );
  }
  const isProtobuf = request.mediaType === PROTOBUF;
  const spans: ResourceSpans[] = isProtobuf ? readProtobuf(body) : readJson(body);
  const via = BRIDGE.test(request.headers['attestd-client'] as string) ? 'otlp-bridge' : 'otlp';
  const engine = await gate.enter();
  const digests = new Map<string, Promise<string>>();
  const { caller } = request;

  const record = async (t: Telling): Promise<string> => {
    if (t.fault !== undefined) throw t.fault;
    const parent = await (t.parent === undefined ? undefined : digests.get(t.parent))?.catch(() => undefined);
    const parents = parent === undefined ? {} : { parents: [{ rel: 'calledBy' as const, digest: parent }] };
    const whole = { ...t.request, ...parents };
    const fault = check(whole);
    if (fault !== undefined) throw fault;
    const { length } = t.span.original;
    limits.take(caller.uid, length);
    try {
      // The span is what was sent: exported again beside others, it is the record that it was.
      const idempotency = idempotencyOf(t.key, t.span.original);
      return await new Promise((resolve, reject) =>
        engine.recorder.record(caller, whole, 'durable', idempotency, (e, receipt) =>
          e === null ? resolve((JSON.parse(receipt) as { digest: string }).digest) : reject(e),
        ),
      );
    } finally {
      limits.give(caller.uid, length);
    }
  };
  const all = tellings(spans, via).map((t) => {
    const digest = record(t);
    digests.set(t.key, digest);
    return digest;
  });
  const refused: AttestdError[] = [];
  for (const done of await Promise.allSettled(all)) {
    if (done.status === 'fulfilled') continue;
    // Nobody's span is bad: the exporter is to try again, and what is recorded by then stays one record.
    if (!isAttestdError(done.reason) || ['RATE_LIMITED', 'OVERLOADED'].includes(done.reason.code))
      throw done.reason;
    if (!BAD.has(done.reason.code)) throw done.reason;
    refused.push(done.reason);
  }
  return isProtobuf
    ? reply.type(PROTOBUF).send(printPartial(refused))
    : reply.type('application/json').send(jsonPartial(refused));
}

const why = (refused: readonly AttestdError[]) => `${refused[0]?.message ?? ''}`.slice(0, 256);
const jsonPartial = (refused: readonly AttestdError[]): string =>
  JSON.stringify(
    refused.length === 0
      ? {}
      : { partialSuccess: { rejectedSpans: String(refused.length), errorMessage: why(refused) } },
  );

/** `ExportTraceServiceResponse` in protobuf; a message with nothing in it is empty. */
function printPartial(refused: readonly AttestdError[]): Buffer {
  if (refused.length === 0) return Buffer.alloc(0);
  const text = Buffer.from(why(refused));
  const inner = Buffer.concat([
    Buffer.from([0x08]),
    varint(refused.length),
    Buffer.from([0x12]),
    varint(text.length),
    text,
  ]);
  return Buffer.concat([Buffer.from([0x0a]), varint(inner.length), inner]);
}

function varint(n: number): Buffer {
  const out: number[] = [];
  for (; n > 0x7f; n = Math.floor(n / 128)) out.push((n % 128) | 0x80);
  return Buffer.from([...out, n]);
}
