/** Signatures of files, against those that evmctl made. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBase64, fromHex } from '../../src/core/bytes.ts';
import { type ImaKey, imaKey, signedBy } from '../../src/evidence/eventlog/ima/signature.ts';
import { runs } from '../fuzz/runs.ts';

interface Vectors {
  readonly content: string;
  readonly keys: Readonly<Record<string, string>>;
  readonly signatures: readonly { readonly key: string; readonly hash: string; readonly attribute: string }[];
}
const url = new URL('../vectors/ima/evmctl.json', import.meta.url);
const { content, keys, signatures } = JSON.parse(readFileSync(url, 'utf8')) as Vectors;
const key = (name: string): ImaKey => imaKey(fromBase64(keys[name] as string)) as ImaKey;
const all = Object.keys(keys).map(key);
const digest = (algorithm: string, of = content) => ({
  algorithm,
  value: new Uint8Array(createHash(algorithm).update(of).digest()),
});

test.each(signatures)('$key over $hash', ({ key: name, hash, attribute }) => {
  const bytes = fromHex(attribute);
  const own = key(name);
  expect(signedBy([own], bytes, digest(hash))).toBe(true);
  expect(signedBy(all, bytes, digest(hash))).toBe(true);
  expect(signedBy([own], bytes, digest(hash, 'another content'))).toBe(false);
  expect(
    signedBy(
      all.filter((_, i) => Object.keys(keys)[i] !== name),
      bytes,
      digest(hash),
    ),
  ).toBe(false);
  // The digest of the entry decides, so a signature over another one says nothing of it.
  expect(signedBy([own], bytes, digest(hash === 'sha256' ? 'sha512' : 'sha256'))).toBe(false);
  expect(signedBy([own], bytes, { ...digest(hash), type: 'verity' })).toBe(false);
  for (const cut of [bytes.subarray(0, -1), bytes.subarray(0, 9), bytes.subarray(0, 3), new Uint8Array()]) {
    expect(signedBy([own], cut, digest(hash))).toBe(false);
  }
});

test('no changed byte of an attribute is a signature, but for the key id, which nothing covers', () => {
  for (const { key: name, hash, attribute } of signatures.filter((s) => s.hash === 'sha256')) {
    const bytes = fromHex(attribute);
    for (let i = 0; i < bytes.length; i++) {
      const changed = bytes.slice();
      changed[i] = (changed[i] as number) ^ 0x01;
      expect(signedBy([key(name)], changed, digest(hash)), `${name} ${i}`).toBe(i >= 3 && i < 7);
    }
  }
});

describe('keys', () => {
  test.each([
    ['RSA of 1024 bits', generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey],
    ['Ed25519', generateKeyPairSync('ed25519').publicKey],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey],
  ])('%s is none', (_, publicKey) => {
    expect(imaKey(new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })))).toBeUndefined();
  });
  test('whatever the bytes, nothing is thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(imaKey(bytes)).toBeUndefined();
        expect(signedBy(all, bytes, digest('sha256'))).toBe(false);
      }),
      { numRuns: runs(200) },
    );
  });
});
