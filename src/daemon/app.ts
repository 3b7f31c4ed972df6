/**
 * The HTTP application before any route: who asks, what a body may be, and how every refusal looks. A request is
 * never rewritten: no coercion, no defaults, nothing dropped, and JSON with a name twice is refused, because what is
 * recorded must be what was sent (ecosystem: fastify's own defaults change bodies).
 */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { AttestdError, type ErrorCode } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import type { Caller, Callers } from './caller.ts';
import type { BodyReader } from './deadline.ts';
import type { Limits } from './limits.ts';
import { asAttestdError, send, sendProblem } from './problem.ts';
import { compileSchema } from './request.ts';
import { statusAnswer } from './rpcstatus.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is at the other end; set before any handler runs. */
    caller: Caller;
    /** The body's bytes as they came; null where none was read. */
    rawBody: Buffer | null;
  }
}

export interface AppInput {
  readonly callers: Callers;
  readonly limits: Limits;
  readonly bodies: BodyReader;
  /** A request was refused: counts. */
  readonly onRefusal: (code: ErrorCode) => void;
  /** An internal fault, for the journal. */
  readonly onFault: (e: unknown, request: string) => void;
}

/** `attestd-client: name/version`. A browser or URL fetcher that was tricked onto the socket cannot set it. */
export const CLIENT = /^[A-Za-z0-9._-]{1,64}\/[A-Za-z0-9._+-]{1,64}$/;
/** Where spans come in, and the media type that only they have. */
export const TRACES = '/v1/otlp/v1/traces';
export const PROTOBUF = 'application/x-protobuf';
const CHARSET = /;\s*charset\s*=\s*"?([^";]*)/i;
/** Paths that exist, with the methods they take. */
const PATHS: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/otlp\/v1\/traces$/, 'POST'],
  [/^\/v1\/(?:grants|executions|approvals|imports)$/, 'POST'],
  [/^\/v1\/records$/, 'GET, POST'],
  [/^\/v1\/executions\/[^/]+\/complete$/, 'POST'],
  [/^\/v1\/grants\/[^/]+$/, 'GET, DELETE'],
  [/^\/v1\/records\/[^/]+\/forget$/, 'POST'],
  [/^\/v1\/(?:quotes|measurements|retention)$/, 'POST'],
  [/^\/v1\/keys$/, 'GET, POST'],
  [/^\/v1\/keys\/[^/]+\/(?:sign|withdraw)$/, 'POST'],
  [/^\/v1\/keys\/[^/]+\/request$/, 'GET'],
  [/^\/v1\/records\/[^/]+(?:\/(?:bundle|envelope|provenance|cose))?$/, 'GET'],
  [/^\/v1\/attachments\/[^/]+$/, 'GET'],
  [/^\/v1\/log\/[^/]+\/(?:checkpoint|seals|tile\/.+|remains\/[^/]+)$/, 'GET'],
  [/^\/(?:v1\/status|v1\/health|metrics)$/, 'GET'],
];

