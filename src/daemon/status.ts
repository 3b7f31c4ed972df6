/**
 * What the daemon says about itself: status for people and tools, health as four separate answers, and the sentence
 * that systemctl shows. None of it waits for the TPM.
 */
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { toHex } from '../core/bytes.ts';
import type { ErrorCode } from '../core/errors.ts';
import { formatTime } from '../core/time.ts';
import { parseCertificate } from '../evidence/x509/certificate.ts';
import type { Store } from '../store/store.ts';
import type { Binding } from '../tpm/approved.ts';
import type { Tpm } from '../tpm/tpm.ts';
import type { Certificates } from './certificate.ts';
import type { Gate } from './gate.ts';
import type { Limits } from './limits.ts';
import { Headers, json, REFUSALS } from './openapi.ts';
import { VERSION } from './version.ts';

const REFUSED = { 400: REFUSALS[400], 403: REFUSALS[403] };
const Open = Type.Object({}, { additionalProperties: true });
const GET_STATUS = {
  operationId: 'getStatus',
  summary: 'What the daemon is doing',
  headers: Headers,
  response: { 200: json('status', Open), ...REFUSED },
};
const GET_HEALTH = {
  operationId: 'getHealth',
  summary: 'Alive, can record, can seal, can be trusted: each by itself',
  headers: Headers,
  response: {
    200: json(
      'health',
      Type.Object({
        alive: Type.Literal(true),
        canRecord: Type.Boolean(),
        canSeal: Type.Boolean(),
        canBeTrusted: Type.Boolean(),
        expires: Type.Optional(Type.Integer({ description: 'ms since 1970' })),
        reasons: Type.Array(Type.String()),
      }),
    ),
    ...REFUSED,
  },
};

export interface StatusInput {
  readonly gate: Gate;
  readonly limits: Limits;
  readonly certificates: Certificates;
  readonly store: () => Store | undefined;
  readonly tpm: () => Tpm | undefined;
  readonly refusals: ReadonlyMap<ErrorCode, number>;
  readonly assurance: 'tpm' | 'software';
  /** An entry that waits longer for its seal than so many milliseconds waits too long. */
  readonly maxUnsealedMs: number;
}

export interface Health {
  readonly alive: true;
  /** A record sent now becomes durable. */
  readonly canRecord: boolean;
  /** And is sealed soon. */
  readonly canSeal: boolean;
  /** And an auditor can verify it: the counter rule passed and the host has a certificate that is valid now. */
  readonly canBeTrusted: boolean;
  /** When the first certificate of the chain expires, milliseconds since 1970. */
  readonly expires?: number;
  /** What is missing, as sentences. */
  readonly reasons: readonly string[];
}

export function healthOf(input: StatusInput, now: number): Health {
  const { gate, certificates, store, tpm } = input;
  const reasons: string[] = [];
  const engine = gate.engine;
  const log = store();
  if (engine === undefined)
    reasons.push(`${gate.phase}: ${gate.reason?.message ?? 'the first start is under way'}`);
  const broken = log?.failed ?? log?.full;
  if (broken !== undefined) reasons.push(`log: ${broken.message}`);
  if (log?.unindexed === true)
    reasons.push('index: it is not written any more, for a commit failed; the next start makes up for it');
  const canRecord = engine !== undefined && broken === undefined;
  const hung = tpm()?.hung === true;
  if (hung) reasons.push('TPM: a command hangs');
  const trouble = engine?.trouble();
  if (trouble !== undefined) reasons.push(`seal: ${trouble.message}`);
  const unapproved = engine?.identity.recordKey.bound?.last?.why;
  if (unapproved !== undefined) reasons.push(`record key: ${unapproved}`);
  const overdue = (engine?.sealer.unsealedMs() ?? 0) > input.maxUnsealedMs;
  if (overdue) reasons.push('seal: an entry has waited too long for its seal');
  const canSeal = canRecord && !hung && trouble === undefined && !overdue;
  let valid = false;
  let expires: number | undefined;
  try {
    const chain = certificates.read().chain.map(parseCertificate);
    expires = Math.min(...chain.map((c) => c.notAfter));
    if (now > expires) reasons.push('certificate: it has expired');
    else if (chain.some((c) => now < c.notBefore)) reasons.push('certificate: it is not valid yet');
    else valid = true;
  } catch (e) {
    reasons.push(`certificate: ${(e as Error).message}`);
  }
  return {
    alive: true,
    canRecord,
    canSeal,
    canBeTrusted: canSeal && valid,
    ...(expires === undefined ? {} : { expires }),
    reasons,
  };
}

/** Whether the record key is bound to approved states, and how its last use went; null where nothing runs. */
function recordKeyState(bound: Binding | undefined) {
  if (bound === undefined) return { bound: false };
  const { policy, last } = bound;
  return {
    bound: true,
    policy: toHex(policy),
    approved: last?.approved ?? null,
    ...(last?.why === undefined ? {} : { why: last.why }),
  };
}

export function statusOf(input: StatusInput, now: number): Record<string, unknown> {
  const { gate, limits, store, tpm, refusals } = input;
  const log = store();
  const seal = log?.lastSeal();
  const clock = tpm()?.clock;
  const run = gate.engine?.run();
  return {
    schema: 'attestd.dev/status/v1',
    version: VERSION,
    phase: gate.phase,
    ...(gate.reason === undefined ? {} : { reason: { code: gate.reason.code, detail: gate.reason.message } }),
    assurance: input.assurance,
    log: log?.origin ?? null,
    entries: log?.size ?? null,
    sealed:
      seal === undefined
        ? null
        : {
            entries: seal.size,
            seq: seal.seq,
            time: formatTime(seal.timeMs),
            ageMs: Math.max(0, now - seal.timeMs),
          },
    run: run === undefined ? null : { boot: run.boot, index: run.bootIndex },
    vkeys: gate.engine?.published.vkeys ?? [],
    recordKey: gate.engine === undefined ? null : recordKeyState(gate.engine.identity.recordKey.bound),
    counter: gate.engine?.anchors?.last.counter.toString() ?? null,
    tpm:
      clock === undefined || clock === null
        ? null
        : { resetCount: clock.resetCount, restartCount: clock.restartCount, safe: clock.safe },
    queue: {
      records: limits.inFlight,
      bytes: limits.bytes,
      waitingForSeal: gate.engine?.sealer.waiting ?? 0,
    },
    refused: Object.fromEntries(refusals),
    health: healthOf(input, now),
  };
}

/** One sentence for STATUS=. */
export function sentenceOf({ gate, store }: StatusInput, now: number): string {
  if (gate.engine === undefined) {
    if (gate.reason?.code === 'NOT_INITIALISED') return `waiting for attestctl init: ${gate.reason.message}`;
    return `${gate.phase}: ${gate.reason?.message ?? 'opening the log and the TPM'}`.slice(0, 200);
  }
  const log = store();
  const seal = log?.lastSeal();
  const age =
    seal === undefined
      ? 'no seal yet'
      : `last seal ${Math.max(0, Math.round((now - seal.timeMs) / 1000))} s ago`;
  return `${log?.size ?? 0} entries, ${age}`;
}

export function addStatus(app: FastifyInstance, input: StatusInput, wall: () => number): void {
  app.get('/v1/status', { schema: GET_STATUS }, (_request, reply) => {
    void reply.header('content-type', 'application/json').send(JSON.stringify(statusOf(input, wall())));
  });
  app.get('/v1/health', { schema: GET_HEALTH }, (_request, reply) => {
    void reply.header('content-type', 'application/json').send(JSON.stringify(healthOf(input, wall())));
  });
}
