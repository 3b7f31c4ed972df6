import { Ajv2020 } from 'ajv/dist/2020.js';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { RecordRequest } from '../../src/evidence/schema/request.ts';
import { readVectors } from './vectors.ts';

const vectors = readVectors<{
  accept: { name: string; body: unknown }[];
  reject: { name: string; body: unknown; field: string }[];
}>('request');

// The daemon checks with Ajv, the rest of the house with TypeBox: they must agree on every vector.
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
const validate = ajv.compile(RecordRequest);

describe('bodies of POST /v1/records', () => {
  it.each(vectors.accept)('$name: fits', ({ body }) => {
    const before = structuredClone(body);
    expect(validate(body)).toBe(true);
    expect(Check(RecordRequest, body)).toBe(true);
    expect(body).toEqual(before);
  });

  it.each(vectors.reject)('$name: does not fit, and the field is named', ({ body, field }) => {
    expect(Check(RecordRequest, body)).toBe(false);
    expect(validate(body)).toBe(false);
    expect(validate.errors?.map((e) => e.instancePath)).toContain(field);
  });
});
