/**
 * I-JSON (RFC 7493), read strictly and by nothing but what every JavaScript has. JSON.parse does the parsing; a linear
 * scan of the text beside it finds what JSON.parse hides (duplicate names, numbers that lose digits, depth), because what
 * is accepted must be exactly what was sent.
 */
import { fromUtf8, isWellFormed } from './bytes.ts';
import { AttestdError } from './errors.ts';

export type IJson = null | boolean | number | string | IJson[] | { [name: string]: IJson };

/** How deep arrays and objects may nest. */
export const MAX_DEPTH = 32;

/** What is thrown for a value that is no I-JSON. */
export const malformed = (why: string): AttestdError => new AttestdError('MALFORMED', why);

/**
 * Parses I-JSON strictly.
 * @param input UTF-8 bytes or text, without byte order mark
 * @throws MALFORMED for bad UTF-8, bad JSON, a duplicate name, a lone surrogate, a number that a double cannot
 *   hold as written, or nesting over MAX_DEPTH
 */
export function readJson(input: Uint8Array | string): IJson {
  const text = typeof input === 'string' ? input : fromUtf8(input);
  const names = scan(text);
  let value: IJson;
  try {
    value = JSON.parse(text) as IJson;
  } catch (e) {
    throw malformed(`not JSON: ${(e as Error).message}`);
  }
  const checkText = text.includes('\\u') || typeof input === 'string';
  const kept = count(value, checkText);
  if (kept !== names) throw malformed(`a name stands twice in one object${firstDuplicate(text)}`);
  return value;
}

/** Counts the names (colons outside strings) and checks depth and numbers before anything is built. */
function scan(text: string): number {
  let names = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) {
      for (i++; i < text.length; i++) {
        const s = text.charCodeAt(i);
        if (s === 0x5c) i++;
        else if (s === 0x22) break;
      }
    } else if (c === 0x3a) names++;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`);
    } else if (c === 0x7d || c === 0x5d) depth--;
    else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      const from = i;
      while (i + 1 < text.length && isNumberPart(text.charCodeAt(i + 1))) i++;
      checkNumber(text.slice(from, i + 1));
    }
  }
  return names;
}

function isNumberPart(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || c === 0x2e || c === 0x2b || c === 0x2d || c === 0x65 || c === 0x45;
}

function checkNumber(token: string): void {
  if (token.length <= 15 && !token.startsWith('-0') && !/[eE]/.test(token)) return;
  const n = Number(token);
  const lost = n === 0 && /[1-9]/.test(token.replace(/[eE].*$/, ''));
  if (!Number.isFinite(n) || lost) throw malformed(`the number ${token.slice(0, 40)} does not fit a double`);
  if (Object.is(n, -0)) throw malformed('the number -0 has no canonical form');
  if (Number.isInteger(n) && !Number.isSafeInteger(n)) {
    throw malformed(`the integer ${token.slice(0, 40)} is beyond 2^53 - 1; send it as a string`);
  }
  if (token.replace(/^-?0*\.?0*|[eE].*$|\./g, '').length > 17) {
    throw malformed(`the number ${token.slice(0, 40)} has more digits than a double keeps`);
  }
}

/** Names in the built value; a duplicate shows as a name fewer than the text has. */
function count(value: IJson, checkText: boolean): number {
  if (typeof value === 'string') {
    if (checkText && !isWellFormed(value)) throw malformed('a string has a lone surrogate');
    return 0;
  }
  if (value === null || typeof value !== 'object') return 0;
  let n = 0;
  if (Array.isArray(value)) {
    for (const v of value) n += count(v, checkText);
    return n;
  }
  for (const name of Object.keys(value)) {
    if (checkText && !isWellFormed(name)) throw malformed('a name has a lone surrogate');
    n += 1 + count(value[name] as IJson, checkText);
  }
  return n;
}

/** Finds the first name that stands twice, for the error text only. */
function firstDuplicate(text: string): string {
  const stack: (Set<string> | null)[] = [];
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;
  for (const m of text.matchAll(token)) {
    if (m[0] === '{') stack.push(new Set());
    else if (m[0] === '[') stack.push(null);
    else if (m[0] === '}' || m[0] === ']') stack.pop();
    else if (m[1] !== undefined) {
      const name = JSON.parse(m[0].slice(0, m[0].length - m[1].length)) as string;
      const seen = stack.at(-1);
      if (seen?.has(name)) return `: ${JSON.stringify(name)}`;
      seen?.add(name);
    }
  }
  return '';
}
