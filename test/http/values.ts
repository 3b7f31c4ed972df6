/** Values that fit a JSON Schema, with the keywords that openapi.json uses; an unknown keyword is a mistake and throws. */
import fc from 'fast-check';
import { isWellFormed } from '../../src/core/bytes.ts';
import type { Schema } from './document.ts';

const KNOWN = new Set([
  ...['type', 'enum', 'const', 'anyOf', 'pattern', 'minLength', 'maxLength', 'minimum', 'maximum'],
  ...[
    'required',
    'properties',
    'additionalProperties',
    'minProperties',
    'maxProperties',
    'items',
    'minItems',
  ],
  ...['maxItems', 'description', 'format', 'dependentRequired'],
]);
/** Larger than this nothing is made at random: limits have a damage of their own. */
const SMALL = 4;
const word = fc.string({
  unit: fc.constantFrom(...'abcxyz.-_/ %"\\é€😀\u2028\u00a0'),
  minLength: 1,
  maxLength: 12,
});

/** JSON with nothing in it that I-JSON refuses, but for what fast-check thinks of. */
const anything = (): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }) }, { weight: 2, arbitrary: word });

/** Every character but controls: what fast-check would make of it is a list of all of Unicode, each time. */
const ALL_BUT_CONTROLS = '[^\\u0000-\\u001f\\u007f]';

/** Text for a pattern. Look-aheads are taken out for the making and hold in the filter. */
function text(pattern: string): fc.Arbitrary<string> {
  const whole = new RegExp(pattern, 'u');
  const bare = pattern
    .replaceAll(/\(\?!(?:[^()]|\([^()]*\))*\)/g, '')
    .replaceAll(ALL_BUT_CONTROLS, '[ -~é€]');
  return fc
    .stringMatching(new RegExp(bare), { size: 'small' })
    .filter((s) => whole.test(s) && isWellFormed(s));
}

/** Arbitrary values that fit `schema`. @throws for a keyword that is not known here */
export function fitting(schema: Schema): fc.Arbitrary<unknown> {
  for (const keyword of Object.keys(schema)) {
    if (!KNOWN.has(keyword)) throw new Error(`the keyword ${keyword} is not known to this generator`);
  }
  if (schema.enum !== undefined) return fc.constantFrom(...(schema.enum as unknown[]));
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.anyOf !== undefined) return fc.oneof(...(schema.anyOf as Schema[]).map(fitting));
  switch (schema.type) {
    case undefined:
      return anything();
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number': {
      const { minimum: min = -(2 ** 40), maximum: max = 2 ** 40 } = schema as {
        minimum?: number;
        maximum?: number;
      };
      return fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max));
    }
    case 'string': {
      if (schema.pattern !== undefined) return text(schema.pattern as string);
      const { minLength = 0, maxLength = 64 } = schema as { minLength?: number; maxLength?: number };
      return word.filter((s) => [...s].length >= minLength && [...s].length <= maxLength);
    }
    case 'array': {
      const {
        minItems = 0,
        maxItems = SMALL,
        items = {},
      } = schema as {
        minItems?: number;
        maxItems?: number;
        items?: Schema;
      };
      return fc.array(fitting(items), {
        minLength: minItems,
        maxLength: Math.max(minItems, Math.min(SMALL, maxItems)),
      });
    }
    case 'object':
      return objectOf(schema);
    default:
      throw new Error(`the type ${String(schema.type)} is not known to this generator`);
  }
}

function objectOf(schema: Schema): fc.Arbitrary<unknown> {
  const {
    properties = {},
    required = [],
    additionalProperties: more,
  } = schema as {
    properties?: Record<string, Schema>;
    required?: string[];
    additionalProperties?: boolean | Schema;
  };
  const named = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, s]) => [name, fitting(s)])),
    { requiredKeys: required },
  );
  const open = more === undefined ? {} : more;
  if (open === false) return named.map((v) => complete(v as Record<string, unknown>, schema));
  const least = Number(schema.minProperties ?? 0);
  const rest = fc.dictionary(word, fitting(open === true ? {} : open), {
    minKeys: least,
    maxKeys: Math.max(least, SMALL),
  });
  return fc.tuple(rest, named).map(([a, b]) => complete({ ...a, ...(b as object) }, schema));
}

/** Without the members that may not stand there alone. */
function complete(value: Record<string, unknown>, { dependentRequired = {} }: Schema): unknown {
  const rules = Object.entries(dependentRequired as Record<string, string[]>);
  const alone = rules.filter(([name, others]) => name in value && others.some((o) => !(o in value)));
  if (alone.length === 0) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !alone.some(([n]) => n === name)));
}
