/**
 * JSON files whose bytes are their identity: exactly the RFC 8785 form of a value that fits a closed schema, so that a
 * digest over the file is a digest over its meaning. Every fault names the field by JSON pointer (RFC 6901).
 */
import type { Static, TSchema } from 'typebox';
import { Check, Errors } from 'typebox/value';
import { equal, fromBase64 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { jcsBytes, parseJson } from '../core/json.ts';
import { parseTime } from '../core/time.ts';

/** The canonical bytes of a value. @throws MALFORMED when it does not fit the schema */
export function printFile<S extends TSchema>(what: string, schema: S, value: Static<S>): Uint8Array {
  checkShape(what, schema, value);
  return jcsBytes(value);
}

/**
 * Strict inverse of `printFile`.
 * @param what the name of the file, for the error text
 * @param max largest size accepted, bytes
 * @throws TOO_LARGE, MALFORMED for what is no JSON, not canonical, or does not fit the schema
 */
export function parseFile<S extends TSchema>(
  what: string,
  schema: S,
  file: Uint8Array,
  max: number,
): Static<S> {
  if (file.length > max) throw new AttestdError('TOO_LARGE', `the ${what} has over ${max} bytes`);
  const value: unknown = parseJson(file);
  checkShape(what, schema, value);
  if (!equal(jcsBytes(value), file)) {
    throw new AttestdError('MALFORMED', `the ${what} is not in canonical form (RFC 8785)`);
  }
  return value;
}

function checkShape<S extends TSchema>(what: string, schema: S, value: unknown): asserts value is Static<S> {
  if (Check(schema, value)) return;
  const first = Errors(schema, value)[0];
  const field = first?.instancePath ?? '';
  throw new AttestdError('MALFORMED', `${what}, ${field || 'whole'}: ${first?.message ?? 'wrong'}`, {
    field,
  });
}

/** Decodes the base64 fields of one file: `(pointer, text, exact size?) → bytes`. Throws MALFORMED naming the field. */
export function fieldReader(what: string): (field: string, text: string, size?: number) => Uint8Array {
  return (field, text, size) => {
    const bytes = named(what, field, () => fromBase64(text));
    if (size === undefined || bytes.length === size) return bytes;
    throw new AttestdError('MALFORMED', `${what}, ${field}: ${bytes.length} bytes, not ${size}`, { field });
  };
}

/** Milliseconds of a time field. @throws MALFORMED naming the field */
export function readTime(what: string, field: string, text: string): number {
  return named(what, field, () => parseTime(text));
}

function named<T>(what: string, field: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new AttestdError('MALFORMED', `${what}, ${field}: ${(cause as Error).message}`, { field, cause });
  }
}
