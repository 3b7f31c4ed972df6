/** Arbitrary requests and values for the properties of the execution writer. */
import fc from 'fast-check';
import { toHex } from '../../../src/core/bytes.ts';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import type { RecordRequest } from '../../../src/evidence/schema/request.ts';

const word = (max: number) =>
  fc.oneof(
    fc.constantFrom(
      'a',
      'Z',
      '0',
      'é',
      '€',
      '\u{1f600}',
      '"',
      '\\',
      '\\ud800',
      '/',
      '~',
      '__proto__',
      'constructor',
      '10',
      '9',
    ),
    fc
      .string({ minLength: 1, maxLength: max, unit: 'grapheme-composite' })
      .map((s) => s.replace(/\p{Cc}/gu, '_')),
  );
const memberName = word(20).filter((n) => !['_sd', '_sd_alg', '...'].includes(n) && [...n].length <= 128);
const number = fc.oneof(
  fc.maxSafeInteger().filter((n) => !Object.is(n, -0)),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).filter((n) => !Object.is(n, -0)),
);
/** Any I-JSON value. */
export const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    number,
    fc.string({ maxLength: 20, unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }) as fc.Arbitrary<Json>,
    fc.dictionary(fc.string({ maxLength: 8, unit: 'grapheme' }), tie('value'), {
      maxKeys: 4,
      noNullPrototype: true,
    }) as fc.Arbitrary<Json>,
  ),
})).value;
const members = fc.dictionary(memberName, json, { maxKeys: 5, noNullPrototype: true });
const optional = <T>(a: fc.Arbitrary<T>) => fc.option(a, { nil: undefined });
const hex32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);

/** Requests of every shape. */
export const requests: fc.Arbitrary<RecordRequest> = fc
  .record({
    phase: fc.constantFrom('attempted' as const, 'completed' as const, 'interrupted' as const),
    action: fc.record({ type: word(20), name: word(20), target: optional(word(40)) }).map((a) => drop(a)),
    claimed: optional(
      fc.dictionary(memberName, fc.oneof(fc.string({ maxLength: 40 }), number, fc.boolean()), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
    ),
    inputs: optional(members),
    parameters: optional(members),
    outputs: optional(members),
    plain: optional(
      fc
        .record({ inputs: optional(members), parameters: optional(members), outputs: optional(members) })
        .map((p) => drop(p)),
    ),
    outcome: optional(
      fc
        .record({
          status: fc.constantFrom('succeeded' as const, 'failed' as const, 'timedout' as const),
          effect: fc.constantFrom('dispatched' as const, 'confirmed' as const, 'unknown' as const),
          code: optional(fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.constant('SIGTERM'))),
        })
        .map((o) => drop(o)),
    ),
    artefacts: optional(
      fc.array(
        fc.record({ name: word(30), sha256: hex32, plain: optional(fc.boolean()) }).map((a) => drop(a)),
        { maxLength: 3 },
      ),
    ),
    parents: optional(
      fc.array(
        fc
          .record({
            rel: fc.constantFrom('authorizedBy' as const, 'calledBy' as const, 'completes' as const),
            digest: hex32,
            log: optional(fc.constant('a.b/c/1')),
          })
          .map((p) => drop(p)),
        { maxLength: 3 },
      ),
    ),
    trace: optional(fc.constant({ traceparent: `00-${'4b'.repeat(16)}-${'a1'.repeat(8)}-01` })),
    capture: optional(fc.record({ complete: fc.boolean(), omitted: fc.array(word(20), { maxLength: 3 }) })),
  })
  .map((r) => withoutClashes(drop(r) as RecordRequest));

/** Without the members that are undefined, as JSON has none. */
function drop<T extends object>(o: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined)) as never;
}

function withoutClashes(r: RecordRequest): RecordRequest {
  for (const g of ['inputs', 'parameters', 'outputs'] as const) {
    for (const name of Object.keys(r.plain?.[g] ?? {})) {
      if (Object.hasOwn(r[g] ?? {}, name)) delete (r[g] as JsonObject)[name];
    }
  }
  return r;
}
