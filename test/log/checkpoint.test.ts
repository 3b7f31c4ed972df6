import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromUtf8, toBase64, utf8 } from '../../src/core/bytes.ts';
import { type Checkpoint, parseCheckpoint, printCheckpoint } from '../../src/log/checkpoint.ts';
import { printNote } from '../../src/log/note.ts';
import { parseOrigin, printOrigin } from '../../src/log/origin.ts';
import { parseProof, printProof, splitProof } from '../../src/log/proof.ts';
import { survives } from './fuzz.ts';

const root = new Uint8Array(32).fill(3);
const base64 = toBase64(root);
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const line = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' });
const anyCheckpoint: fc.Arbitrary<Checkpoint> = fc.record({
  origin: line,
  size: fc.oneof(fc.nat(10), fc.maxSafeNat()),
  root: hash,
});

describe('checkpoint', () => {
  test('prints and parses', () => {
    const text = `fleet/host/1\n9007199254740991\n${base64}\n`;
    const checkpoint = { origin: 'fleet/host/1', size: 2 ** 53 - 1, root };
    expect(printCheckpoint(checkpoint)).toBe(text);
    expect(parseCheckpoint(text)).toEqual(checkpoint);
  });

  test('random and mutated texts', () => {
    const bytes = anyCheckpoint.map((c) => utf8(printCheckpoint(c)));
    survives(bytes, (b) => utf8(printCheckpoint(parseCheckpoint(fromUtf8(b)))));
    const foreign = fc
      .tuple(anyCheckpoint, fc.array(line, { minLength: 1, maxLength: 3 }))
      .map(([c, extensions]) => utf8(printCheckpoint({ ...c, extensions })));
    const options = { extensions: true };
    survives(foreign, (b) => utf8(printCheckpoint(parseCheckpoint(fromUtf8(b), options))));
    fc.assert(
      fc.property(foreign, (b) => void expect(() => parseCheckpoint(fromUtf8(b))).toThrow(/extension/)),
    );
  });

  const good = `o\n5\n${base64}\n`;
  test.each([
    ['no newline at the end', good.slice(0, -1), /newline/],
    ['an empty origin', good.slice(1), /origin/],
    ['two lines', 'o\n5\n', /fewer than three/],
    ['a size with a leading zero', good.replace('5', '05'), /tree size/],
    ['a size with a sign', good.replace('5', '+5'), /tree size/],
    ['a size in hexadecimal', good.replace('5', '0x5'), /tree size/],
    ['a size of 2^53', good.replace('5', '9007199254740992'), /tree size/],
    ['an empty size', good.replace('5', ''), /tree size/],
    ['a root of 31 bytes', `o\n5\n${toBase64(root.slice(1))}\n`, /root/],
    ['a root of 33 bytes', `o\n5\n${toBase64(new Uint8Array(33))}\n`, /root/],
    ['a root with bits left over', good.replace('M=', 'N='), /canonical/],
    ['an extension line', `${good}more\n`, /extension/],
    ['an empty line after', `${good}\n`, /extension/],
    ['a carriage return in the origin', `o\r\n5\n${base64}\n`, /origin/],
  ])('refused: %s', (_, text, why) => {
    expect(() => parseCheckpoint(text)).toThrow(why);
  });

  test('an empty extension line is refused even where they are taken', () => {
    expect(() => parseCheckpoint(`${good}\n`, { extensions: true })).toThrow(/extension/);
    expect(() => parseCheckpoint(`${good}a\n\nb\n`, { extensions: true })).toThrow(/extension/);
  });
});

