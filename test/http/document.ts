/** What openapi.json says of each operation, with an independent check of every schema in it (Ajv; the daemon has typebox). */
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

export type Schema = { readonly [keyword: string]: unknown };
export type Check = (value: unknown) => boolean;

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required?: boolean;
  readonly schema: Schema;
}

export interface Operation {
  readonly id: string;
  /** In capitals. */
  readonly method: string;
  /** With {names}. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Schemas of the body by media type; empty where there is none. */
  readonly bodies: ReadonlyMap<string, Schema>;
  /** Whether a body of this media type fits the document. */
  fits(media: string, value: unknown): boolean;
  /** What is wrong with an answer in the eyes of the document. */
  complaint(status: number, media: string, body: Buffer): string | undefined;
}

const ajv = new Ajv2020({ strict: false, allErrors: false, formats: { binary: true } });
const compiled = new Map<Schema, ValidateFunction>();
function compile(schema: Schema): ValidateFunction {
  const known = compiled.get(schema) ?? ajv.compile(schema);
  compiled.set(schema, known);
  return known;
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>;
interface Written {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

/** `a/b; c=d` is compared as a media type, which may carry parameters that the document leaves out. */
const essence = (media: string): string => media.split(';', 1)[0] as string;

function operation(method: string, path: string, o: Written): Operation {
  const bodies = new Map(
    Object.entries(o.requestBody?.content ?? {}).map(([media, { schema }]) => [media, schema ?? {}] as const),
  );
  return {
    id: o.operationId,
    method: method.toUpperCase(),
    path,
    parameters: o.parameters ?? [],
    bodies,
    fits: (media, value) => compile(bodies.get(media) as Schema)(value),
    complaint(status, media, body) {
      const answer = o.responses[status];
      if (answer === undefined) return `the document names no answer ${status}`;
      const found = Object.entries(answer.content ?? {}).find(([m]) => essence(m) === essence(media));
      if (found === undefined) return `the document names no ${media} for ${status}`;
      const { schema } = found[1];
      if (!/json$/.test(essence(media)) || schema === undefined) return undefined;
      const check = compile(schema);
      const text = body.toString();
      const texts =
        media === 'application/x-ndjson' ? text.split('\n').filter((line) => line !== '') : [text];
      for (const one of texts) {
        let value: unknown;
        try {
          value = JSON.parse(one);
        } catch {
          return `an answer ${status} that is not JSON`;
        }
        if (!check(value)) return `an answer ${status} off its schema: ${ajv.errorsText(check.errors)}`;
      }
      return undefined;
    },
  };
}

const file = new URL('../../openapi.json', import.meta.url);
const { paths } = JSON.parse(readFileSync(file, 'utf8')) as {
  paths: Readonly<Record<string, Readonly<Record<string, Written>>>>;
};

/** Every operation of the document. */
export const OPERATIONS: readonly Operation[] = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, o]) => operation(method, path, o)),
);

/** Methods that the document gives for a path of it, as the Allow header has them. */
export const methodsOf = (path: string): string =>
  OPERATIONS.filter((o) => o.path === path)
    .map((o) => o.method)
    .sort()
    .join(', ');

/** Whether these problem details are those of the document: every refusal has the same. */
export const isProblem = (() => {
  const any = paths['/v1/health']?.get?.responses[403]?.content?.['application/problem+json']?.schema;
  return compile(any as Schema) as Check;
})();
