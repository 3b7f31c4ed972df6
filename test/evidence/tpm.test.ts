import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, fromBase64Url, toHex, u8, u16, u32 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { hashSize, tpmHash } from '../../src/evidence/tpm/algorithm.ts';
import { parseAttest, printAttest } from '../../src/evidence/tpm/attest.ts';
import { makeAttributes } from '../../src/evidence/tpm/attributes.ts';
import { parseCreation, printCreation } from '../../src/evidence/tpm/creation.ts';
import { nameOf, readName } from '../../src/evidence/tpm/names.ts';
import {
  makeNvAttributes,
  NT_COUNTER,
  nvName,
  parseNvPublic,
  printNvPublic,
  readNvAttributes,
} from '../../src/evidence/tpm/nv.ts';
import { pcrDigest, printPcrSelections } from '../../src/evidence/tpm/pcr.ts';
import {
  leftPad,
  parsePublic,
  printPublic,
  publicSpki,
  type TpmPublic,
} from '../../src/evidence/tpm/public.ts';
import { ecdsaP1363, parseSignature, printSignature } from '../../src/evidence/tpm/signature.ts';
import { runs } from '../fuzz/runs.ts';
import { attests, bytes, creations, nvPublics, publics, signatures } from './kit/structures.ts';

interface Format {
  name: string;
  // biome-ignore lint/suspicious/noExplicitAny: one table over formats of different types
  values: fc.Arbitrary<any>;
  parse: (b: Uint8Array) => unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  print: (v: any) => Uint8Array;
}
const FORMATS: Format[] = [
  { name: 'TPMS_ATTEST', values: attests, parse: parseAttest, print: printAttest },
  { name: 'TPMT_PUBLIC', values: publics, parse: parsePublic, print: printPublic },
  { name: 'TPMT_SIGNATURE', values: signatures, parse: parseSignature, print: printSignature },
  { name: 'TPMS_NV_PUBLIC', values: nvPublics, parse: parseNvPublic, print: printNvPublic },
  { name: 'TPMS_CREATION_DATA', values: creations, parse: parseCreation, print: printCreation },
];

function refused(parse: (b: Uint8Array) => unknown, b: Uint8Array): boolean {
  try {
    parse(b);
    return false;
  } catch (e) {
    if (!isAttestdError(e, 'MALFORMED')) throw e;
    return true;
  }
}

describe.each(FORMATS)('$name', ({ values, parse, print }) => {
  it('parses what it prints, to the same value', () => {
    fc.assert(
      fc.property(values, (v) => {
        expect(parse(print(v))).toEqual(v);
      }),
    );
  });

  it('refuses every proper prefix and any byte after the end', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 255 }), (v, extra) => {
        const b = print(v);
        for (let n = 0; n < b.length; n++) if (!refused(parse, b.slice(0, n))) return false;
        return refused(parse, concat(b, u8(extra)));
      }),
      { numRuns: runs(40) },
    );
  });

  it('prints any bytes that it accepts back as they were', () => {
    const flipped = fc
      .tuple(values, fc.nat(), fc.integer({ min: 1, max: 255 }))
      .map(([v, at, x]: [unknown, number, number]) => {
        const b = print(v);
        b[at % b.length] = (b[at % b.length] as number) ^ x;
        return b;
      });
    fc.assert(
      fc.property(fc.oneof(flipped, bytes(0, 300)), (b) => {
        if (refused(parse, b)) return true;
        expect(toHex(print(parse(b)))).toBe(toHex(b));
        return true;
      }),
      { numRuns: runs(500) },
    );
  });
});

