/** The addon's disclosures are those of the plain way, byte for byte. */
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { toBase64Url } from '../../src/core/bytes.ts';
import { jcs } from '../../src/core/json.ts';
import {
  disclosureDigest,
  disclosureOf,
  makeDisclosure,
  useDisclosure,
} from '../../src/evidence/disclosure.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { json } from '../evidence/kit/requests.ts';

const addon = loadAddon();
const plain = (salt: Uint8Array, rest: string): string => {
  const text = toBase64Url(new TextEncoder().encode(`["${toBase64Url(salt)}",${rest}`));
  return toBase64Url(disclosureDigest(text)) + text;
};
afterEach(() => useDisclosure(plain));

const salts = fc.uint8Array({ minLength: 16, maxLength: 16 });
const named = fc.tuple(fc.string({ unit: 'grapheme' }), json);

test.each([
  ['the plain way', plain],
  ['the addon', addon.disclosure],
])('%s makes what makeDisclosure makes, with its digest', (_, way) => {
  useDisclosure(way);
  fc.assert(
    fc.property(salts, named, (salt, [name, value]) => {
      const whole = makeDisclosure(salt, name, value);
      const { digest, text } = disclosureOf(salt, `${JSON.stringify(name)},${jcs(value)}]`);
      expect(text).toBe(whole);
      expect(digest).toBe(toBase64Url(disclosureDigest(whole)));
    }),
  );
});

test('both read any text alike, of any length and with lone surrogates', () => {
  fc.assert(
    fc.property(salts, fc.string({ unit: 'binary', maxLength: 3000 }), (salt, rest) => {
      expect(addon.disclosure(salt, rest)).toBe(plain(salt, rest));
    }),
  );
  for (const rest of ['', '\ud800', 'a\udfffb', '\u0000', 'é', '𝄞', 'x'.repeat(100_000)])
    expect(addon.disclosure(new Uint8Array(16), rest)).toBe(plain(new Uint8Array(16), rest));
  // Where the room for short texts ends, in characters of each length.
  for (let n = 2030; n <= 2060; n++)
    for (const last of ['x', 'é', '€', '𝄞']) {
      const rest = 'x'.repeat(n) + last;
      expect(addon.disclosure(new Uint8Array(16), rest)).toBe(plain(new Uint8Array(16), rest));
    }
});

test('a salt of another length, or no text, is refused', () => {
  expect(() => addon.disclosure(new Uint8Array(15), 'x')).toThrow(TypeError);
  expect(() => addon.disclosure(new Uint8Array(17), 'x')).toThrow(TypeError);
  expect(() => addon.disclosure(new Uint8Array(16), 1 as unknown as string)).toThrow(TypeError);
  expect(() => addon.disclosure('0123456789abcdef' as unknown as Uint8Array, 'x')).toThrow(TypeError);
});
