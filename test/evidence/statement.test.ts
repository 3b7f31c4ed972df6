import { describe, expect, it } from 'vitest';
import { fromBase64Url, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { parseTime } from '../../src/core/time.ts';
import { isUlid } from '../../src/core/ulid.ts';
import { makeEntry } from '../../src/evidence/dsse.ts';
import { buildEntry, buildTrusted, newFrame } from '../../src/evidence/record.ts';
import { PREDICATES, predicateType, readStatement } from '../../src/evidence/statement.ts';
import { type Reject, readVectors } from './vectors.ts';

const vectors = readVectors<{
  accept: { name: string; statement: string }[];
  reject: (Reject & { statement: string })[];
}>('statement');

describe('statement vectors', () => {
  it.each(vectors.accept)('$name: accepted, and built again to the same bytes', ({ statement }) => {
    const entry = makeEntry(utf8(statement));
    const { kind, predicate, artefacts } = readStatement(entry);
    const { v, id, log, time, salt, ...rest } = predicate;
    const { boot, ...body } = rest as { boot?: string };
    expect(v).toBe(1);
    const frame = { id, log, timeMs: parseTime(time), salt: fromBase64Url(salt) };
    const built = buildEntry(kind, body as never, boot === undefined ? frame : { ...frame, boot }, artefacts);
    expect(fromUtf8(built.entry)).toBe(fromUtf8(entry));
    expect(predicateType(kind)).toBe(JSON.parse(statement).predicateType);
  });

  it.each(vectors.accept)('$name: built without a look at the schema, the same bytes', ({ statement }) => {
    const entry = makeEntry(utf8(statement));
    const { kind, predicate, artefacts } = readStatement(entry);
    if (artefacts.length > 0) return;
    const { v: _, id, log, time, salt, ...rest } = predicate;
    const { boot, ...body } = rest as { boot?: string };
    const frame = { id, log, timeMs: parseTime(time), salt: fromBase64Url(salt) };
    const built = buildTrusted(kind, body as never, boot === undefined ? frame : { ...frame, boot });
    expect(fromUtf8(built.entry)).toBe(fromUtf8(entry));
  });

  it.each(vectors.reject)('$name: refused', ({ statement, code }) => {
    expect(() => readStatement(makeEntry(utf8(statement)))).toThrow(expect.objectContaining({ code }));
  });

  it('every kind has an accepted vector', () => {
    const seen = new Set(vectors.accept.map((v) => readStatement(makeEntry(utf8(v.statement))).kind));
    expect([...seen].sort()).toEqual(Object.keys(PREDICATES).sort());
  });
});

describe('a statement', () => {
  const gap = vectors.accept.find((v) => v.name === 'gap')?.statement ?? '';

  it('with one byte of its predicate changed is refused: the first subject binds it', () => {
    const bytes = utf8(gap);
    const from = gap.indexOf('"predicate":') + 12;
    const to = gap.indexOf(',"predicateType"');
    for (let at = from; at < to; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] as number) ^ 1;
      try {
        readStatement(makeEntry(changed));
        expect.fail(`accepted with byte ${at} changed`);
      } catch (e) {
        expect(isAttestdError(e, 'MALFORMED')).toBe(true);
      }
    }
  });

  it('names the field that is wrong', () => {
    const wrong = gap.replace('"reason":"counter', '"reason":"\\u0001counter');
    expect(() => readStatement(makeEntry(utf8(wrong)))).toThrow(
      expect.objectContaining({ facts: { field: '/reason' } }),
    );
  });

  it('is not built with a body that does not fit', () => {
    const frame = newFrame({ log: 'a/b/1', boot: 'ab'.repeat(32) }, 0, (n) => new Uint8Array(n));
    expect(isUlid(frame.id)).toBe(true);
    expect(frame.salt.length).toBe(16);
    const bad = { reason: 'x', detail: 'y', extra: 1 };
    expect(() => buildEntry('gap', bad, frame)).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
    expect(() => buildEntry('gap', { reason: 'x', detail: '' }, frame)).toThrow(/detail/);
    const { boot: _, ...unbooted } = frame;
    expect(() => buildEntry('gap', { reason: 'x', detail: 'y' }, unbooted)).toThrow(/boot|required/);
  });

  it('has the record digest of its whole entry', () => {
    const frame = newFrame({ log: 'a/b/1', boot: 'ab'.repeat(32) }, 1000, (n) => new Uint8Array(n).fill(7));
    const a = buildEntry('gap', { reason: 'x', detail: 'y' }, frame);
    const b = buildEntry('gap', { reason: 'x', detail: 'z' }, frame);
    expect(toHex(a.recordDigest)).not.toBe(toHex(b.recordDigest));
    expect(a.id).toBe(frame.id);
  });
});
