/**
 * Parents that a request knows by a checkpoint of another log: taken as they are sent, and only where the proof leads from
 * the leaf to a checkpoint of that log that has a seal. By whose key it was sealed the verifier judges, who has roots.
 */
import type { TSchema } from 'typebox';
import { AttestdError } from '../core/errors.ts';
import type { Edge } from '../evidence/edges.ts';
import { foreignProof } from '../verify/foreign/proof.ts';
import { compileSchema } from './request.ts';

/** As `compileSchema`, for bodies with `parents`: the proof of each is checked as well. */
export function compileRequest(schema: TSchema): (value: unknown) => AttestdError | undefined {
  const check = compileSchema(schema);
  return (value) => check(value) ?? faultIn((value as { parents?: readonly Edge[] }).parents);
}

function faultIn(parents: readonly Edge[] = []): AttestdError | undefined {
  for (const [i, parent] of parents.entries()) {
    const proof = foreignProof(parent);
    if (proof === undefined || proof.ok) continue;
    const field = `/parents/${i}/proof`;
    return new AttestdError('INVALID_REQUEST', `${field}: ${proof.why}`, { field });
  }
  return undefined;
}
