/**
 * The quick lane: a single JSON record from a caller that is known, or a message for a key of its own to sign, is taken
 * without the general machinery of routes, hooks and replies while the daemon records and has room: they would cost more
 * than the record itself. Whatever is not exactly that takes the ordinary way through the application, so there is one
 * place for every refusal but those of the body. The same reader, schema, recorder and problem details serve both ways,
 * and tests run them side by side.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AttestdError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { RecordRequest } from '../evidence/schema/request.ts';
import { CLIENT } from './app.ts';
import type { Caller, Callers } from './caller.ts';
import type { BodyReader } from './deadline.ts';
import type { Engine } from './engineface.ts';
import type { Gate } from './gate.ts';
import { type GovernedRoute, governedRoute } from './govern/routes.ts';
import type { Limits } from './limits.ts';
import { compileRequest } from './parents.ts';
import { submitRecord } from './posting.ts';
import { asAttestdError, problemAnswer } from './problem.ts';
import { sendReceipt } from './receipt.ts';
import type { Wait } from './recorder.ts';
import type { SignBody } from './request.ts';
import { checkSign, signFor, signingKey } from './signing.ts';

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

interface LaneRoute extends GovernedRoute {
  /** Of what it answers; 201 when absent. */
  readonly status?: 200;
}

const LENGTH = /^[1-9][0-9]{0,6}$/;
const check = compileRequest(RecordRequest);
const records = (wait: Wait): LaneRoute => ({
  check,
  run: (engine, caller, body, done) =>
    submitRecord(engine, caller, body as RecordRequest, wait, undefined, done),
});
const RECORDS: ReadonlyMap<string, LaneRoute> = new Map([
  ['/v1/records', records('sealed')],
  ['/v1/records?wait=sealed', records('sealed')],
  ['/v1/records?wait=durable', records('durable')],
]);

const signature = (name: string, limits: Limits): LaneRoute => ({
  check: checkSign,
  status: 200,
  run(engine, caller, body, done) {
    signFor(engine, limits, caller, name, body as SignBody).then(
      (text) => done(null, text, false),
      (e: Error) => done(e, '', false),
    );
  },
});

/** The route of a POST to this URL. */
function routeOf(url: string, limits: Limits): LaneRoute | undefined {
  const fixed = RECORDS.get(url);
  if (fixed !== undefined) return fixed;
  const key = signingKey(url);
  return key === undefined ? governedRoute(url) : signature(key, limits);
}

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

  function serve(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    { check, run, status }: LaneRoute,
  ): void {
    bodies.read(request, (fault, bytes) => {
      try {
        if (fault !== null) throw fault;
        const body = parseJson(bytes);
        const wrong = check(body);
        if (wrong !== undefined) throw wrong;
        const go = (engine: Engine): void =>
          run(engine, caller, body, (e, receipt) => {
            if (e !== null) refuse(request, response, e);
            else sendReceipt(response, status ?? 201, receipt);
          });
        // It may have been shut while the body came, or everybody waits for a new run to be measured.
        const entered = gate.enter();
        if (entered instanceof Promise) entered.then(go).catch((e: unknown) => refuse(request, response, e));
        else go(entered);
      } catch (e) {
        refuse(request, response, e);
      }
    });
  }

  return (request, response) => {
    const url = request.url as string;
    const route = request.method === 'POST' ? routeOf(url, limits) : undefined;
    if (route === undefined || gate.engine === undefined || !isPlain(request))
      return ordinary(request, response);
    const caller = input.callers.of(request.socket);
    const size = Number(request.headers['content-length']);
    if (caller instanceof Promise || size > bodies.maxBytes || !limits.room(caller.uid, size)) {
      return ordinary(request, response);
    }
    limits.take(caller.uid, size);
    response.once('close', () => limits.give(caller.uid, size));
    serve(request, response, caller, route);
  };
}

/** Whether the headers ask for nothing but one JSON record. */
function isPlain({ headers }: IncomingMessage): boolean {
  return (
    headers['content-type'] === 'application/json' &&
    headers['idempotency-key'] === undefined &&
    headers['transfer-encoding'] === undefined &&
    headers['content-encoding'] === undefined &&
    headers.expect === undefined &&
    LENGTH.test(headers['content-length'] ?? '') &&
    CLIENT.test((headers['attestd-client'] as string | undefined) ?? '')
  );
}
