import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64Url, fromUtf8, toBase64Url, toHex, utf8 } from '../../src/core/bytes.ts';
import { type Json, type JsonObject, jcs, parseJson } from '../../src/core/json.ts';
import { formatTime } from '../../src/core/time.ts';
import { ulid } from '../../src/core/ulid.ts';
import { canonical } from '../../src/evidence/canonical.ts';
import { disclosureDigest, makeDisclosure, parseDisclosure } from '../../src/evidence/disclosure.ts';
import { MAX_ENTRY, parseEntry } from '../../src/evidence/dsse.ts';
import { createExecutionWriter } from '../../src/evidence/execution.ts';
import { createRandomPool, createSalts } from '../../src/evidence/pool.ts';
import { type Body, buildEntry } from '../../src/evidence/record.ts';
import type { ObservedCaller } from '../../src/evidence/schema/execution.ts';
import { RecordRequest } from '../../src/evidence/schema/request.ts';
import { checkShape, readStatement, type Subject } from '../../src/evidence/statement.ts';
import { runs } from '../fuzz/runs.ts';
import { json, requests } from './kit/requests.ts';
import { BOOT, LOG, OBSERVED, source, TIME } from './kit/writing.ts';

/** The same record by the plain way: RFC 8785 over a predicate object. */
function byGeneralBuilder(request: RecordRequest, observed: ObservedCaller) {
  const random = createRandomPool(source());
  const disclosures: string[] = [];
  const disclose = (name: string, value: Json) => {
    const d = makeDisclosure(random(16), name, value);
    disclosures.push(d);
    return disclosureDigest(d);
  };
  const id = ulid(TIME, random(10));
  const salt = fromBase64Url(createSalts(random)());
  const groups: [string, JsonObject][] = [];
  for (const name of ['inputs', 'parameters', 'outputs'] as const) {
    const salted = request[name];
    const plain = request.plain?.[name];
    if (salted === undefined && plain === undefined) continue;
    const sd = Object.entries(salted ?? {}).map(([n, v]) => toBase64Url(disclose(n, v as Json)));
    groups.push([
      name,
      Object.fromEntries([['_sd', sd.sort()], ...Object.entries(plain ?? {})]) as JsonObject,
    ]);
  }
  const artefacts = (request.artefacts ?? []).map(
    (a): Subject =>
      a.plain === true
        ? { name: a.name, digest: { sha256: a.sha256 } }
        : {
            name: a.name,
            digest: { sha256: toHex(disclose(a.name, `sha256:${a.sha256}`)) },
            annotations: { salted: true },
          },
  );
  const { outcome, phase, action, claimed, parents, trace, capture } = request;
  const body = {
    phase,
    action,
    caller: { observed, ...(claimed === undefined ? {} : { claimed }) },
    authorization: 'ungoverned',
    ...Object.fromEntries(groups),
    ...(outcome === undefined ? {} : { outcome: { ...outcome, observedBy: 'caller' } }),
    ...(parents === undefined ? {} : { parents }),
    ...(trace === undefined ? {} : { trace }),
    ...(capture === undefined ? {} : { capture }),
  } as Body<'execution'>;
  const frame = { id, log: LOG, boot: BOOT, timeMs: TIME, salt };
  return { ...buildEntry('execution', body, frame, artefacts), disclosures };
}

const write = (request: RecordRequest, observed = OBSERVED) =>
  createExecutionWriter({ log: LOG, boot: BOOT, random: source() })(request, jcs(observed), TIME);

describe('salts', () => {
  it('are the bytes of the source in base64url, each given once', () => {
    const bought: string[] = [];
    const random = createRandomPool(source(), 100);
    const salts = createSalts((n) => {
      const bytes = random(n);
      bought.push(toBase64Url(bytes));
      return bytes;
    });
    const given = Array.from({ length: 300 }, () => salts());
    expect(given).toEqual(bought.slice(0, 300));
    expect(new Set(given).size).toBe(300);
  });
});

