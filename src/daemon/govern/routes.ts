/**
 * The routes of governed execution. The three of a flow come in by the quick lane as well, which takes requests past the
 * machinery of routes; whatever is not plainly one of them comes through here. Where there is no engine, a refusal is
 * kept in the journal of late decisions.
 */
import type { FastifyInstance } from 'fastify';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { formatTime } from '../../core/time.ts';
import type { ObservedCaller } from '../../evidence/schema/execution.ts';
import type { DenialCode, DenialPredicate } from '../../evidence/schema/governance.ts';
import {
  ApprovalRequest,
  CompletionRequest,
  ExecutionRequest,
  GrantRequest,
} from '../../evidence/schema/governed.ts';
import type { Caller } from '../caller.ts';
import type { Engine } from '../engineface.ts';
import type { Gate } from '../gate.ts';
import { badKey, type Idempotency, idempotencyKey, idempotencyOf } from '../idempotency.ts';
import { compileRequest } from '../parents.ts';
import { asAttestdError } from '../problem.ts';
import type { Recorded, Wait } from '../recorder.ts';
import { compileSchema, type RecordQuery } from '../request.ts';
import { askOf } from './house.ts';
import type { LateJournal } from './late.ts';
import {
  DELETE_GRANT,
  GET_GRANT,
  POST_APPROVALS,
  POST_COMPLETION,
  POST_EXECUTIONS,
  POST_GRANTS,
} from './paths.ts';
import { sentence } from './refusal.ts';

/** A way to answer one kind of POST. */
export interface GovernedRoute {
  readonly check: (body: unknown) => AttestdError | undefined;
  /** May throw; else `done` is called once. */
  readonly run: (
    engine: Engine,
    caller: Caller,
    body: unknown,
    done: Recorded,
    idempotency?: Idempotency,
  ) => void;
  /** The attempt that it ends, where a request may be sent again under its Idempotency-Key. */
  readonly ends?: string;
}

const checks = {
  grant: compileRequest(GrantRequest),
  execution: compileRequest(ExecutionRequest),
  completion: compileRequest(CompletionRequest),
  approval: compileSchema(ApprovalRequest),
};

const grants = (wait: Wait): GovernedRoute => ({
  check: checks.grant,
  run: (engine, caller, body, done) => engine.governor.ask(caller, body as GrantRequest, wait, done),
});
const executions = (wait: Wait): GovernedRoute => ({
  check: checks.execution,
  run: (engine, caller, body, done) => engine.governor.begin(caller, body as ExecutionRequest, wait, done),
});
const completions = (id: string, wait: Wait): GovernedRoute => ({
  check: checks.completion,
  ends: id,
  run: (engine, caller, body, done, idempotency) =>
    engine.governor.complete(caller, id, body as CompletionRequest, wait, idempotency, done),
});
const approvals = (wait: Wait): GovernedRoute => ({
  check: checks.approval,
  run: (engine, caller, body, done) => engine.governor.approve(caller, body as ApprovalRequest, wait, done),
});

const FIXED: ReadonlyMap<string, GovernedRoute> = new Map(
  (
    [
      ['', 'sealed'],
      ['?wait=sealed', 'sealed'],
      ['?wait=durable', 'durable'],
    ] as const
  ).flatMap(([query, wait]) => [
    [`/v1/grants${query}`, grants(wait)] as const,
    [`/v1/executions${query}`, executions(wait)] as const,
  ]),
);
const COMPLETE = /^\/v1\/executions\/([0-7][0-9A-HJKMNP-TV-Z]{25})\/complete(?:\?wait=(durable|sealed))?$/;

/** The route of a POST to this URL, where the quick lane may take it. */
export function governedRoute(url: string): GovernedRoute | undefined {
  const fixed = FIXED.get(url);
  if (fixed !== undefined || !url.startsWith('/v1/executions/')) return fixed;
  const m = COMPLETE.exec(url);
  return m === null ? undefined : completions(m[1] as string, m[2] === 'durable' ? 'durable' : 'sealed');
}

export interface GovernedInput {
  readonly gate: Gate;
  readonly late: LateJournal;
  readonly now: () => number;
}

