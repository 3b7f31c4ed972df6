/**
 * What can be wrong with the body of a request, kind by kind. Each damage says for itself whether the request is then one
 * that must be refused; where only the document knows (a value off its schema), the document is asked.
 */
import type { Schema } from './document.ts';
import type { Request, Shot } from './request.ts';
import { shotOf, textOf } from './request.ts';

/** Numbers below `n`, the same for the same seed. */
export type Dice = (n: number) => number;
/** Nothing where this kind of damage cannot be done to this request. */
export type Damage = (r: Request, dice: Dice) => Shot | undefined;

const isObject = (v: unknown): v is Record<string, unknown> =>
  typeof v === 'object' && v !== null && !Array.isArray(v);

interface Site {
  readonly path: readonly (string | number)[];
  readonly schema: Schema;
  readonly value: unknown;
}

/** Places in a value where its schema says something. */
function sitesOf(schema: Schema, value: unknown, path: Site['path'] = []): Site[] {
  const here = Object.keys(schema).length === 0 ? [] : [{ path, schema, value }];
  if (Array.isArray(value) && schema.items !== undefined)
    return [...here, ...value.flatMap((v, i) => sitesOf(schema.items as Schema, v, [...path, i]))];
  if (!isObject(value) || schema.properties === undefined) return here;
  const known = schema.properties as Record<string, Schema>;
  const inner = Object.entries(value).flatMap(([name, v]) =>
    known[name] === undefined ? [] : sitesOf(known[name], v, [...path, name]),
  );
  return [...here, ...inner];
}

/** The value with another at a place; `undefined` takes it out. */
function put(value: unknown, path: Site['path'], to: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return to;
  if (Array.isArray(value)) return value.map((v, i) => (i === first ? put(v, rest, to) : v));
  return { ...(value as object), [first]: put((value as Record<string, unknown>)[first], rest, to) };
}

/** A damage to one place of the value that the schema speaks of. */
function atSite(where: (s: Site) => boolean, change: (s: Site, dice: Dice) => unknown): Damage {
  return (r, dice) => {
    const schema = r.media === undefined ? undefined : r.operation.bodies.get(r.media);
    if (schema === undefined || r.value === undefined) return undefined;
    const sites = sitesOf(schema, r.value).filter(where);
    const site = sites[dice(Math.max(1, sites.length))];
    if (site === undefined) return undefined;
    const value = put(r.value, site.path, change(site, dice));
    if (value === undefined) return undefined;
    const expect = r.operation.fits(r.media as string, JSON.parse(JSON.stringify(value)))
      ? 'either'
      : 'refuse';
    return shotOf({ ...r, value }, { expect });
  };
}

const OTHERS: readonly unknown[] = [null, true, 0, -1.5, 'x', '', [], {}, [[]], { a: 1 }, 2 ** 53 - 1];
const closed = (s: Site) => isObject(s.value) && s.schema.additionalProperties === false;
const STRANGE = ['x', '__proto__', 'constructor', 'toString', '', '_sd', '$ref', 'hasOwnProperty'];

/** Damages to the text: `JSON.stringify` cannot say them. */
function inText(change: (text: string, dice: Dice) => string | Buffer | undefined): Damage {
  return (r, dice) => {
    if (r.value === undefined) return undefined;
    const changed = change(JSON.stringify(r.value), dice);
    if (changed === undefined) return undefined;
    return shotOf(r, { expect: 'refuse', body: Buffer.from(changed as string) });
  };
}
/** One of the places where `what` stands in a text. */
function placeOf(text: string, what: RegExp, dice: Dice): RegExpExecArray | undefined {
  const all = [...text.matchAll(what)];
  return all[dice(Math.max(1, all.length))];
}
const MEMBER = /([{,])("(?:[^"\\]|\\.)*"):/g;
const VALUE = /(?<=[:[,])(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null)(?=[,}\]])/g;
const instead = (text: string, dice: Dice, what: string): string | undefined => {
  const m = placeOf(text, VALUE, dice);
  return m && `${text.slice(0, m.index)}${what}${text.slice(m.index + m[0].length)}`;
};
const NUMBERS = ['9007199254740993', '-0', '1e400', '1E-400', '0.1234567890123456789', '01', '1.', '+1'];
const NOT_JSON = ['NaN', 'Infinity', "'x'", 'undefined', '0x10', '"\n"', '"\\x41"', '/**/1', '1,', ''];
const LONE = ['"\\ud800"', '"\\udc00x"', '"\\ud800\\ud800"', '"\\uDBFFa"'];
const BAD_UTF8 = ['ff', 'c080', 'eda080', 'f8888080', 'f4908080', 'e28c'];

