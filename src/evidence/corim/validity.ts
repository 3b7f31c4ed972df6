/** From when to when a manifest or its signature counts (draft-ietf-rats-corim, Validity). */
import type { Cbor } from '../cbor.ts';
import { corimFault, fieldsOf, timeOf } from './fields.ts';

export interface Validity {
  /** Milliseconds since 1970, both inclusive. */
  readonly notBefore?: number;
  readonly notAfter?: number;
}

/** @throws MALFORMED */
export function readValidity(value: Cbor, what: string): Validity {
  const fields = fieldsOf(value, what);
  const from = fields.take(0);
  const notAfter = timeOf(fields.need(1, 'end'), `the end of ${what}`);
  const [unknown] = fields.rest();
  if (unknown !== undefined) throw corimFault(`${what} has the unknown field ${unknown}`);
  return from === undefined
    ? { notAfter }
    : { notBefore: timeOf(from, `the beginning of ${what}`), notAfter };
}

/** Whether `at`, in milliseconds since 1970, lies within. */
export const holdsAt = ({ notBefore, notAfter }: Validity, at: number): boolean =>
  (notBefore === undefined || at >= notBefore) && (notAfter === undefined || at < notAfter + 1000);
