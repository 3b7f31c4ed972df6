/**
 * The quick lane: a single JSON record from a caller that is known, while the daemon records and has room, is taken
 * without the general machinery of routes, hooks and replies, which costs more than the record itself. Whatever is
 * not exactly that takes the ordinary way through the application, so there is one place for every refusal but those
 * of the body. The same reader, schema, recorder and problem details serve both ways, and tests run them side by side.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AttestdError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { RecordRequest } from '../evidence/schema/request.ts';
import { CLIENT } from './app.ts';
import type { Caller, Callers } from './caller.ts';
import type { BodyReader } from './deadline.ts';
import type { Engine } from './engine.ts';
import type { Gate } from './gate.ts';
import type { Limits } from './limits.ts';
import { asAttestdError, problemAnswer } from './problem.ts';
import type { Wait } from './recorder.ts';
import { compileSchema } from './request.ts';

export interface LaneInput {
  /** The application, for everything else. */
  readonly ordinary: RequestListener;
  readonly callers: Callers;
  readonly gate: Gate;
  readonly limits: Limits;
  readonly bodies: BodyReader;
  readonly onRefusal: (code: AttestdError['code']) => void;
  readonly onFault: (e: unknown, instance: string) => void;
}

const WAITS: ReadonlyMap<string, Wait> = new Map([
  ['/v1/records', 'sealed'],
  ['/v1/records?wait=sealed', 'sealed'],
  ['/v1/records?wait=durable', 'durable'],
]);
const LENGTH = /^[1-9][0-9]{0,6}$/;
const check = compileSchema(RecordRequest);

/** Wraps the application's listener. */
export function createLane(input: LaneInput): RequestListener {
  const { ordinary, gate, limits, bodies } = input;
  let requests = 0;

  function refuse(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
    const e = asAttestdError(thrown);
    const instance = `q${(++requests).toString(36)}`;
    if (e.code === 'INTERNAL') input.onFault(thrown, instance);
    input.onRefusal(e.code);
    const { status, headers, body } = problemAnswer(e, instance);
    // What is left of a body is not read to its end.
    if (!request.complete) headers.push('connection', 'close');
    response.writeHead(status, headers);
    response.end(body);
  }

  function serve(request: IncomingMessage, response: ServerResponse, caller: Caller, wait: Wait): void {
    bodies.read(request, (fault, bytes) => {
      try {
        if (fault !== null) throw fault;
        const body = parseJson(bytes);
        const wrong = check(body);
        if (wrong !== undefined) throw wrong;
        // It may have been shut while the body came.
        const engine = gate.engine ?? (gate.enter() as Engine);
        engine.recorder.record(caller, body as RecordRequest, wait, undefined, (e, receipt) => {
          if (e !== null) refuse(request, response, e);
          else sendReceipt(response, 201, receipt);
        });
      } catch (e) {
        refuse(request, response, e);
      }
    });
  }

  return (request, response) => {
    const wait = request.method === 'POST' ? WAITS.get(request.url as string) : undefined;
    if (wait === undefined || gate.engine === undefined || !isPlain(request))
      return ordinary(request, response);
    const caller = input.callers.of(request.socket);
    const size = Number(request.headers['content-length']);
    if (caller instanceof Promise || size > bodies.maxBytes || !limits.room(caller.uid, size)) {
      return ordinary(request, response);
    }
    limits.take(caller.uid, size);
    response.once('close', () => limits.give(caller.uid, size));
    serve(request, response, caller, wait);
  };
}

/** Whether the headers ask for nothing but one JSON record. */
function isPlain({ headers }: IncomingMessage): boolean {
  return (
    headers['content-type'] === 'application/json' &&
    headers['idempotency-key'] === undefined &&
    headers['transfer-encoding'] === undefined &&
    headers.expect === undefined &&
    LENGTH.test(headers['content-length'] ?? '') &&
    CLIENT.test((headers['attestd-client'] as string | undefined) ?? '')
  );
}

/** One receipt, in one write. */
export function sendReceipt(response: ServerResponse, status: number, receipt: string): void {
  response.writeHead(status, [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(receipt)),
  ]);
  response.end(receipt);
}