export const BODY_DAMAGES: Readonly<Record<string, Damage>> = {
  'a wrong type': atSite(
    () => true,
    (_, dice) => OTHERS[dice(OTHERS.length)],
  ),
  'an unknown field': atSite(closed, (s, dice) => ({
    ...(s.value as object),
    [STRANGE[dice(STRANGE.length)] as string]: OTHERS[dice(OTHERS.length)],
  })),
  'a missing field': atSite(
    (s) => closed(s) && ((s.schema.required as string[]) ?? []).length > 0,
    (s, dice) => {
      const required = s.schema.required as string[];
      const { [required[dice(required.length)] as string]: _, ...rest } = s.value as Record<string, unknown>;
      return rest;
    },
  ),
  'too long a text': atSite(
    (s) => typeof s.value === 'string',
    (s, dice) => `${s.value}${'é'.repeat([65, 257, 1025, 5000][dice(4)] as number)}`,
  ),
  'too many items': atSite(
    (s) => Array.isArray(s.value),
    (s, dice) =>
      Array.from(
        { length: [0, 1, 65, 300][dice(4)] as number },
        (_, i) => (s.value as unknown[])[i % Math.max(1, (s.value as unknown[]).length)] ?? null,
      ),
  ),
  'too many members': atSite(
    (s) => isObject(s.value),
    (s, dice) => ({
      ...(s.value as object),
      ...Object.fromEntries(Array.from({ length: [33, 65, 400][dice(3)] as number }, (_, i) => [`m${i}`, i])),
    }),
  ),
  'a number off its range': atSite(
    (s) => typeof s.value === 'number',
    (_, dice) => [-1, 0, 0.5, 2 ** 31, 2 ** 53 - 1, 1e15][dice(6)],
  ),
  'a name twice': inText((text, dice) => {
    const m = placeOf(text, MEMBER, dice);
    if (m === undefined) return undefined;
    const name = dice(2) === 0 ? (m[2] as string) : escaped(m[2] as string);
    return `${text.slice(0, m.index)}${m[1]}${name}:null,${text.slice(m.index + 1)}`;
  }),
  'deep nesting': inText((text, dice) => {
    const depth = [33, 40, 1000, 20_000][dice(4)] as number;
    const nested = dice(2) === 0 ? '['.repeat(depth) + ']'.repeat(depth) : deepObject(depth);
    return dice(3) === 0 ? nested : instead(text, dice, nested);
  }),
  'a lone surrogate': inText((text, dice) => instead(text, dice, LONE[dice(LONE.length)] as string)),
  'a number that does not keep': inText((text, dice) =>
    instead(text, dice, NUMBERS[dice(NUMBERS.length)] as string),
  ),
  'what is not JSON': inText((text, dice) => instead(text, dice, NOT_JSON[dice(NOT_JSON.length)] as string)),
  'something behind the value': inText(
    (text, dice) => text + (['x', '{}', '\0', ',', ']'][dice(5)] as string),
  ),
  'a byte order mark': inText((text) => `\ufeff${text}`),
  'bytes that are not UTF-8': inText((text, dice) => {
    const m = placeOf(text, /"/g, dice);
    if (m === undefined) return undefined;
    const bad = Buffer.from(BAD_UTF8[dice(BAD_UTF8.length)] as string, 'hex');
    return Buffer.concat([
      Buffer.from(text.slice(0, m.index + 1)),
      bad,
      Buffer.from(text.slice(m.index + 1)),
    ]);
  }),
  'half a text': inText((text, dice) => text.slice(0, 1 + dice(Math.max(1, text.length - 1)))),
  'UTF-16': inText((text) => Buffer.from(text, 'utf16le')),
  // Nothing at all is a whole message in protobuf.
  'no body': (r) =>
    r.media === undefined || r.media === 'application/x-protobuf'
      ? undefined
      : shotOf(r, { expect: 'refuse', body: Buffer.alloc(0) }),
  'too large a body': (r) => {
    if (r.value === undefined) return undefined;
    const body = Buffer.concat([textOf(r).subarray(0, -1), Buffer.alloc(400_000, ' '), Buffer.from('}')]);
    return shotOf(r, { expect: 'refuse', body });
  },
};

/** The same name, written otherwise. */
function escaped(name: string): string {
  const plain = JSON.parse(name) as string;
  const hex = plain.charCodeAt(0).toString(16).padStart(4, '0');
  return plain === '' ? '""' : `"\\u${hex}${JSON.stringify(plain.slice(1)).slice(1)}`;
}

const deepObject = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