/** Makes the application; routes are added by others. */
export function createApp(input: AppInput): FastifyInstance {
  const { callers, limits, bodies } = input;
  let requests = 0;
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    genReqId: () => `r${(++requests).toString(36)}`,
    frameworkErrors: (e, request, reply) => {
      void refuse(e, request as FastifyRequest, reply as FastifyReply);
    },
  });

  function refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const e = asAttestdError(thrown);
    if (e.code === 'INTERNAL') input.onFault(thrown, request.id);
    input.onRefusal(e.code);
    // What is left of a body is not read to its end.
    if (e.code === 'TOO_LARGE' || !request.raw.complete) reply.header('connection', 'close');
    if (request.url.split('?', 1)[0] !== TRACES) return sendProblem(reply, e, request.id);
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
    return send(reply, statusAnswer(e, type === PROTOBUF ? PROTOBUF : 'application/json'));
  }
  app.setErrorHandler((e, request, reply) => refuse(e, request, reply));
  function notFound(request: FastifyRequest, reply: FastifyReply): AttestdError {
    const path = request.url.split('?', 1)[0] as string;
    const known = PATHS.find(([form]) => form.test(path));
    if (known === undefined) return new AttestdError('NOT_FOUND', 'there is no such path');
    reply.header('allow', known[1]);
    return new AttestdError('METHOD_NOT_ALLOWED', `this path takes ${known[1]} only`);
  }
  app.setNotFoundHandler((request, reply) => refuse(notFound(request, reply), request, reply));
  app.setValidatorCompiler<TSchema>(({ schema, httpPart }) => {
    // Bodies are checked by their handlers, lines of a stream and single ones alike; headers by the hook below.
    if (httpPart === 'body' || httpPart === 'headers') return () => true;
    const check = compileSchema(schema);
    return (value) => {
      const fault = check(value);
      return fault === undefined ? { value } : { error: fault };
    };
  });
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));

  app.decorateRequest('caller', null as unknown as Caller);
  app.decorateRequest('rawBody', null);
  app.addHook('onRequest', (request, reply, done) => {
    const client = request.headers['attestd-client'];
    if (typeof client !== 'string' || !CLIENT.test(client)) {
      done(
        new AttestdError('CLIENT_HEADER_MISSING', 'send attestd-client: name/version', {
          field: 'attestd-client',
        }),
      );
      return;
    }
    // Before anything is taken or read for it.
    if (request.is404) {
      done(notFound(request, reply));
      return;
    }
    const ready = (caller: Caller): void => {
      request.caller = caller;
      try {
        if (request.method === 'POST') share(request, reply, caller.uid);
        done();
      } catch (e) {
        done(e as Error);
      }
    };
    try {
      const caller = callers.of(request.raw.socket);
      if (caller instanceof Promise) caller.then(ready, done);
      else ready(caller);
    } catch (e) {
      done(e as Error);
    }
  });

  /** Takes what a body may cost before a byte of it is kept, and gives it back when the answer is out. */
  function share(request: FastifyRequest, reply: FastifyReply, uid: number): void {
    if (request.headers['content-type']?.startsWith('application/x-ndjson') === true) return;
    // It went away while the kernel was asked who it is: nothing would ever give its share back.
    if (reply.raw.destroyed) throw new AttestdError('MALFORMED', 'the caller went away');
    const announced = Number(request.headers['content-length'] ?? bodies.maxBytes);
    const bytes = Math.min(announced, bodies.maxBytes);
    limits.take(uid, bytes);
    reply.raw.once('close', () => limits.give(uid, bytes));
  }

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(['application/json', PROTOBUF], (request, _payload, done) => {
    const packed = request.routeOptions.url === TRACES;
    const other = otherEncoding(request, packed);
    if (other !== undefined) {
      done(other);
      return;
    }
    if (request.mediaType === PROTOBUF && !packed) {
      done(new AttestdError('UNSUPPORTED_MEDIA_TYPE', 'protobuf is for spans alone'));
      return;
    }
    bodies.read(request.raw, (e, body) => {
      if (e !== null) {
        done(e);
        return;
      }
      try {
        request.rawBody = body;
        // Spans may be gzip or protobuf: their handler reads them.
        if (packed) {
          done(null, undefined);
          return;
        }
        done(null, parseJson(body));
      } catch (cause) {
        done(cause as Error);
      }
    });
  });
  // A stream is read line by line by its handler.
  app.addContentTypeParser('application/x-ndjson', (request, _payload, done) =>
    done(otherEncoding(request, false) ?? null, undefined),
  );
  return app;
}

/** A body that says of itself that it is packed, or not UTF-8: nothing here reads it as if it were neither. */
function otherEncoding({ headers }: FastifyRequest, packed: boolean): AttestdError | undefined {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity' && !packed)
    return new AttestdError('UNSUPPORTED_MEDIA_TYPE', 'a body is taken as it is, without content-encoding', {
      field: 'content-encoding',
    });
  const charset = CHARSET.exec(headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8')
    return new AttestdError('UNSUPPORTED_MEDIA_TYPE', 'JSON is UTF-8, and this says that it is not', {
      field: 'content-type',
    });
  return undefined;
}