describe('bounds of TPM structures', () => {
  const zeros = (n: number) => new Uint8Array(n);
  const head = concat(u32(0xff544347), u16(0x8018), u16(0), u16(0), zeros(8 + 4 + 4));
  const cases: [string, () => unknown, RegExp][] = [
    ['an attest over 2 KiB', () => parseAttest(zeros(2049)), /at most 2048/],
    ['safe that is neither yes nor no', () => parseAttest(concat(head, u8(2), zeros(8))), /safe is neither/],
    ['a quote over 17 banks', () => parseAttest(concat(head, u8(1), zeros(8), u32(17))), /17 PCR banks/],
    [
      'a PCR bitmap of four bytes',
      () => parseAttest(concat(head, u8(1), zeros(8), u32(1), u16(11), u8(4), zeros(4))),
      /bitmap of 4 bytes/,
    ],
    ['a key that is a symmetric one', () => parsePublic(concat(u16(0x25), zeros(40))), /not ECC or RSA/],
    [
      'a curve that is not NIST',
      () => parsePublic(concat(u16(0x23), u16(11), u32(0), u16(0), u16(0x10), u16(0x10), u16(0x10))),
      /curve 0x10/,
    ],
    [
      'an RSA key of 512 bits',
      () => parsePublic(concat(u16(1), u16(11), u32(0), u16(0), u16(0x10), u16(0x10), u16(512))),
      /512 bits/,
    ],
    ['a signature by HMAC', () => parseSignature(concat(u16(5), zeros(40))), /0x5 is not known/],
    [
      'an ECDSA signature without r',
      () => parseSignature(concat(u16(0x18), u16(11), u16(0), u16(1), u8(1))),
      /empty/,
    ],
    [
      'an NV public of a persistent handle',
      () => parseNvPublic(concat(u32(0x81000000), zeros(10))),
      /NV index/,
    ],
    ['a Name of an unknown hash', () => readName(concat(u16(0x99), zeros(32))), /0x99 is not known/],
    ['a Name one byte short', () => readName(concat(u16(11), zeros(31))), /32 bytes wanted/],
    ['the Name of an object without name algorithm', () => nameOf(0x10, zeros(4)), /has no Name/],
    [
      'a selection that does not rise',
      () => printPcrSelections([{ hash: 11, pcrs: [1, 1] }]),
      /rising order/,
    ],
    ['a selection of PCR 24', () => printPcrSelections([{ hash: 11, pcrs: [24] }]), /PCR 24/],
    ['an integer longer than its curve', () => leftPad(zeros(33), 32), /32 allowed/],
    [
      'a PCR value of the wrong length',
      () => pcrDigest([{ hash: 11, pcrs: [0] }], { sha256: { '0': '00' } }, 11),
      /not as long/,
    ],
    [
      'a PCR value from the prototype',
      () => pcrDigest([{ hash: 11, pcrs: [0] }], Object.create({ sha256: { '0': '00' } }), 11),
      /no value/,
    ],
  ];
  it.each(cases)('%s is refused', (_, f, message) => {
    expect(f).toThrow(message);
    expect(f).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });
});

describe('public keys', () => {
  const eccTemplate = (curve: number, x: Uint8Array, y: Uint8Array): TpmPublic => ({
    type: 'ecc',
    nameAlg: 11,
    attributes: makeAttributes('fixedTPM', 'sign'),
    authPolicy: new Uint8Array(0),
    symmetric: null,
    scheme: { alg: 0x18, hash: 11 },
    curve,
    kdf: null,
    x,
    y,
  });
  const spkiOf = (k: KeyObject) => new Uint8Array(k.export({ format: 'der', type: 'spki' }));

  it.each([
    ['P-256', 3],
    ['P-384', 4],
    ['P-521', 5],
  ])('on %s have the SubjectPublicKeyInfo that OpenSSL writes', (namedCurve, curve) => {
    for (let i = 0; i < 5; i++) {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve });
      const jwk = publicKey.export({ format: 'jwk' });
      const x = fromBase64Url(jwk.x ?? '');
      const y = fromBase64Url(jwk.y ?? '');
      const spki = publicSpki(parsePublic(printPublic(eccTemplate(curve, x, y))));
      expect(toHex(spki)).toBe(toHex(spkiOf(publicKey)));
    }
  });

  it.each([2048, 3072])('of RSA with %i bits too', (keyBits) => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: keyBits });
    const jwk = publicKey.export({ format: 'jwk' });
    const spki = publicSpki({
      type: 'rsa',
      nameAlg: 11,
      attributes: makeAttributes('decrypt'),
      authPolicy: new Uint8Array(32),
      symmetric: { alg: 6, keyBits: 128, mode: 0x43 },
      scheme: null,
      keyBits,
      exponent: 0,
      n: fromBase64Url(jwk.n ?? ''),
    });
    expect(toHex(spki)).toBe(toHex(spkiOf(publicKey)));
    expect(createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }).asymmetricKeyType).toBe(
      'rsa',
    );
  });

  it('of a template have none', () => {
    const empty = new Uint8Array(0);
    expect(() => publicSpki(eccTemplate(3, empty, empty))).toThrow(/empty/);
  });

  it('name their attributes', () => {
    const a = makeAttributes(
      'fixedTPM',
      'fixedParent',
      'sensitiveDataOrigin',
      'userWithAuth',
      'noDA',
      'restricted',
      'sign',
    );
    expect(a.raw).toBe(0x00050472);
    expect(a.decrypt).toBe(false);
    expect(makeNvAttributes(NT_COUNTER, 'authWrite', 'authRead', 'noDA').raw).toBe(0x02040014);
    expect(readNvAttributes(0x22040014)).toMatchObject({ type: 1, written: true, orderly: false });
  });
});

it('an NV index has the Name of its public area', () => {
  const pub = printNvPublic({
    nvIndex: 0x01800000,
    nameAlg: 11,
    attributes: makeNvAttributes(NT_COUNTER, 'authWrite'),
    authPolicy: new Uint8Array(0),
    dataSize: 8,
  });
  expect(nvName(pub)).toEqual(concat(u16(11), tpmHash(11, pub)));
});

it('hash sizes are those of the hashes', () => {
  for (const alg of [4, 11, 12, 13]) expect(tpmHash(alg, new Uint8Array(0)).length).toBe(hashSize(alg));
});

it('an RSA signature has no P1363 form', () => {
  expect(() => ecdsaP1363({ alg: 'rsassa', hash: 11, sig: new Uint8Array(256) }, 32)).toThrow(/not ECDSA/);
});