/** Codes for which the host can decide nothing, and what they are called in a denial. */
const CLOSED: Readonly<Record<string, DenialCode>> = {
  TPM_UNAVAILABLE: 'TPM_UNAVAILABLE',
  TPM_KEY_LOST: 'TPM_UNAVAILABLE',
  AUDIT_CONTINUITY_LOST: 'AUDIT_CONTINUITY_LOST',
  STORE_CORRUPT: 'AUDIT_CONTINUITY_LOST',
  STORAGE_UNAVAILABLE: 'STORAGE_UNAVAILABLE',
};

export function addGoverned(app: FastifyInstance, { gate, late, now }: GovernedInput): void {
  /** The engine; without one, the refusal is kept. */
  async function enter(
    caller: Caller,
    what: DenialPredicate['requested']['what'],
    body: unknown,
  ): Promise<Engine> {
    try {
      return await gate.enter();
    } catch (e) {
      const code = isAttestdError(e) ? CLOSED[e.code] : undefined;
      if (code === undefined) throw e;
      const condition = sentence((e as Error).message);
      const request = (body ?? {}) as Partial<GrantRequest & ExecutionRequest>;
      const { action, claimed, parents, trace } = request;
      const ask =
        what === 'grant' ? askOf(body as GrantRequest, caller.observed as ObservedCaller) : undefined;
      const at = now();
      const observed = caller.observed as ObservedCaller;
      late.keep({
        at,
        uid: caller.uid,
        body: {
          caller: { observed, ...(claimed === undefined ? {} : { claimed }) },
          requested: {
            what: ask !== undefined && request.delegatedFrom !== undefined ? 'delegation' : what,
            ...(ask === undefined ? {} : { ask }),
            ...(action === undefined ? {} : { action }),
          },
          ...(parents === undefined ? {} : { parents }),
          ...(trace === undefined ? {} : { trace }),
          reason: code,
          condition,
          late: { decided: formatTime(at) },
        },
      });
      throw new AttestdError(code, condition, { retryAfter: 1, cause: e });
    }
  }
  const post = (
    path: string,
    schema: object,
    what: DenialPredicate['requested']['what'],
    route: (wait: Wait, id: string) => GovernedRoute,
  ) => {
    app.post(path, { schema }, async (request, reply) => {
      const wait: Wait = (request.query as RecordQuery).wait === 'durable' ? 'durable' : 'sealed';
      const { check, run, ends } = route(wait, (request.params as { id?: string }).id ?? '');
      const key = idempotencyKey(request.headers['idempotency-key']);
      if (key !== undefined && ends === undefined) throw badKey('is not taken here');
      const fault = check(request.body);
      if (fault !== undefined) throw fault;
      const engine = await enter(request.caller, what, request.body);
      const idempotency =
        key === undefined ? undefined : idempotencyOf(key, request.rawBody as Uint8Array, ends);
      const [code, receipt] = await new Promise<[number, string]>((resolve, reject) => {
        const done: Recorded = (e, text, replayed) =>
          e === null ? resolve([replayed ? 200 : 201, text]) : reject(asAttestdError(e));
        run(engine, request.caller, request.body, done, idempotency);
      });
      return reply.code(code).header('content-type', 'application/json; charset=utf-8').send(receipt);
    });
  };
  post('/v1/grants', POST_GRANTS, 'grant', grants);
  post('/v1/executions', POST_EXECUTIONS, 'execution', executions);
  post('/v1/executions/:id/complete', POST_COMPLETION, 'completion', (wait, id) => completions(id, wait));
  post('/v1/approvals', POST_APPROVALS, 'approval', approvals);

  app.get('/v1/grants/:id', { schema: GET_GRANT }, async (request, reply) => {
    const engine = await gate.enter();
    const answer = engine.governor.show(request.caller, (request.params as { id: string }).id);
    return reply.header('content-type', 'application/json').send(JSON.stringify(answer));
  });
  app.delete('/v1/grants/:id', { schema: DELETE_GRANT }, async (request, reply) => {
    const engine = await enter(request.caller, 'revocation', undefined);
    const { id } = request.params as { id: string };
    const { wait, reason } = request.query as RecordQuery & { reason?: string };
    const receipt = await new Promise<string>((resolve, reject) => {
      engine.governor.revoke(
        request.caller,
        id,
        reason,
        wait === 'durable' ? 'durable' : 'sealed',
        (e, text) => (e === null ? resolve(text) : reject(e)),
      );
    });
    return reply.header('content-type', 'application/json; charset=utf-8').send(receipt);
  });
}
