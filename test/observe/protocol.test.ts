/** The words between attestd and its root helper: one spelling, bounds, and nothing believed that is spelt otherwise. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createAnswerReader,
  END,
  LOGS,
  MAX_PIECE,
  MAX_QUESTION,
  parseExecutable,
  parseQuestion,
  parseReport,
  printExecutable,
  printPiece,
  printQuestion,
  printRefusal,
  printReport,
  type Question,
  REFUSALS,
} from '../../src/measure/observer/protocol.ts';

const runs = Number(process.env.FUZZ_RUNS ?? '2000');

const question: fc.Arbitrary<Question> = fc.oneof(
  fc.record({
    ask: fc.constant('exe' as const),
    pid: fc.integer({ min: 1, max: 0x7fffffff }),
    startTicks: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  }),
  fc.constantFrom(...LOGS).map((ask) => ({ ask })),
  fc.record({ ask: fc.constant('tsm' as const), data: fc.uint8Array({ minLength: 64, maxLength: 64 }) }),
);

describe('a question', () => {
  it('is read as it was written, within its bound', () => {
    fc.assert(
      fc.property(question, (q) => {
        const line = printQuestion(q);
        expect(line.length).toBeLessThanOrEqual(MAX_QUESTION);
        expect(parseQuestion(line.slice(0, -1))).toEqual(q);
      }),
    );
  });

  it('has one spelling', () => {
    const near = fc
      .tuple(question, fc.nat(160), fc.string({ minLength: 0, maxLength: 2 }), fc.nat(2))
      .map(([q, at, put, cut]) => {
        const line = printQuestion(q).slice(0, -1);
        return line.slice(0, at) + put + line.slice(at + cut);
      });
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit: 'binary', maxLength: 200 })), (line) => {
        const q = parseQuestion(line);
        if (q !== undefined) expect(printQuestion(q)).toBe(`${line}\n`);
      }),
      { numRuns: runs },
    );
  });

  it.each([
    '',
    'exe',
    'exe 0 1',
    'exe 1 0',
    'exe 01 1',
    'exe 2147483648 1',
    'exe 1 9007199254740992',
    'exe -1 1',
    'exe 1 1 ',
    'exe  1 1',
    'EXE 1 1',
    'ima\r',
    'ima 0',
    'firmware/../../etc/shadow',
    `tsm ${'A'.repeat(128)}`,
    `tsm ${'0'.repeat(126)}`,
  ])('%j is none', (line) => expect(parseQuestion(line)).toBeUndefined());
});

/** What comes of an answer that arrives in these chunks. */
function read(chunks: readonly Uint8Array[]): { end: string | undefined; bytes: Buffer } {
  const pieces: Uint8Array[] = [];
  const reader = createAnswerReader((b) => pieces.push(Uint8Array.from(b)));
  let end: string | undefined;
  for (const c of chunks) end ??= reader.take(c);
  return { end, bytes: Buffer.concat(pieces) };
}

describe('an answer', () => {
  it('is the same however it is cut up on its way', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 5 }),
        fc.constantFrom(END, ...REFUSALS.map(printRefusal)),
        fc.array(fc.nat(400), { maxLength: 8 }),
        (pieces, end, cuts) => {
          const whole = Buffer.concat([...pieces.map(printPiece), Buffer.from(end)]);
          const places = [
            0,
            ...cuts.map((c) => Math.min(c, whole.length)).sort((a, b) => a - b),
            whole.length,
          ];
          const chunks = places.slice(1).map((to, i) => whole.subarray(places[i], to));
          const expected = end === END ? 'whole' : end.slice(1, -1);
          expect(read(chunks)).toEqual({ end: expected, bytes: Buffer.concat(pieces) });
        },
      ),
    );
  });

  it('is whole only where it says so, whatever the bytes are', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc
        .array(fc.constantFrom('+1\n', 'x', '.', '\n', '-gone\n', '+65536\n', '+'), { maxLength: 12 })
        .map((a) => Uint8Array.from(Buffer.from(a.join('')))),
    );
    fc.assert(
      fc.property(bytes, (b) => {
        let end: string | undefined;
        try {
          end = read([b]).end;
        } catch {
          return;
        }
        if (end === 'whole')
          expect(Buffer.from(b).toString('latin1')).toMatch(/^(?:\+[1-9]\d*\n[\s\S]*)?\.\n$/);
      }),
      { numRuns: runs },
    );
  });

  it.each([
    ['a piece without bytes', '+0\n.\n'],
    ['a length with a zero before it', '+01\nx.\n'],
    ['a piece over the bound', `+${MAX_PIECE + 1}\n`],
    ['a line without end', 'x'.repeat(20)],
    ['a word that is none', '-maybe\n'],
    ['something after the end', '.\n.'],
    ['a length that is no number', '+1e3\n'],
  ])('%s is refused', (_what, text) => expect(() => read([Buffer.from(text)])).toThrow(/attestd-observe/));

  it('about an executable has digest and path, and nothing else', () => {
    const path = '/opt/a b/é';
    const sha256 = 'ab'.repeat(32);
    expect(parseExecutable(printExecutable(sha256, Buffer.from(path)))).toEqual({ path, sha256 });
    for (const bad of [sha256, `${sha256} `, `${sha256}  \0`, ` ${sha256} /x`, `${sha256.toUpperCase()} /x`])
      expect(() => parseExecutable(Buffer.from(bad))).toThrow();
    expect(() => parseExecutable(printExecutable(sha256, Uint8Array.of(0xff)))).toThrow();
  });

  it('about a report has what the host adds apart', () => {
    const report = { platform: 'tdx', report: Uint8Array.of(1, 10, 2), auxiliary: Uint8Array.of(9) } as const;
    expect(parseReport(Uint8Array.from(printReport(report)))).toEqual(report);
    for (const bad of ['', 'tdx 3\n12', 'sgx 1\n1', 'tdx 0\n', 'tdx 1', 'tdx 01\n1'])
      expect(() => parseReport(Buffer.from(bad))).toThrow();
  });
});
