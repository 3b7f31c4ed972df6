/** JSON that may be signed: I-JSON (RFC 7493) in, RFC 8785 out. */
import canonicalize from 'canonicalize';
import { isWellFormed, utf8 } from './bytes.ts';
import { type IJson, MAX_DEPTH, malformed, readJson } from './ijson.ts';

export type Json = IJson;
export type JsonObject = { [name: string]: Json };

/** Parses I-JSON strictly, as `readJson` says. */
export const parseJson: (input: Uint8Array | string) => Json = readJson;

/** Asserts that a value made in code is I-JSON, because `canonicalize` lets Map, typed arrays and functions pass. */
export function assertJson(value: unknown, depth = 0): asserts value is Json {
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    if (!isWellFormed(value)) throw malformed('a string has a lone surrogate');
    return;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw malformed('a number is not finite');
    if (Number.isInteger(value) && !Number.isSafeInteger(value))
      throw malformed('an integer is beyond 2^53 - 1');
    return;
  }
  if (typeof value === 'object' && depth >= MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) assertJson(value[i], depth + 1);
    return;
  }
  if (typeof value === 'object') {
    const proto = Object.getPrototypeOf(value);
    if (proto !== Object.prototype && proto !== null) throw malformed('an object is not a plain one');
    for (const name of Object.keys(value)) {
      if (!isWellFormed(name)) throw malformed('a name has a lone surrogate');
      assertJson((value as Record<string, unknown>)[name], depth + 1);
    }
    return;
  }
  throw malformed(`a ${typeof value} is not JSON`);
}

/** The RFC 8785 text of an I-JSON value. @throws MALFORMED when the value is not I-JSON */
export function jcs(value: unknown): string {
  assertJson(value);
  return canonicalize(value) as string;
}

/** UTF-8 of `jcs(value)`. */
export function jcsBytes(value: unknown): Uint8Array {
  return utf8(jcs(value));
}
