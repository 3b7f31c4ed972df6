/**
 * Keys over HTTP: /v1/keys. A caller makes, lists, uses and withdraws keys of its own; the record key shows its public
 * half to everybody and its certificate request to the admin socket, and signs nothing here.
 */
import type { FastifyInstance } from 'fastify';
import { toBase64 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { hostUri } from '../evidence/akprofile.ts';
import type { WorkloadRole } from '../evidence/export/workload.ts';
import { printSignature } from '../evidence/tpm/signature.ts';
import { parseOrigin } from '../log/origin.ts';
import type { Key } from '../tpm/key.ts';
import type { Tpm } from '../tpm/tpm.ts';
import { recordKeyAt } from '../verify/keys.ts';
import { makeCertificateRequest } from './certrequest.ts';
import type { Engine } from './engineface.ts';
import type { Gate } from './gate.ts';
import type { WorkloadKey } from './keyring.ts';
import type { Limits } from './limits.ts';
import { GET_KEY_REQUEST, GET_KEYS, POST_KEYS, POST_SIGN, POST_WITHDRAW } from './openapi.ts';
import { compileSchema, KeyBody, type KeyPath, RECORD_KEY, type SignBody, WithdrawBody } from './request.ts';
import { checkSign, signFor } from './signing.ts';

export interface KeyRoutesInput {
  readonly gate: Gate;
  readonly limits: Limits;
  /** The open TPM; the gate is passed before it is asked for. */
  readonly tpm: () => Tpm;
}

const answerOf = (k: WorkloadKey) => ({
  name: k.name,
  role: k.role,
  uid: k.uid,
  ...(k.unit === undefined ? {} : { unit: k.unit }),
  record: k.record,
  spki: toBase64(k.key.spki),
  public: toBase64(k.key.public),
  attest: toBase64(k.attest),
  signature: toBase64(k.signature),
});

function recordKeyOf({ identity, hostKeys }: Engine) {
  const { certified } = recordKeyAt(hostKeys, Number.MAX_SAFE_INTEGER);
  const { spki, public: area } = identity.recordKey;
  return {
    name: RECORD_KEY,
    role: 'record',
    spki: toBase64(spki),
    public: toBase64(area),
    attest: toBase64(certified.bytes),
    signature: toBase64(printSignature(certified.signature)),
  };
}

export function addKeyRoutes(app: FastifyInstance, { gate, limits, tpm }: KeyRoutesInput): void {
  const checkKey = compileSchema(KeyBody);
  const checkWithdraw = compileSchema(WithdrawBody);
  const held = (fault: AttestdError | undefined): void => {
    if (fault !== undefined) throw fault;
  };

  app.get('/v1/keys', { schema: GET_KEYS }, async (request, reply) => {
    const engine = await gate.enter();
    const keys = [recordKeyOf(engine), ...engine.keys.list(request.caller).map(answerOf)];
    return reply.header('content-type', 'application/json').send(JSON.stringify({ keys }));
  });

  app.post('/v1/keys', { schema: POST_KEYS }, async (request, reply) => {
    const engine = await gate.enter();
    held(checkKey(request.body));
    const { name, role } = request.body as KeyBody;
    limits.takeSignature(request.caller.uid);
    const made = await engine.keys.create(request.caller, name, role as WorkloadRole);
    return reply
      .code(201)
      .header('content-type', 'application/json')
      .send(JSON.stringify(answerOf(made)));
  });

  app.post('/v1/keys/:name/sign', { schema: POST_SIGN }, async (request, reply) => {
    const engine = await gate.enter();
    held(checkSign(request.body));
    const { name } = request.params as KeyPath;
    const answer = await signFor(engine, limits, request.caller, name, request.body as SignBody);
    return reply.header('content-type', 'application/json').send(answer);
  });

  app.post('/v1/keys/:name/withdraw', { schema: POST_WITHDRAW }, async (request, reply) => {
    const engine = await gate.enter();
    held(checkWithdraw(request.body));
    const { name } = request.params as KeyPath;
    const gone = await engine.keys.withdraw(request.caller, name, (request.body as WithdrawBody).reason);
    return reply.header('content-type', 'application/json').send(JSON.stringify(answerOf(gone)));
  });

  app.get('/v1/keys/:name/request', { schema: GET_KEY_REQUEST }, async (request, reply) => {
    const engine = await gate.enter();
    const { name } = request.params as KeyPath;
    const { fleet, host } = parseOrigin(engine.origin);
    const uri = hostUri(fleet, host);
    let key: Key;
    if (name !== RECORD_KEY) key = engine.keys.find(request.caller, name).key;
    else if (request.caller.admin) key = engine.identity.recordKey;
    else
      throw new AttestdError(
        'FORBIDDEN',
        'a certificate for the record key is asked for on the admin socket',
      );
    limits.takeSignature(request.caller.uid);
    const der = await makeCertificateRequest(tpm(), key, name === RECORD_KEY ? uri : `${uri}/${name}`);
    return reply.header('content-type', 'application/pkcs10').send(Buffer.from(der));
  });
}
