/**
 * A refusal as the OTLP/HTTP specification has it: a google.rpc.Status in the media type of the request, with the HTTP
 * status and Retry-After that every other path gives. Its code is left out, as the specification allows: clients go by HTTP.
 */
import type { AttestdError } from '../core/errors.ts';
import { problemAnswer } from './problem.ts';

/** The message: what is wrong, where, and the code by which the table of errors knows it. */
const messageOf = (e: AttestdError): string =>
  `${e.message.slice(0, 1024)}${e.facts.field === undefined ? '' : ` at ${e.facts.field}`} [${e.code}]`;

/** Status, header pairs and body. @param mediaType protobuf, or JSON for whatever else was sent */
export function statusAnswer(e: AttestdError, mediaType: 'application/x-protobuf' | 'application/json') {
  const { status, headers: problem } = problemAnswer(e);
  const text = messageOf(e);
  const body =
    mediaType === 'application/json' ? Buffer.from(JSON.stringify({ message: text })) : printStatus(text);
  const wait = problem.indexOf('retry-after');
  const headers = ['content-type', mediaType, 'content-length', String(body.length)];
  if (wait >= 0) headers.push('retry-after', problem[wait + 1] as string);
  return { status, headers, body };
}

/** `message` is field 2 of google.rpc.Status. */
function printStatus(message: string): Buffer {
  const text = Buffer.from(message);
  const length = text.length < 0x80 ? [text.length] : [(text.length & 0x7f) | 0x80, text.length >> 7];
  return Buffer.concat([Buffer.from([0x12, ...length]), text]);
}
