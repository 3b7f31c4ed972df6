import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex, u8, ZERO32 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { freshExtraData, sealExtraData } from '../../src/evidence/binding.ts';
import {
  encodeSeal,
  encodeSealHeader,
  parseSeal,
  SEAL_HEADER_BYTES,
  type SealHeader,
  sealDigest,
  sealKeyId,
} from '../../src/evidence/seal.ts';
import { runs } from '../fuzz/runs.ts';

interface Accept {
  name: string;
  header: { timeMs: number; seq: number; bootIndex: number; anchorCtr: string; prevSeal: string };
  headerHex: string;
  noteText: string;
  extraData: string;
  attest: string;
  signature: string;
  seal: string;
  digest: string;
}
const vectors: {
  keyId: { origin: string; spki: string; keyId: string }[];
  accept: Accept[];
  reject: { name: string; seal: string; code: string }[];
} = JSON.parse(readFileSync(new URL('../vectors/evidence/seal.json', import.meta.url), 'utf8'));

const headerOf = (h: Accept['header']): SealHeader => ({
  ...h,
  anchorCtr: BigInt(h.anchorCtr),
  prevSeal: fromHex(h.prevSeal),
});

describe('seal vectors', () => {
  it.each(vectors.accept)('$name: header, seal, digest and extraData are those of the vector', (v) => {
    const header = headerOf(v.header);
    expect(toHex(encodeSealHeader(header))).toBe(v.headerHex);
    expect(encodeSealHeader(header).length).toBe(SEAL_HEADER_BYTES);
    expect(toHex(encodeSeal(header, fromHex(v.attest), fromHex(v.signature)))).toBe(v.seal);
    expect(parseSeal(fromHex(v.seal))).toEqual({
      header,
      attest: fromHex(v.attest),
      signature: fromHex(v.signature),
    });
    expect(toHex(sealDigest(fromHex(v.seal)))).toBe(v.digest);
    expect(toHex(sealExtraData(header, v.noteText))).toBe(v.extraData);
    expect(sealExtraData(header, new TextEncoder().encode(v.noteText))).toEqual(fromHex(v.extraData));
  });

  it.each(vectors.reject)('$name: refused', ({ seal, code }) => {
    expect(() => parseSeal(fromHex(seal))).toThrow(expect.objectContaining({ code }));
  });

  it.each(vectors.keyId)('the key ID of $origin', ({ origin, spki, keyId }) => {
    expect(toHex(sealKeyId(origin, fromHex(spki)))).toBe(keyId);
  });
});

const headers: fc.Arbitrary<SealHeader> = fc
  .record({
    timeMs: fc.integer({ min: 0, max: 8.64e15 }),
    seq: fc.maxSafeInteger().map((n) => Math.abs(n) + (n === 0 ? 1 : 0)),
    bootIndex: fc.maxSafeNat(),
    anchorCtr: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    prevSeal: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  })
  .map((h) => {
    if (h.seq === 1) return { ...h, prevSeal: ZERO32 };
    if (h.prevSeal.every((b) => b === 0)) h.prevSeal[0] = 1;
    return h;
  });
const part = fc.uint8Array({ minLength: 1, maxLength: 200 });

describe('a seal', () => {
  it('parses back to what was encoded; a prefix and a byte more are refused', () => {
    fc.assert(
      fc.property(headers, part, part, (header, attest, signature) => {
        const b = encodeSeal(header, attest, signature);
        expect(parseSeal(b)).toEqual({ header, attest, signature });
        for (let n = 0; n < b.length; n++) {
          expect(() => parseSeal(b.slice(0, n))).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
        }
        expect(() => parseSeal(Uint8Array.of(...b, 0))).toThrow(/too many/);
      }),
      { numRuns: runs(20) },
    );
  });

  it('that is accepted encodes to the same bytes, whatever byte was changed', () => {
    const change = fc.tuple(headers, part, part, fc.nat(), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(change, ([header, attest, signature, at, x]) => {
        const b = encodeSeal(header, attest, signature);
        b[at % b.length] = (b[at % b.length] as number) ^ x;
        try {
          const s = parseSeal(b);
          expect(toHex(encodeSeal(s.header, s.attest, s.signature))).toBe(toHex(b));
        } catch (e) {
          expect(isAttestdError(e, 'MALFORMED')).toBe(true);
        }
      }),
      { numRuns: runs(300) },
    );
  });

  it.each([
    ['time before 1970', { timeMs: -1 }],
    ['time that is not whole', { timeMs: 0.5 }],
    ['seq 0', { seq: 0 }],
    ['boot index -1', { bootIndex: -1 }],
    ['counter below zero', { anchorCtr: -1n }],
    ['counter over 64 bits', { anchorCtr: 1n << 64n }],
    ['prev_seal of 31 bytes', { prevSeal: new Uint8Array(31) }],
  ])('is not encoded with %s', (_, wrong) => {
    const good: SealHeader = { timeMs: 1, seq: 1, bootIndex: 0, anchorCtr: 0n, prevSeal: ZERO32 };
    expect(encodeSealHeader(good).length).toBe(65);
    expect(() => encodeSealHeader({ ...good, ...wrong })).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    );
  });
});

it('no nonce makes the extraData of a fresh quote that of a seal', () => {
  // The strongest an auditor can choose: a nonce that continues exactly as a seal's preimage does.
  const { header, noteText } = vectors.accept[1] as Accept;
  const seal = sealExtraData(headerOf(header), noteText);
  const encoded = encodeSealHeader(headerOf(header));
  const nonces = [
    encoded.slice(0, 64),
    encoded.slice(1, 65),
    new TextEncoder().encode('attestd.dev/tpm-quote/v1\n'),
  ];
  for (const nonce of nonces) {
    expect(toHex(freshExtraData(nonce, ZERO32, noteText))).not.toBe(toHex(seal));
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 64 }), (nonce) => {
      expect(toHex(freshExtraData(nonce, ZERO32, noteText))).not.toBe(toHex(seal));
      expect(u8(nonce.length).length).toBe(1);
    }),
  );
});
