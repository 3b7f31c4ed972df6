/**
 * A record under the record key's own signature, for tools that know nothing of TPMs: as a DSSE envelope, as SLSA
 * provenance, and as COSE_Sign1 with a receipt. What is signed is always an entry, or a root, of this log, or a statement
 * derived from sealed entries alone; a request names a record and nothing else.
 */
import type { FastifyInstance } from 'fastify';
import { AttestdError } from '../core/errors.ts';
import { hostUri } from '../evidence/akprofile.ts';
import { parseEntry } from '../evidence/dsse.ts';
import * as cose from '../evidence/export/cose.ts';
import { ENVELOPE_MEDIA_TYPE, exportKeyId, printEnvelope } from '../evidence/export/envelope.ts';
import { attemptOf, slsaStatement } from '../evidence/export/slsa.ts';
import { readStatement } from '../evidence/statement.ts';
import { ecdsaDer } from '../evidence/x509/signature.ts';
import { parseOrigin } from '../log/origin.ts';
import type { Store } from '../store/store.ts';
import type { Engine } from './engineface.ts';
import type { Gate } from './gate.ts';
import type { Limits } from './limits.ts';
import { GET_COSE, GET_ENVELOPE } from './openapi.ts';
import { findRecord } from './reading.ts';
import { findParents } from './search.ts';
import { type Vouched, vouchFor } from './vouch.ts';

export interface ExportingInput {
  readonly gate: Gate;
  readonly limits: Limits;
  /** The open log; the gate is passed before it is asked for. */
  readonly store: () => Store;
}

const GET_PROVENANCE = {
  ...GET_ENVELOPE,
  operationId: 'getProvenance',
  summary: 'SLSA provenance v1 of what a CI step made, as a DSSE envelope signed by the record key',
};

type Vouching = Pick<Engine, 'signer' | 'origin'>;

export function addExporting(app: FastifyInstance, { gate, limits, store }: ExportingInput): void {
  app.get('/v1/records/:id/envelope', { schema: GET_ENVELOPE }, async (request, reply) => {
    const engine = await gate.enter();
    const { index } = findRecord(request, store());
    const { entry } = await vouchFor(store(), index, engine.hostKeys);
    limits.takeSignature(request.caller.uid);
    const bytes = await makeEnvelope(engine, entry);
    return reply.header('content-type', ENVELOPE_MEDIA_TYPE).send(Buffer.from(bytes));
  });

  app.get('/v1/records/:id/provenance', { schema: GET_PROVENANCE }, async (request, reply) => {
    const engine = await gate.enter();
    const log = store();
    const { index, uid } = findRecord(request, log);
    const { entry } = await vouchFor(log, index, engine.hostKeys);
    // The attempt must be of the same owner: nobody learns of another's by naming its digest.
    const [begun] = await findParents(log, index, [attemptOf(entry)]);
    if (begun === undefined || log.owner(begun).uid !== uid) {
      throw new AttestdError('NOT_FOUND', 'the attempt that the record completes is not in this log');
    }
    const attempted = await vouchFor(log, begun, engine.hostKeys);
    const { fleet, host } = parseOrigin(engine.origin);
    const statement = slsaStatement(entry, attempted.entry, hostUri(fleet, host));
    limits.takeSignature(request.caller.uid);
    const bytes = await makeEnvelope(engine, statement);
    return reply.header('content-type', ENVELOPE_MEDIA_TYPE).send(Buffer.from(bytes));
  });

  app.get('/v1/records/:id/cose', { schema: GET_COSE }, async (request, reply) => {
    const engine = await gate.enter();
    const { index } = findRecord(request, store());
    const vouched = await vouchFor(store(), index, engine.hostKeys);
    limits.takeSignature(request.caller.uid);
    const bytes = await makeCose(engine, vouched);
    return reply.header('content-type', cose.COSE_MEDIA_TYPE).send(Buffer.from(bytes));
  });
}

async function makeEnvelope({ signer }: Vouching, entry: Uint8Array): Promise<Uint8Array> {
  const signature = ecdsaDer(await signer.sign(entry));
  return printEnvelope({ entry, signature, keyId: exportKeyId(signer.spki) });
}

async function makeCose({ signer, origin }: Vouching, vouched: Vouched): Promise<Uint8Array> {
  const { kind, predicate } = readStatement(vouched.entry);
  const { payload } = parseEntry(vouched.entry);
  const { fleet, host } = parseOrigin(origin);
  const by = { spki: signer.spki, issuer: hostUri(fleet, host) };
  const statement = cose.statementMessage(payload, `${kind}:${predicate.id}`, by);
  const receipt = cose.receiptMessage(vouched.root, origin, by);
  const rootSignature = await signer.sign(receipt.toSign);
  return cose.printSign1(
    statement,
    payload,
    await signer.sign(statement.toSign),
    cose.printReceipt(receipt, vouched, rootSignature),
  );
}
