/**
 * The policy that a new record key is bound to (`record_key.policy_key`). It says nothing of the key in use: a key is bound
 * or not for its whole life, and takes its place by `attestctl keys rotate --record`.
 */
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { AttestdError } from '../core/errors.ts';
import { recordPolicy } from '../evidence/stateapproval.ts';
import type { Config } from './config.ts';

/** The authPolicy for record keys of this host; undefined where they are not to be bound. @throws CONFIG_INVALID */
export function configuredPolicy({ record_key, fleet }: Config): Uint8Array | undefined {
  if (record_key.policy_key === '') return undefined;
  try {
    const key = createPublicKey(readFileSync(record_key.policy_key));
    return recordPolicy(new Uint8Array(key.export({ format: 'der', type: 'spki' })), fleet);
  } catch (cause) {
    throw new AttestdError(
      'CONFIG_INVALID',
      `${record_key.policy_key} is no public key on P-256 in PEM: ${(cause as Error).message}`,
      { cause, field: '/record_key/policy_key' },
    );
  }
}
