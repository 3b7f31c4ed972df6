/**
 * POST /v1/imports: a record that somebody else made enters this log. The daemon checks it itself, with keys that the
 * caller pins, and writes what the record proves by its own means and no more. One that was sealed again is refused where
 * anything recorded contradicts it: its receipt, the hash that the caller expects, the record of this log that it links
 * to, or an earlier import of the same execution by the same caller.
 */
import type { FastifyInstance } from 'fastify';
import { toBase64, toBase64Url, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { disclosureDigest, makeDisclosure, SALT_BYTES } from '../evidence/disclosure.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { printCer } from '../evidence/export/cer.ts';
import { type CerFacts, judgeCer } from '../evidence/import/judge.ts';
import type { ObservedCaller } from '../evidence/schema/execution.ts';
import { ImportRequest } from '../evidence/schema/import.ts';
import { IMPORTED } from '../evidence/statement.ts';
import type { Store } from '../store/store.ts';
import { disclosuresOf } from './bundle.ts';
import type { Caller } from './caller.ts';
import type { Engine } from './engineface.ts';
import type { Gate } from './gate.ts';
import { type Idempotency, idempotencyOf } from './idempotency.ts';
import { BODY_REFUSALS, Headers, json, problem } from './openapi.ts';
import { Receipt } from './openreceipt.ts';
import type { Wait } from './recorder.ts';
import { compileSchema, RecordQuery } from './request.ts';

export interface ImportingInput {
  readonly gate: Gate;
  /** The open log; the gate is passed before it is asked for. */
  readonly store: () => Store;
  readonly random: (n: number) => Uint8Array;
}

const POST_IMPORTS = {
  operationId: 'importRecord',
  summary: 'Take a record of another system into the log, with what it proves by itself',
  headers: Headers,
  querystring: RecordQuery,
  body: { content: { 'application/json': { schema: ImportRequest } } },
  response: {
    201: json('recorded', Receipt),
    ...BODY_REFUSALS,
    422: problem(
      'it does not hold, or something recorded contradicts it; the detail begins with the condition',
    ),
  },
};

const refuse = (fault: string, why: string) => new AttestdError('IMPORT_REFUSED', `${fault}: ${why}`);
const check = compileSchema(ImportRequest);

export function addImporting(app: FastifyInstance, input: ImportingInput): void {
  const { gate, store } = input;
  /** One at a time: two at once for one execution must not both be the first. */
  let turn: Promise<unknown> = Promise.resolve();

  app.post('/v1/imports', { schema: POST_IMPORTS }, async (request, reply) => {
    const engine = await gate.enter();
    const fault = check(request.body);
    if (fault !== undefined) throw fault;
    const body = request.body as ImportRequest;
    const verdict = await judgeCer(body.content, body.keys ?? [], body.expect);
    if (!verdict.ok) throw refuse(verdict.fault, verdict.why);
    const wait: Wait = (request.query as RecordQuery).wait === 'durable' ? 'durable' : 'sealed';
    const { caller } = request;
    const linked = checkLink(engine, store(), caller, verdict);
    const receipt = new Promise<string>((resolve, reject) => {
      const mine = turn.then(() =>
        append(input, engine, caller, body.content, verdict, linked, wait, (e, text) =>
          e === null ? resolve(text) : reject(e),
        ),
      );
      turn = mine.catch(reject);
    });
    return reply
      .code(201)
      .header('content-type', 'application/json; charset=utf-8')
      .send(await receipt);
  });
}

/** The record of this log that the CER links to, when it says the same. @throws IMPORT_REFUSED when it does not */
function checkLink(engine: Engine, log: Store, caller: Caller, { cer }: CerFacts): string | undefined {
  const { link } = cer;
  if (link === undefined || link.log !== engine.origin) return undefined;
  const found = log.lookup(cer.executionId);
  const visible = found !== undefined && (caller.admin || found.uid === caller.uid);
  if (!visible || toHex(recordDigest(log.entry(found.index))) !== link.digest) {
    throw refuse('link-unknown', 'the CER links to this log, and to no record of yours in it');
  }
  const record = { entry: toBase64(log.entry(found.index)) };
  const disclosures = disclosuresOf(log, found.index);
  const says = [false, true].map((plaintext) => hashIn(printCer({ record, disclosures }, plaintext)));
  if (!says.includes(cer.certificateHash)) {
    throw refuse('link-contradicts', 'the record that the CER links to says something else');
  }
  return link.digest;
}

const hashIn = (cer: Uint8Array): unknown =>
  (JSON.parse(Buffer.from(cer).toString()) as { certificateHash: unknown }).certificateHash;

/** Resolves when the record is durable; `done` is told when it is as strong as was asked. */
function append(
  input: ImportingInput,
  engine: Engine,
  caller: Caller,
  content: string,
  facts: CerFacts,
  linked: string | undefined,
  wait: Wait,
  done: (e: Error | null, receipt: string) => void,
): Promise<void> {
  const { cer } = facts;
  const first = mutationGuard(input.store(), caller, facts);
  const opening = makeDisclosure(input.random(SALT_BYTES), 'cer', content);
  const { envelope: _, ...assertedBy } = facts.assertedBy ?? { envelope: false };
  const built = engine.build(
    'import',
    {
      format: 'nexart-cer',
      caller: { observed: JSON.parse(caller.observedJcs) as ObservedCaller },
      source: {
        certificateHash: cer.certificateHash,
        protocolVersion: cer.protocolVersion as '1.2.0',
        executionId: cer.executionId,
        createdAt: cer.createdAt,
        uncovered: [...cer.uncovered],
      },
      checks: {
        integrity: 'pass',
        receipt: facts.receipt,
        envelope: facts.envelope,
        record: linked === undefined ? 'absent' : 'pass',
      },
      proved: facts.proved,
      ...('kid' in assertedBy ? { assertedBy } : {}),
      inputs: { _sd: [toBase64Url(disclosureDigest(opening))] },
      ...(linked === undefined ? {} : { parents: [{ rel: 'derivedFrom' as const, digest: linked }] }),
    },
    [{ name: IMPORTED, digest: { sha256: cer.certificateHash.slice('sha256:'.length) } }],
  );
  const item = {
    entry: built.entry,
    id: built.id,
    uid: caller.uid,
    opening: Buffer.from(opening, 'latin1'),
    ...(first === undefined ? {} : { idempotency: first }),
  };
  return new Promise((resolve) => {
    engine.recorder.submit(item, toHex(built.recordDigest), wait, () => resolve(), done);
  });
}

/**
 * What to remember so that another CER for this execution is refused; nothing where this very one is known.
 * @throws IMPORT_REFUSED when the caller imported this execution with another hash
 */
function mutationGuard(log: Store, caller: Caller, { cer }: CerFacts): Idempotency | undefined {
  const guard = idempotencyOf(
    `attestd.dev/import/v1 nexart-cer ${cer.executionId}`,
    Buffer.from(cer.certificateHash),
  );
  const earlier = log.idempotent(caller.uid, guard.key);
  if (earlier === undefined) return guard;
  if (Buffer.compare(earlier.body, guard.body) !== 0) {
    const { id = 'unknown' } = log.owner(earlier.index);
    throw refuse('execution-mutated', `record ${id} imported this execution with another certificateHash`);
  }
  return undefined;
}
