/**
 * POST /v1/measurements: a permitted caller has a file, a container image or a model measured. A file is named by its
 * path and opened, read and hashed by the daemon (HTTP carries no descriptors); digests of images and models are the
 * caller's word, for nothing here could read them. Each is an entry that names the caller, and an extend of our register.
 */
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { closed, Hex32, oneOf, text } from '../../evidence/schema/field.ts';
import { MeasuredEvent } from '../../evidence/schema/predicates.ts';
import { measureFile } from '../../measure/file.ts';
import type { Caller } from '../caller.ts';
import type { Config } from '../config.ts';
import type { Gate } from '../gate.ts';
import type { Limits } from '../limits.ts';
import { BODY_REFUSALS, Headers, json, problem } from '../openapi.ts';
import { Receipt } from '../openreceipt.ts';
import { compileSchema, RecordQuery } from '../request.ts';

const MeasurementBody = closed({
  type: oneOf('file', 'image', 'model'),
  name: text(1024),
  sha256: Type.Optional(Hex32),
});
type MeasurementBody = Static<typeof MeasurementBody>;

const POST_MEASUREMENTS = {
  operationId: 'measure',
  summary:
    'Have a file measured by its path, or an image or model by its digest: an entry, and an extend of the register',
  headers: Headers,
  querystring: RecordQuery,
  body: { content: { 'application/json': { schema: MeasurementBody } } },
  response: {
    201: json('measured', Type.Object({ ...Receipt.properties, event: MeasuredEvent })),
    ...BODY_REFUSALS,
    409: problem('this daemon does not measure'),
  },
};

export interface MeasuringRoutesInput {
  readonly gate: Gate;
  readonly limits: Limits;
  readonly settings: Config['measure'];
}

export function addMeasuring(app: FastifyInstance, { gate, limits, settings }: MeasuringRoutesInput): void {
  const check = compileSchema(MeasurementBody);

  app.post('/v1/measurements', { schema: POST_MEASUREMENTS }, async (request, reply) => {
    const engine = await gate.enter();
    const { caller } = request;
    const fault = check(request.body);
    if (fault !== undefined) throw fault;
    if (!caller.admin && !settings.uids.includes(caller.uid))
      throw new AttestdError(
        'FORBIDDEN',
        'this caller may have nothing measured: measure.uids names those who may',
      );
    const { measuring } = engine;
    if (measuring === undefined) throw new AttestdError('NOT_FOUND', 'this daemon does not measure');
    limits.takeMeasurement(caller.uid);
    const event = await eventOf(request.body as MeasurementBody, caller.uid);
    const [made] = await measuring.measure([event], { caller: callerOf(caller), uid: caller.uid });
    if (made === undefined) throw new AttestdError('INTERNAL', 'nothing was measured');
    const place = {
      id: made.id,
      digest: toHex(made.recordDigest),
      index: made.index,
      log: engine.origin,
      entry: made.entry,
    };
    const wait = (request.query as RecordQuery).wait === 'durable' ? 'durable' : 'sealed';
    const receipt = await new Promise<string>((resolve, reject) => {
      engine.recorder.receipt(place, wait, (e, answer) => (e === null ? resolve(answer) : reject(e)));
    });
    const answer = { ...(JSON.parse(receipt) as Record<string, unknown>), event };
    return reply.code(201).header('content-type', 'application/json').send(JSON.stringify(answer));
  });
}

const wrong = (field: string, why: string) =>
  new AttestdError('INVALID_REQUEST', `${field} ${why}`, { field });

async function eventOf({ type, name, sha256 }: MeasurementBody, uid: number): Promise<MeasuredEvent> {
  if (type !== 'file') {
    if (sha256 === undefined) throw wrong('/sha256', 'is missing: nothing else says which it is');
    return { type, name, sha256 };
  }
  if (sha256 !== undefined) throw wrong('/sha256', 'is not yours to say of a file: the daemon reads it');
  if (!name.startsWith('/')) throw wrong('/name', 'is no absolute path');
  return { type, name, sha256: (await measureFile(name, uid)).sha256 };
}

function callerOf({ observed }: Caller) {
  const { uid, pid, unit } = observed;
  return { uid, pid, ...(unit === undefined ? {} : { unit }) };
}
