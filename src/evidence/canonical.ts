/**
 * RFC 8785 text of values that came out of `parseJson`, where it counts in microseconds. It trusts that they are
 * I-JSON; the writer that uses it checks the finished text for what JSON.stringify would have hidden. A test holds it
 * equal to the library.
 */
import type { Json } from '../core/json.ts';

/** The canonical text of an I-JSON value. */
export function canonical(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) {
    let out = '';
    for (const item of value) out += `${out === '' ? '[' : ','}${canonical(item)}`;
    return out === '' ? '[]' : `${out}]`;
  }
  const names = Object.keys(value);
  if (names.length > 1) names.sort();
  let out = '';
  for (const name of names) {
    out += `${out === '' ? '{' : ','}${JSON.stringify(name)}:${canonical(value[name] as Json)}`;
  }
  return out === '' ? '{}' : `${out}}`;
}
