/**
 * RFC 8785 text of values that came out of `parseJson`, where it counts in microseconds. It trusts that they are
 * I-JSON; the writer that uses it checks the finished text for what JSON.stringify would have hidden. A test holds it
 * equal to the library.
 */
import type { Json } from '../core/json.ts';

/** Text that is the same in quotes as it is: printable ASCII without quotation mark and reverse solidus. */
const AS_IT_IS = /^[ !#-[\]-~]*$/;

/** The canonical text of a string: most need no escape, and to see that costs half of escaping them. */
export const quoted = (text: string): string => (AS_IT_IS.test(text) ? `"${text}"` : JSON.stringify(text));

/** The canonical text of an I-JSON value. */
export function canonical(value: Json): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  let out = '';
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) out += `${i === 0 ? '' : ','}${canonical(value[i] as Json)}`;
    return `[${out}]`;
  }
  const names = Object.keys(value);
  if (names.length > 1) names.sort();
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    out += `${i === 0 ? '' : ','}${quoted(name)}:${canonical(value[name] as Json)}`;
  }
  return `{${out}}`;
}

/** A member behind others, with its comma; nothing where there is none. */
export const member = (name: string, value: unknown): string =>
  value === undefined ? '' : `,"${name}":${canonical(value as Json)}`;