describe('origin', () => {
  test.each([
    ['acme/build-7.example.org/12', { fleet: 'acme', host: 'build-7.example.org', epoch: '12' }],
    [`a/b/${'0f'.repeat(16)}`, { fleet: 'a', host: 'b', epoch: '0f'.repeat(16) }],
    ['a/b/18446744073709551615', { fleet: 'a', host: 'b', epoch: '18446744073709551615' }],
  ])('%s', (text, origin) => {
    expect(parseOrigin(text)).toEqual(origin);
    expect(printOrigin(origin)).toBe(text);
  });

  test.each([
    ['', /three parts/],
    ['a/b', /three parts/],
    ['a/b/1/', /three parts/],
    ['a/b/1/2', /three parts/],
    ['/b/1', /fleet/],
    ['A/b/1', /fleet/],
    ['../b/1', /fleet/],
    ['a/./1', /host/],
    ['a//1', /host/],
    ['a/b c/1', /host/],
    ['a/b\n/1', /host/],
    ['a/b/', /epoch/],
    ['a/b/01', /epoch/],
    ['a/b/1\n', /epoch/],
    [`a/b/${'0F'.repeat(16)}`, /epoch/],
    [`${'a'.repeat(250)}/bbb/1`, /255/],
  ])('refused: %j', (text, why) => {
    expect(() => parseOrigin(text)).toThrow(why);
  });
});

describe('tlog-proof', () => {
  const anyNote = anyCheckpoint.map((c) =>
    utf8(
      printNote({
        text: printCheckpoint(c),
        signatures: [{ name: 'k', keyId: new Uint8Array(4), signature: new Uint8Array(71).fill(9) }],
      }),
    ),
  );
  const anyProof = fc
    .record(
      {
        extra: fc.uint8Array({ minLength: 1, maxLength: 20 }),
        index: fc.oneof(fc.nat(10), fc.maxSafeNat()),
        hashes: fc.array(hash, { maxLength: 53 }),
        note: anyNote,
      },
      { requiredKeys: ['index', 'hashes', 'note'] },
    )
    .map(printProof);

  test('random and mutated texts', () => {
    survives(anyProof, (b) => printProof(parseProof(b)));
    survives(anyProof, (b) => printProof(splitProof(b)));
  });

  test('every proper prefix is refused', () => {
    fc.assert(
      fc.property(anyProof, (b) => {
        for (let n = 0; n < b.length; n++) expect(() => parseProof(b.slice(0, n))).toThrow();
      }),
      { numRuns: 3 },
    );
  });

  const note = `o\n5\n${base64}\n\n\u2014 k AAAAAQk=\n`;
  const head = 'c2sp.org/tlog-proof@v1\n';
  test('extra data, index, hashes and note in their order', () => {
    const text = `${head}extra AAE=\nindex 4\n${base64}\n\n${note}`;
    const proof = parseProof(utf8(text));
    expect(proof).toMatchObject({ extra: Uint8Array.of(0, 1), index: 4, hashes: [root] });
    expect(proof.checkpoint).toEqual({ origin: 'o', size: 5, root });
    expect(fromUtf8(proof.note)).toBe(note);
  });

  test.each([
    ['another version', `c2sp.org/tlog-proof@v2\nindex 0\n\n${note}`, /first line/],
    ['carriage returns', `${head.replace('\n', '\r\n')}index 0\n\n${note}`, /first line/],
    ['no index', `${head}${base64}\n\n${note}`, /index line/],
    ['extra after index', `${head}index 0\nextra AAE=\n\n${note}`, /canonical/],
    ['empty extra', `${head}extra \nindex 0\n\n${note}`, /extra/],
    ['two extras', `${head}extra AAE=\nextra AAE=\nindex 0\n\n${note}`, /index line/],
    ['an index with leading zeros', `${head}index 00\n\n${note}`, /index/],
    ['an index of 2^53', `${head}index 9007199254740992\n\n${note}`, /index/],
    ['a hash of 31 bytes', `${head}index 0\n${toBase64(root.slice(1))}\n\n${note}`, /hash/],
    ['54 hashes', `${head}index 0\n${`${base64}\n`.repeat(54)}\n${note}`, /53/],
    ['no checkpoint', `${head}index 0\n\n`, /no checkpoint/],
    ['a note that is none', `${head}index 0\n\no\n5\n${base64}\n`, /note/],
    [
      'a checkpoint with an extension line',
      `${head}index 0\n\n${note.replace('\n\n', '\nx\n\n')}`,
      /extension/,
    ],
  ])('refused: %s', (_, text, why) => {
    expect(() => parseProof(utf8(text))).toThrow(why);
  });
});
