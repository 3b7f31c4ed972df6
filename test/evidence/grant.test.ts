/** The quick writers of the governed flow give the bytes of the plain way. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromUtf8, toHex } from '../../src/core/bytes.ts';
import { jcs } from '../../src/core/json.ts';
import { createTimeWriter, formatTime } from '../../src/core/time.ts';
import { MAX_ENTRY } from '../../src/evidence/dsse.ts';
import { authorizationText, createGrantWriter } from '../../src/evidence/grant.ts';
import { createRandomPool } from '../../src/evidence/pool.ts';
import { type Body, buildEntry, newFrame } from '../../src/evidence/record.ts';
import type { Authorization } from '../../src/evidence/schema/execution.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { runs } from '../fuzz/runs.ts';
import { requests } from './kit/requests.ts';
import { BOOT, LOG, OBSERVED, source, TIME } from './kit/writing.ts';

const hex32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);
const id = fc.constantFrom('01M8HDHX1YG0XYDVQ8E00VBDF2', '7ZZZZZZZZZZZZZZZZZZZZZZZZZ');
const ref = fc.record({ id, digest: hex32 });
const text = fc.constantFrom('a', 'bench@1', 'é€', '"quoted\\"', '\u{1f600}', '\\ud800 as it is typed');
const uses = fc.integer({ min: 1, max: 1024 });
const policy = { id: text, sha256: hex32, engine: fc.constantFrom('cedar-4.13.0', 'of "some" kind') };
const time = fc.integer({ min: 0, max: 4e12 }).map((ms) => formatTime(ms));

const constraint = fc.oneof(
  fc.record({ min: fc.integer(), max: fc.integer() }),
  fc.record({ oneOf: fc.array(fc.oneof(text, fc.boolean(), fc.integer()), { minLength: 1, maxLength: 3 }) }),
);
const row = fc.record(
  {
    type: text,
    name: text,
    target: text,
    parameters: fc.dictionary(fc.constantFrom('b', 'a'), constraint, { minKeys: 1, noNullPrototype: true }),
  },
  { requiredKeys: ['type', 'name'], noNullPrototype: true },
);
const required = ['scope', 'holder', 'maxUses', 'seconds', 'notBefore', 'notAfter'] as const;
const asked = fc.record(
  {
    scope: fc.array(row, { minLength: 1, maxLength: 3 }),
    holder: fc.record(
      { uid: fc.nat(), unit: text, cgroup: text, exeSha256: hex32 },
      { requiredKeys: ['uid'], noNullPrototype: true },
    ),
    maxUses: uses,
    seconds: fc.integer({ min: 1, max: 31_622_400 }),
    notBefore: time,
    notAfter: time,
    delegable: fc.record({ depth: fc.integer({ min: 1, max: 8 }) }),
    environment: fc.record(
      {
        pcrs: fc.record({ sha256: fc.record({ 7: hex32, 11: hex32 }) }),
        boot: hex32,
        sealed: fc.constant(true),
      },
      { requiredKeys: [], noNullPrototype: true },
    ),
    policy: fc.record({ ...policy, change: ref, determining: fc.array(text, { maxLength: 3 }) }),
    approvals: fc.array(fc.record({ id, digest: hex32, uid: fc.nat() }), { minLength: 1, maxLength: 3 }),
    delegation: fc.record({ grant: ref, use: fc.record({ n: uses, prev: ref, count: uses }) }),
    breakGlass: fc.record({ reason: text }),
    parameters: fc.record({
      _sd: fc.array(fc.constant('A'.repeat(43)), { maxLength: 2 }),
      amount: fc.integer(),
    }),
  },
  { requiredKeys: [...required], noNullPrototype: true },
);
/** Predicates of grants of every shape, without their frame. */
const bodies = fc.tuple(asked, requests).map(([a, { claimed, parents, trace }]) => {
  const caller = { observed: OBSERVED, ...(claimed === undefined ? {} : { claimed }) };
  const rest = { ...(parents === undefined ? {} : { parents }), ...(trace === undefined ? {} : { trace }) };
  return { caller, ...a, ...rest } as unknown as Body<'grant'>;
});

