/**
 * From whatever was thrown to RFC 9457 problem details. One table (core/errors) knows code, status and sentence;
 * this file knows how fastify and the native layers name their faults.
 */
import type { FastifyReply } from 'fastify';
import { AttestdError, ERRORS, isAttestdError } from '../core/errors.ts';
import { toProblem } from '../core/problem.ts';

/** Our error for anything that a handler, a parser or fastify itself threw. */
export function asAttestdError(e: unknown): AttestdError {
  if (isAttestdError(e)) return e;
  const x = e as { code?: unknown; statusCode?: number; message?: string };
  switch (x.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new AttestdError('TOO_LARGE', 'the body is larger than allowed');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new AttestdError('UNSUPPORTED_MEDIA_TYPE', 'the content type is neither JSON nor NDJSON');
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return new AttestdError('MALFORMED', 'the body is not what its headers say');
    case 'FST_ERR_BAD_URL':
      return new AttestdError('MALFORMED', 'the path is malformed');
    default:
      break;
  }
  // The native layers and node:fs throw plain errors that carry one of our codes.
  if (typeof x.code === 'string' && Object.hasOwn(ERRORS, x.code)) {
    return new AttestdError(x.code as keyof typeof ERRORS, x.message ?? '', { cause: e });
  }
  if (x.statusCode !== undefined && x.statusCode >= 400 && x.statusCode < 500) {
    return new AttestdError('MALFORMED', 'the request is malformed', { cause: e });
  }
  return new AttestdError('INTERNAL', 'the request could not be served', { cause: e });
}

/** Seconds for Retry-After, where trying again makes sense. */
export function retryAfter(e: AttestdError): number | undefined {
  if (e.facts.retryAfter !== undefined) return e.facts.retryAfter;
  const status = ERRORS[e.code].status;
  return status === 503 || status === 429 ? 1 : undefined;
}

/** A refusal as status, header pairs and body. */
export function problemAnswer(
  e: AttestdError,
  instance?: string,
): { readonly status: number; readonly headers: string[]; readonly body: Buffer } {
  const wait = retryAfter(e);
  const body = Buffer.from(JSON.stringify(toProblem(e, instance)));
  const headers = ['content-type', 'application/problem+json', 'content-length', String(body.length)];
  if (wait !== undefined) headers.push('retry-after', String(wait));
  return { status: ERRORS[e.code].status, headers, body };
}

/** Answers with problem+json. */
export function sendProblem(reply: FastifyReply, e: AttestdError, instance?: string): FastifyReply {
  return send(reply, problemAnswer(e, instance));
}

/** Answers with what a refusal came to. */
export function send(
  reply: FastifyReply,
  { status, headers, body }: ReturnType<typeof problemAnswer>,
): FastifyReply {
  for (let i = 0; i < headers.length; i += 2) reply.header(headers[i] as string, headers[i + 1]);
  return reply.code(status).send(body);
}
