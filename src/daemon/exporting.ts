/**
 * A record under the record key's own signature, for tools that know nothing of TPMs: as a DSSE envelope and as
 * COSE_Sign1 with a receipt. What is signed is always an entry, or a root, of this log; a request names a record
 * and nothing else.
 */
import type { FastifyInstance } from 'fastify';
import { hostUri } from '../evidence/akprofile.ts';
import { parseEntry } from '../evidence/dsse.ts';
import * as cose from '../evidence/export/cose.ts';
import { ENVELOPE_MEDIA_TYPE, exportKeyId, printEnvelope } from '../evidence/export/envelope.ts';
import { readStatement } from '../evidence/statement.ts';
import { ecdsaDer } from '../evidence/x509/signature.ts';
import { parseOrigin } from '../log/origin.ts';
import type { Store } from '../store/store.ts';
import type { Engine } from './engine.ts';
import type { Gate } from './gate.ts';
import type { Limits } from './limits.ts';
import { GET_COSE, GET_ENVELOPE } from './openapi.ts';
import { findRecord } from './reading.ts';
import { type Vouched, vouchFor } from './vouch.ts';

export interface ExportingInput {
  readonly gate: Gate;
  readonly limits: Limits;
  /** The open log; the gate is passed before it is asked for. */
  readonly store: () => Store;
}

type Vouching = Pick<Engine, 'signer' | 'origin'>;

export function addExporting(app: FastifyInstance, { gate, limits, store }: ExportingInput): void {
  app.get('/v1/records/:id/envelope', { schema: GET_ENVELOPE }, async (request, reply) => {
    const engine = await gate.enter();
    const { index } = findRecord(request, store());
    const vouched = await vouchFor(store(), index, engine.hostKeys);
    limits.takeSignature(request.caller.uid);
    const bytes = await makeEnvelope(engine, vouched);
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

async function makeEnvelope({ signer }: Vouching, { entry }: Vouched): Promise<Uint8Array> {
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
