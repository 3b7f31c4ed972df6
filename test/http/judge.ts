/** What is wrong with how the daemon met a request: the document, the table of errors and the log have to agree with it. */
import { ERRORS, type ErrorCode } from '../../src/core/errors.ts';
import { isProblem } from './document.ts';
import type { Answer, Conversation } from './exchange.ts';
import type { Shot } from './request.ts';

/** Codes of a daemon that is well and has room: none of those by which it says that it is not. */
const SAYS_UNWELL = /^(?:INTERNAL|TPM_|STOR|AUDIT_|NOT_INITIALISED|OVERLOADED|SHUTTING_DOWN|CONFIG_|NATIVE_)/;

export interface Refusal {
  readonly code: string;
  readonly denied: boolean;
}

/** The refusal in an answer, or what is wrong with it. */
function refusalOf({ status, headers, body }: Answer): Refusal | string {
  // OTLP/HTTP has refusals of its own: a google.rpc.Status, as JSON or protobuf, whose message ends with the code.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is the tag of the field
  const [, named] = /^(?:\{"message":"|\u0012).*\[([A-Z_]+)\](?:"\})?$/s.exec(body.toString()) ?? [];
  if (named !== undefined && Object.hasOwn(ERRORS, named) && ERRORS[named as ErrorCode].status === status)
    return SAYS_UNWELL.test(named) ? `the daemon says ${named}` : { code: named, denied: false };
  if (headers.get('content-type') !== 'application/problem+json') return `${status} without problem details`;
  let value: { type?: unknown; status?: unknown; title?: unknown; denial?: unknown };
  try {
    value = JSON.parse(body.toString());
  } catch {
    return `problem details that are not JSON: ${body}`;
  }
  if (!isProblem(value)) return `problem details off their schema: ${body}`;
  const code = String(value.type).replace('urn:attestd:error:', '');
  if (!Object.hasOwn(ERRORS, code)) return `the code ${code} is in no table`;
  const row = ERRORS[code as ErrorCode];
  if (row.status !== status || value.status !== status) return `${code} with status ${status}`;
  if (row.title !== value.title) return `${code} with another title: ${value.title}`;
  if (SAYS_UNWELL.test(code)) return `the daemon says ${code}: ${body}`;
  return { code, denied: value.denial !== undefined };
}

/** Whether a stream was answered, and each line of it refused. */
function refusesLines({ headers, body }: Answer): boolean {
  if (headers.get('content-type') !== 'application/x-ndjson') return false;
  const lines = body.toString().trimEnd().split('\n');
  return lines.every((line) => line === '' || (JSON.parse(line) as { error?: unknown }).error !== undefined);
}

/** Every complaint about what came of one request. @param grown entries that the log has more than before */
export function complaints(shot: Shot, { answers, ended, rest }: Conversation, grown: number): string[] {
  const [first, second, ...more] = answers;
  const found: string[] = [];
  const complain = (text: string | undefined) => text !== undefined && found.push(text);
  if (ended === 'silent') complain('the daemon neither answers nor closes');
  if (rest.length > 0 && !shot.end)
    complain(`something that is no answer: ${rest.toString('latin1', 0, 200)}`);
  if (more.length > 0) complain(`${answers.length} answers to 2 requests`);
  if (second !== undefined && (second.status !== 200 || !second.body.includes('"alive":true')))
    complain(`the next request on the connection was answered ${second.status}: ${second.body}`);
  if (first === undefined) {
    if (grown > 0 && shot.expect === 'refuse') complain(`closed without an answer, and ${grown} recorded`);
    if (!shot.end) complain('closed without an answer');
    return found;
  }
  if (shot.expect === 'refuse' && first.status < 400 && !refusesLines(first))
    complain(`taken: ${first.status} ${first.body}`);
  const allowed = first.headers.get('allow')?.split(', ').sort().join(', ');
  if (shot.allow !== undefined && allowed !== shot.allow)
    complain(`${first.status}: not ${shot.allow} but ${allowed} is allowed`);
  if (shot.head) {
    if (grown > 0) complain('HEAD recorded something');
    return found;
  }
  if (shot.operation !== undefined) {
    const media = first.headers.get('content-type') ?? '';
    complain(shot.operation.complaint(first.status, media, first.body));
  }
  if (refusesLines(first) && grown > 0) complain(`every line refused, and ${grown} recorded`);
  if (first.status >= 400) {
    const refusal = refusalOf(first);
    if (typeof refusal === 'string') complain(refusal);
    else if (grown > 0 && (!refusal.denied || shot.expect === 'refuse'))
      complain(`refused with ${refusal.code}, and ${grown} recorded`);
  }
  return found;
}
