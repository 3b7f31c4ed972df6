/** An error as problem details, as the socket and the authority answer it (RFC 9457). */
import { type AttestdError, ERRORS } from './errors.ts';

/** RFC 9457 problem details of an error; `instance` names the request. */
export function toProblem(e: AttestdError, instance?: string): Record<string, unknown> {
  const row = ERRORS[e.code];
  return {
    type: `urn:attestd:error:${e.code}`,
    title: row.title,
    status: row.status,
    detail: e.message,
    hint: row.hint,
    ...(e.facts.field === undefined ? {} : { field: e.facts.field }),
    ...(e.facts.rcName === undefined ? {} : { tpm: e.facts.rcName }),
    ...(e.facts.denial === undefined ? {} : { denial: e.facts.denial }),
    ...(e.facts.record === undefined ? {} : { record: e.facts.record }),
    ...(instance === undefined ? {} : { instance }),
  };
}
