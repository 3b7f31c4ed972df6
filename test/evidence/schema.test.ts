import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { schemaCatalogue } from '../../src/evidence/schema/catalogue.ts';

type Node = { [keyword: string]: unknown };
const catalogue = schemaCatalogue();

/** Every place in a schema where a value could grow without bound or hold what nobody named. */
function faults(node: unknown, path: string, out: string[] = []): string[] {
  if (node === null || typeof node !== 'object') return out;
  const s = node as Node;
  if (s.type === 'object' && s.additionalProperties !== false) out.push(`${path}: open object`);
  if (s.type === 'array' && typeof s.maxItems !== 'number') out.push(`${path}: array without maxItems`);
  if (s.type === 'string' && s.const === undefined && typeof s.maxLength !== 'number') {
    const pattern = String(s.pattern ?? '.*');
    const bounded = /^\^.*\$$/.test(pattern) && !/[*+]|,\}/.test(pattern.replace(/\[[^\]]*\]/g, 'x'));
    if (!bounded) out.push(`${path}: string without bound (${pattern})`);
  }
  if (s.type === 'integer' && (s.minimum === undefined || s.maximum === undefined)) {
    out.push(`${path}: integer without bounds`);
  }
  for (const [k, v] of Object.entries(s)) if (k !== 'enum') faults(v, `${path}/${k}`, out);
  return out;
}

describe('schemas', () => {
  it.each(Object.entries(catalogue))('%s: every object is closed, everything is bounded', (_, schema) => {
    expect(faults(schema, '')).toEqual([]);
  });

  it.each(Object.entries(catalogue))('%s: is a valid draft 2020-12 document', (name, schema) => {
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    expect(ajv.validateSchema(schema)).toBe(true);
    expect(ajv.compile(schema)).toBeTypeOf('function');
    expect(schema.$id).toBe(`https://attestd.dev/schema/${name}/v1`);
  });

  it('the walk finds what is open', () => {
    expect(
      faults(
        {
          type: 'object',
          properties: { a: { type: 'string' }, b: { type: 'array', items: { type: 'integer' } } },
        },
        '',
      ),
    ).toHaveLength(4);
    expect(Object.keys(catalogue).length).toBeGreaterThanOrEqual(11);
  });
});