const writer = () => createGrantWriter({ log: LOG, boot: BOOT, random: source() });

describe('the writer of grants', () => {
  it('gives the bytes of the general builder, whatever was granted', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        const frame = newFrame({ log: LOG, boot: BOOT }, TIME, copying(createRandomPool(source())));
        const plain = buildEntry('grant', body, frame);
        const fast = writer()(body, jcs(OBSERVED), TIME);
        expect(fromUtf8(fast.entry)).toBe(fromUtf8(plain.entry));
        expect(fast).toEqual(plain);
        expect(readStatement(fast.entry).kind).toBe('grant');
      }),
      { numRuns: runs(400) },
    );
  });

  it('writes each policy as it is, whichever was written before', () => {
    const write = writer();
    const [body] = fc.sample(bodies, { seed: 1, numRuns: 1 });
    const policies = fc.sample(asked, { seed: 2, numRuns: 20 }).flatMap((a) => a.policy ?? []);
    for (const policy of [...policies, ...policies]) {
      const { entry } = write({ ...(body as Body<'grant'>), policy }, jcs(OBSERVED), TIME);
      expect(readStatement(entry).predicate).toMatchObject({ policy });
    }
    expect(policies.length).toBeGreaterThan(4);
  });

  it('refuses a lone surrogate, and what is too large', () => {
    const [body] = fc.sample(bodies, { seed: 1, numRuns: 1 }) as [Body<'grant'>];
    const refused = (more: Partial<Body<'grant'>>, code: string) =>
      expect(() => writer()({ ...body, ...more }, jcs(OBSERVED), TIME)).toThrow(
        expect.objectContaining({ code }),
      );
    refused({ breakGlass: { reason: 'x\ud800' } }, 'MALFORMED');
    refused({ scope: [{ type: 't', name: '\udfff' }] }, 'MALFORMED');
    refused({ breakGlass: { reason: 'x'.repeat(MAX_ENTRY) } }, 'RECORD_TOO_LARGE');
    refused({ breakGlass: { reason: '€'.repeat(MAX_ENTRY / 2) } }, 'RECORD_TOO_LARGE');
  });

  it('never gives two grants the same id or salt', () => {
    const write = writer();
    const [body] = fc.sample(bodies, { seed: 1, numRuns: 1 }) as [Body<'grant'>];
    const made = Array.from({ length: 2000 }, () => write(body, jcs(OBSERVED), TIME));
    expect(new Set(made.map((m) => m.id)).size).toBe(2000);
    const salts = made.map((m) => /"salt":"([^"]+)"/.exec(fromUtf8(m.entry))?.[1]);
    expect(new Set(salts).size).toBe(2000);
  });
});

it('the text of an authorization is the canonical one', () => {
  const use = fc.record({ n: uses, prev: ref });
  const authorizations = fc.record(
    { grant: ref, use, policy: fc.record(policy), checkedAt: time },
    { requiredKeys: ['grant', 'use', 'checkedAt'], noNullPrototype: true },
  );
  fc.assert(
    fc.property(authorizations, (a) => {
      expect(authorizationText(a as Authorization)).toBe(jcs(a));
    }),
    { numRuns: runs(200) },
  );
});

it('the writer of times writes what formatTime does, whichever was written before', () => {
  const write = createTimeWriter();
  const ms = fc.oneof(
    fc.integer({ min: TIME - 3000, max: TIME + 3000 }),
    fc.integer({ min: 0, max: 8.64e15 }),
  );
  fc.assert(
    fc.property(ms, (t) => {
      expect(write(t)).toBe(formatTime(t));
    }),
    { numRuns: runs(500) },
  );
});

/** What the pool gives is valid until the next call: the plain builder keeps it longer. */
const copying = (random: (n: number) => Uint8Array) => (n: number) => random(n).slice();