describe('the execution writer', () => {
  it('gives the bytes of the general builder, whatever the request', () => {
    fc.assert(
      fc.property(requests, (request) => {
        checkShape('request', RecordRequest, request);
        const sent = parseJson(JSON.stringify(request)) as RecordRequest;
        const fast = write(sent);
        const plain = byGeneralBuilder(sent, OBSERVED);
        expect(fromUtf8(fast.entry)).toBe(fromUtf8(plain.entry));
        const { id, recordDigest, disclosures } = fast;
        expect({ id, recordDigest, disclosures, entry: fast.entry }).toEqual(plain);
      }),
      { numRuns: runs(400) },
    );
  });

  it('gives entries that read back, whose disclosures open what the request held', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const { entry, id, disclosures } = write(request);
        const statement = readStatement(entry);
        if (statement.kind !== 'execution') throw new Error('not an execution');
        const p = statement.predicate;
        expect(p).toMatchObject({
          id,
          log: LOG,
          boot: BOOT,
          phase: request.phase,
          authorization: 'ungoverned',
        });
        expect(p.caller.observed).toEqual(OBSERVED);
        const digests = new Set([
          ...[p.inputs, p.parameters, p.outputs].flatMap((g) => g?._sd ?? []),
          ...statement.artefacts.filter((a) => a.annotations).map((a) => a.digest.sha256),
        ]);
        expect(digests.size).toBe(disclosures.length);
        for (const d of disclosures) {
          const digest = disclosureDigest(d);
          expect(digests.has(toBase64Url(digest)) || digests.has(toHex(digest))).toBe(true);
        }
        const opened = disclosures.map((d) => parseDisclosure(d)).map(({ name, value }) => [name, value]);
        const sent = (['inputs', 'parameters', 'outputs'] as const).flatMap((g) =>
          Object.entries(request[g] ?? {}),
        );
        expect(opened.slice(0, sent.length)).toEqual(sent);
      }),
      { numRuns: runs(200) },
    );
  });

  it('never gives two records the same id or salt', () => {
    const writer = createExecutionWriter({ log: LOG, boot: BOOT, random: source() });
    const request: RecordRequest = { phase: 'attempted', action: { type: 't', name: 'n' }, inputs: { a: 1 } };
    const made = Array.from({ length: 2000 }, () => writer(request, jcs(OBSERVED), TIME));
    expect(new Set(made.map((m) => m.id)).size).toBe(2000);
    expect(new Set(made.flatMap((m) => m.disclosures)).size).toBe(2000);
  });

  it('writes each time as it is, within a second and across', () => {
    const writer = createExecutionWriter({ log: LOG, boot: BOOT, random: source() });
    for (const ms of [
      0,
      1,
      9,
      10,
      99,
      100,
      999,
      1000,
      1005,
      TIME,
      TIME + 1,
      TIME - 1,
      TIME + 86_400_000,
      8.64e15,
    ]) {
      const request: RecordRequest = { phase: 'attempted', action: { type: 't', name: 'n' } };
      const { json } = parseEntry(writer(request, jcs(OBSERVED), ms).entry);
      expect((json.predicate as JsonObject).time).toBe(formatTime(ms));
    }
  });

  it('refuses a name that is salted and plain, naming it', () => {
    const request: RecordRequest = {
      phase: 'attempted',
      action: { type: 't', name: 'n' },
      outputs: { 'a/b~c': 1 },
      plain: { outputs: { 'a/b~c': 2 } },
    };
    expect(() => write(request)).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', facts: { field: '/plain/outputs/a~1b~0c' } }),
    );
  });

  it.each([
    ['a value', { inputs: { a: '\ud800' } }],
    ['a plain value', { plain: { inputs: { a: ['\udfff'] } } }],
    ['an action', { action: { type: 't', name: '\ud83d' } }],
    ['a claim', { claimed: { sub: 'x\udc00y' } }],
    ['an artefact', { artefacts: [{ name: '\ud800', sha256: '00'.repeat(32), plain: true }] }],
  ])('refuses a lone surrogate in %s', (_, part) => {
    const request: RecordRequest = { phase: 'attempted', action: { type: 't', name: 'n' }, ...part };
    expect(() => write(request)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });

  it('fills an entry to 65,535 bytes and not one more', () => {
    const request = (n: number, unit: string): RecordRequest => ({
      phase: 'attempted',
      action: { type: 't', name: 'n' },
      plain: { inputs: { a: unit.repeat(n) } },
    });
    const empty = write(request(9999, 'x')).entry.length - 9999;
    const room = MAX_ENTRY - empty;
    const full = write(request(room, 'x'));
    expect(full.entry.length).toBe(MAX_ENTRY);
    expect(readStatement(full.entry).kind).toBe('execution');
    expect(parseEntry(full.entry).payload.length).toBeLessThan(MAX_ENTRY);
    for (const [n, unit] of [
      [room + 1, 'x'],
      [room + 500, 'x'],
      [70_000, 'x'],
      [30_000, '€'],
      [60_000, '€'],
    ] as const) {
      expect(() => write(request(n, unit))).toThrow(expect.objectContaining({ code: 'RECORD_TOO_LARGE' }));
    }
    // A refusal leaves nothing behind in the writer.
    expect(write(request(room, 'x')).entry).toEqual(full.entry);
  });

  it('keeps an unreadable caller as such', () => {
    const observed: ObservedCaller = {
      ...OBSERVED,
      startTicks: 'unreadable',
      exe: 'unreadable',
      cgroup: 'unreadable',
      method: 'SO_PEERCRED',
    };
    const request: RecordRequest = { phase: 'completed', action: { type: 't', name: 'n' } };
    expect(write(request, observed).entry).toEqual(byGeneralBuilder(request, observed).entry);
  });
});

it('the quick canonical form is that of the library', () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(canonical(value)).toBe(jcs(value));
    }),
    { numRuns: runs(500) },
  );
  const odd = JSON.parse(
    '{"__proto__":{"b":1,"a":2},"toJSON":"x","\\u20ac":"\\u0000\\u001f\\"\\\\","z":[[],{}]}',
  );
  expect(canonical(odd)).toBe(jcs(odd));
  expect(utf8(canonical(odd))).toEqual(utf8(jcs(odd)));
});
