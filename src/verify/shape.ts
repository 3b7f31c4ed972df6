/**
 * Strict reading of the auditor's JSON: unknown keys, wrong types and missing keys are refused by name. Written out
 * rather than left to a schema library, because verification must start fast and run where `eval` is forbidden.
 */
import { AttestdError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';

export function invalid(field: string, why: string): AttestdError {
  return new AttestdError('MALFORMED', `${field || 'the file'}: ${why}`, { field });
}

/** An object with these keys and no others. @throws MALFORMED naming the key */
export function objectOf(
  value: Json | undefined,
  field: string,
  required: readonly string[],
  optional: readonly string[] = [],
): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw invalid(field, 'not an object');
  for (const key of Object.keys(value)) {
    if (!required.includes(key) && !optional.includes(key))
      throw invalid(`${field}/${key}`, 'an unknown key');
  }
  for (const key of required) if (!Object.hasOwn(value, key)) throw invalid(`${field}/${key}`, 'is missing');
  return value;
}

/** @throws MALFORMED */
export function arrayOf<T>(
  value: Json | undefined,
  field: string,
  max: number,
  read: (v: Json, field: string) => T,
): T[] {
  if (!Array.isArray(value)) throw invalid(field, 'not an array');
  if (value.length > max) throw invalid(field, `more than ${max} elements`);
  return value.map((v, i) => read(v, `${field}/${i}`));
}

/** @throws MALFORMED */
export function textOf(value: Json | undefined, field: string, max = 4096): string {
  if (typeof value !== 'string') throw invalid(field, 'not a string');
  if (value.length > max) throw invalid(field, `longer than ${max} characters`);
  return value;
}

/** One of these values. @throws MALFORMED */
export function oneOf<T extends Json>(value: Json | undefined, field: string, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  if (found === undefined) throw invalid(field, `not one of ${allowed.join(', ')}`);
  return found;
}

/** Runs a decoder and names the field in what it throws. @throws MALFORMED */
export function decoded<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (e) {
    throw invalid(field, (e as Error).message);
  }
}
