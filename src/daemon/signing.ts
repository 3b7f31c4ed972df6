/**
 * A signature of a caller's own key: what POST /v1/keys/NAME/sign does, for the ordinary way and the quick lane alike.
 * A workload may ask for one with every request of its own, so it is the one route of keys that the lane takes.
 */
import { AttestdError } from '../core/errors.ts';
import { workloadBytes } from '../evidence/export/workload.ts';
import { ecdsaDer } from '../evidence/x509/signature.ts';
import type { Caller } from './caller.ts';
import type { Engine } from './engineface.ts';
import type { Limits } from './limits.ts';
import { compileSchema, SignBody } from './request.ts';

/** Names as in `KeyPath`; one that is written in another way, as with percent signs, is left to the router. */
const PATH = /^\/v1\/keys\/([a-z0-9][a-z0-9.-]{0,62})\/sign$/;

/** The name of the key that a POST to this URL has sign, where the quick lane may take it. */
export function signingKey(url: string): string | undefined {
  return url.startsWith('/v1/keys/') ? PATH.exec(url)?.[1] : undefined;
}

export const checkSign = compileSchema(SignBody);

/**
 * The answer, as JSON text.
 * @param body checked by `checkSign`
 * @throws NOT_FOUND, INVALID_REQUEST, RATE_LIMITED, what the TPM throws
 */
export async function signFor(
  { keys }: Pick<Engine, 'keys'>,
  limits: Pick<Limits, 'takeSignature'>,
  caller: Caller,
  name: string,
  { message }: SignBody,
): Promise<string> {
  const key = keys.find(caller, name);
  const bytes = workloadBytes(key.role, messageOf(message));
  limits.takeSignature(caller.uid);
  const signature = ecdsaDer(await key.signer.sign(bytes));
  return `{"signature":"${Buffer.from(signature).toString('base64')}"}`;
}

/** By the platform: letter by letter it would take a good part of what the TPM takes. */
function messageOf(base64: string): Uint8Array {
  const bytes = Buffer.from(base64, 'base64');
  // Node passes over what is no base64; only the canonical text of some bytes comes back as it was.
  if (bytes.toString('base64') === base64) return bytes;
  throw new AttestdError('INVALID_REQUEST', '/message is not canonical base64', { field: '/message' });
}
