import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, fromUtf8, toBase64, toHex, u64, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import {
  COSIGNATURE,
  ECDSA,
  ED25519,
  ecdsaKeyId,
  extendedKeyId,
  keyIdOf,
  type NoteKey,
  parseVkey,
  printVkey,
  standardKeyId,
} from '../../src/log/keys.ts';
import { findSignature, isKeyName, type Note, parseNote, printNote } from '../../src/log/note.ts';
import { cosignatureTime, openNote, verifySignature } from '../../src/log/signature.ts';
import { survives } from './fuzz.ts';
import { ecdsaSigner, ed25519Signer } from './signer.ts';

const anyName = fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }).filter(isKeyName);
const anySignature = fc.record({
  name: anyName,
  keyId: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  signature: fc.uint8Array({ minLength: 1, maxLength: 100 }),
});
const anyText = fc
  .array(
    fc.string({ maxLength: 20, unit: 'binary' }).map((s) => s.replace(/[\p{Surrogate}\p{Cc}]/gu, '')),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((lines) => `${lines.join('\n')}\n`);
const anyNote: fc.Arbitrary<Note> = fc.record({
  text: anyText,
  signatures: fc.uniqueArray(anySignature, {
    minLength: 1,
    maxLength: 20,
    selector: (s) => `${s.name} ${toHex(s.keyId)}`,
  }),
});

const line = (name: string, byte = 1) => `\u2014 ${name} ${toBase64(Uint8Array.of(0, 0, 0, byte, 9))}\n`;

describe('form', () => {
  test('what prints is parsed', () => {
    fc.assert(fc.property(anyNote, (note) => void expect(parseNote(utf8(printNote(note)))).toEqual(note)));
  });

  test('mutated and random bytes are refused, or print back to the same bytes', () => {
    const bytes = anyNote.map((n) => utf8(printNote(n)));
    survives(bytes, (b) => utf8(printNote(parseNote(b))));
  });

  test('every proper prefix is refused, but for one that ends with an earlier signature line', () => {
    const head = `origin\n1\n\nmore\n\n`;
    const all = utf8(`${head}${line('a')}${line('b')}`);
    const cut = utf8(`${head}${line('a')}`).length;
    for (let n = 0; n < all.length; n++) {
      if (n === cut) expect(parseNote(all.slice(0, n)).signatures).toHaveLength(1);
      else expect(() => parseNote(all.slice(0, n))).toThrow();
    }
  });

  const refused: [string, string | Uint8Array, RegExp][] = [
    ['nothing', '', /no empty line/],
    ['no signatures', 'text\n', /no empty line/],
    ['an empty signature block', 'text\n\n', /no newline|no signature/],
    ['no newline at the end', `text\n\n${line('a').slice(0, -1)}`, /no newline/],
    ['a hyphen for the dash', `text\n\n${line('a').replace('\u2014', '-')}`, /another form/],
    ['an en dash', `text\n\n${line('a').replace('\u2014', '\u2013')}`, /another form/],
    ['two spaces', `text\n\n${line('a').replace('a ', 'a  ')}`, /another form/],
    ['a space at the end', `text\n\n${line('a').replace('\n', ' \n')}`, /another form/],
    ['a plus in a name', `text\n\n${line('a+b')}`, /key name/],
    ['a no-break space in a name', `text\n\n${line('a\u00a0b')}`, /key name/],
    ['a line separator in a name', `text\n\n${line('a\u2028b')}`, /key name/],
    ['a tab in the text', `te\txt\n\n${line('a')}`, /control/],
    ['a carriage return in the text', `text\r\n\n${line('a')}`, /control/],
    ['a NUL in the text', `te\0xt\n\n${line('a')}`, /control/],
    ['base64 with bits left over', `text\n\n\u2014 a AAAAAQk1\n\u2014 b AAAAAQl=\n`, /canonical/],
    ['base64 without padding', `text\n\n\u2014 a AAAAAQk\n`, /canonical/],
    ['base64 of the other alphabet', `text\n\n\u2014 a AAAAAQ-_\n`, /canonical/],
    ['a key ID alone', `text\n\n\u2014 a AAAAAQ==\n`, /no signature/],
    ['two lines of one key', `text\n\n${line('a')}${line('b')}${line('a')}`, /two signature lines/],
    ['text after the signatures', `text\n\n${line('a')}more\n`, /another form/],
    ['bytes that are not UTF-8', Uint8Array.of(0xff, 10, 10), /UTF-8/],
    ['101 signatures', `text\n\n${Array.from({ length: 101 }, (_, i) => line(`k${i}`)).join('')}`, /100/],
    ['more than a million bytes', `${'x'.repeat(1_000_000)}\n\n${line('a')}`, /1000000/],
  ];
  test.each(refused)('refused: %s', (_, text, why) => {
    expect(() => parseNote(typeof text === 'string' ? utf8(text) : text)).toThrow(why);
  });

  test('100 signatures, a text of blank lines, and one name under two key IDs are fine', () => {
    const hundred = `text\n\n${Array.from({ length: 100 }, (_, i) => line(`k${i}`)).join('')}`;
    expect(parseNote(utf8(hundred)).signatures).toHaveLength(100);
    expect(parseNote(utf8(`\n\n\n${line('a', 1)}${line('a', 2)}`)).text).toBe('\n\n');
  });

  test('the printer refuses what the parser would', () => {
    const s = { name: 'a', keyId: new Uint8Array(4), signature: new Uint8Array(1) };
    const good: Note = { text: 'x\n', signatures: [s] };
    const bad: Note[] = [
      { ...good, text: 'x' },
      { ...good, text: 'x\ty\n' },
      { ...good, text: '\ud800\n' },
      { ...good, signatures: [] },
      { ...good, signatures: [s, s] },
      { ...good, signatures: [{ ...s, name: '' }] },
      { ...good, signatures: [{ ...s, name: 'a b' }] },
      { ...good, signatures: [{ ...s, keyId: new Uint8Array(3) }] },
      { ...good, signatures: [{ ...s, signature: new Uint8Array(0) }] },
    ];
    expect(parseNote(utf8(printNote(good)))).toEqual(good);
    for (const note of bad) expect(() => printNote(note)).toThrow();
  });
});

describe('keys', () => {
  test('key IDs: with name and type, of the SPKI alone, with an identifier', async () => {
    const key = new Uint8Array(32).fill(7);
    const a = standardKeyId('a', ED25519, key);
    expect(a).toHaveLength(4);
    expect(toHex(standardKeyId('b', ED25519, key))).not.toBe(toHex(a));
    expect(toHex(standardKeyId('a', COSIGNATURE, key))).not.toBe(toHex(a));
    expect(extendedKeyId('a', 'x', key)).toEqual(standardKeyId('a', 0xff, concat(utf8('x'), key)));
    const { key: ecdsa } = await ecdsaSigner('a');
    expect(keyIdOf({ ...ecdsa, name: 'another' })).toEqual(ecdsaKeyId(ecdsa.key));
  });

  test('verifier keys print and parse, and a changed character is refused', async () => {
    for (const { key } of [await ecdsaSigner('o/h/1'), await ed25519Signer('w', ED25519)]) {
      const vkey = printVkey(key);
      expect(parseVkey(vkey)).toEqual(key);
      survives(fc.constant(utf8(vkey)), (b) => utf8(printVkey(parseVkey(fromUtf8(b)))));
      for (let i = key.name.length; i < vkey.length; i++) {
        const c = vkey[i] === 'A' ? 'B' : 'A';
        expect(() => parseVkey(vkey.slice(0, i) + c + vkey.slice(i + 1))).toThrow(/verifier key|canonical/);
        expect(() => parseVkey(vkey.slice(0, i))).toThrow(/verifier key|canonical/);
      }
    }
  });

  test('a P-384 key and a compressed point are not taken for type 2', async () => {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign']);
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
    expect(() => printVkey({ name: 'a', type: ECDSA, key: spki })).toThrow(/P-256/);
    const compressed = fromHex(`3039301306072a8648ce3d020106082a8648ce3d030107032200${'02'.padEnd(66, '1')}`);
    expect(() => printVkey({ name: 'a', type: ECDSA, key: compressed })).toThrow(/P-256/);
  });
});

describe('signatures', () => {
  const text = 'fleet/host/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n';
  const signers = [
    ['Ed25519', () => ed25519Signer('a', ED25519)],
    ['ECDSA P-256', () => ecdsaSigner('a')],
    ['cosignature/v1', () => ed25519Signer('a', COSIGNATURE)],
  ] as const;

  test.each(signers)('%s: verifies, and no single flipped bit of text or signature does', async (_, make) => {
    const signer = await make();
    const signed = await signer.sign(text);
    const other = await make();
    const stranger = { name: 'a', keyId: Uint8Array.of(1, 2, 3, 4), signature: new Uint8Array(300) };
    const note: Note = { text, signatures: [stranger, signed] };
    expect(await openNote(note, [signer.key])).toEqual([signed]);
    expect(await openNote(note, [other.key, signer.key])).toEqual([signed]);
    await expect(openNote(note, [other.key])).rejects.toSatisfy((e) => isAttestdError(e, 'REJECTED'));
    await expect(openNote(note, [])).rejects.toThrow(/no signature line/);
    await expect(openNote({ ...note, text: text.replace('0', '1') }, [signer.key])).rejects.toThrow(
      /does not verify/,
    );
    for (let i = 0; i < signed.signature.length; i++) {
      const signature = signed.signature.map((v, j) => (j === i ? v ^ (1 << (i % 8)) : v));
      expect(await verifySignature(signer.key, text, { ...signed, signature })).toBe(false);
    }
    for (const signature of [signed.signature.slice(0, -1), concat(signed.signature, Uint8Array.of(0))]) {
      expect(await verifySignature(signer.key, text, { ...signed, signature })).toBe(false);
    }
  });

  test('one bad line of a known key condemns the note, whatever else verifies', async () => {
    const good = await ecdsaSigner('a');
    const bad = await ed25519Signer('w', COSIGNATURE);
    const note: Note = { text, signatures: [await good.sign(text), await bad.sign(`${text}x\n`)] };
    expect(await openNote(note, [good.key])).toHaveLength(1);
    await expect(openNote(note, [good.key, bad.key])).rejects.toThrow(/does not verify/);
    await expect(openNote(note, [good.key, good.key])).rejects.toThrow(/two verifier keys/);
  });

  test('a cosignature carries its time, and covers it', async () => {
    const signer = await ed25519Signer('w', COSIGNATURE, 1_767_139_200);
    const signed = await signer.sign(text);
    expect(cosignatureTime(signed.signature)).toBe(1_767_139_200);
    expect(() => cosignatureTime(concat(u64(0), new Uint8Array(64)))).toThrow(/time/);
    expect(() => cosignatureTime(concat(u64(2 ** 53), new Uint8Array(64)))).toThrow(/time/);
    const plain: NoteKey = { ...signer.key, type: ED25519 };
    expect(await verifySignature(plain, text, { ...signed, signature: signed.signature.slice(8) })).toBe(
      false,
    );
    expect(findSignature({ text, signatures: [signed] }, 'w', keyIdOf(plain))).toBeUndefined();
  });

  test('a key off the curve verifies nothing', async () => {
    const { key, sign } = await ecdsaSigner('a');
    const signed = await sign(text);
    const off = key.key.map((v, i) => (i === key.key.length - 1 ? v ^ 1 : v));
    expect(await verifySignature({ ...key, key: off }, text, signed)).toBe(false);
  });
});
