/** CoRIM: published samples, one manifest for each rule that it alone breaks, and bytes at random. */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { type Cbor, encodeCbor } from '../../src/evidence/cbor.ts';
import { parseComid } from '../../src/evidence/corim/comid.ts';
import { parseCorim } from '../../src/evidence/corim/manifest.ts';
import { parseSignedCorim } from '../../src/evidence/corim/signed.ts';
import { coseSigned } from '../../src/evidence/cosesignature.ts';
import { runs } from '../fuzz/runs.ts';
import * as kit from '../kit/corim.ts';

const sample = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../vectors/corim/${name}`, import.meta.url)));
const VALUE = '11'.repeat(32);
const { map, tag } = kit;
const good = [kit.triple([kit.registers({ 0: VALUE })])];

describe('published samples', () => {
  test('PCR values of Parsec', () => {
    const corim = parseCorim(sample('corim-parsec-tpm-valid.cbor'));
    expect(corim).toMatchObject({
      id: '00000000-0000-0000-6768-0000000000001',
      profile: 'tag:github.com/parallaxsecond,2023-03-03:tpm',
      demands: [],
    });
    const [values, keys] = corim.comids;
    expect(keys?.unused).toEqual(['1 of attest-key-triples']);
    expect(values?.triples[0]?.environment).toBe('class UUID cd1f0e5526f9460db9d8f7fde171787c');
    const shown = values?.triples[0]?.measurements.map((m) => [
      m.key,
      m.keyIs,
      m.digests?.map((d) => d.algorithm),
    ]);
    const both = ['sha-256', 'sha-384'];
    expect(shown).toEqual([
      [0, 'number', both],
      [1, 'number', both],
      [2, 'number', both],
    ]);
  });
  test('integrity registers of the draft', () => {
    const [triple] = parseComid(sample('comid-integrity-registers.cbor')).triples;
    const registers = triple?.measurements[0]?.registers;
    expect([...(registers?.keys() ?? [])]).toEqual([0, 'my-ir']);
    expect(toHex(registers?.get(0)?.[0]?.value as Uint8Array)).toMatch(/^44aa336a/);
  });
  test.each([
    'corim-1.cbor',
    'corim-2.cbor',
    'corim-design-cd.cbor',
    'corim-firmware-cd.cbor',
    'corim-roles.cbor',
    'unsigned-good-corim.cbor',
    'cca-realm-valid.cbor',
    'psa-valid.cbor',
    'corim-enacttrust-valid.cbor',
  ])('%s is read', (name) => {
    expect(parseCorim(sample(name)).id).not.toBe('');
  });
  test.each(['signed-good-corim.cbor', 'signed-example-corim.cbor'])(
    '%s is signed by the key beside it',
    async (name) => {
      const message = parseSignedCorim(sample(name));
      expect(message.signer).toBe('ACME Ltd signing key');
      const pem = readFileSync(new URL('../vectors/corim/ec-p256.pub.pem', import.meta.url), 'utf8');
      const spki = new Uint8Array(Buffer.from(pem.replace(/-----.*-----|\s/g, ''), 'base64'));
      expect(await coseSigned(message.algorithm, spki, message.signed, message.signature)).toBe(true);
      const other = message.signed.slice();
      other[40] = (other[40] as number) ^ 1;
      expect(await coseSigned(message.algorithm, spki, other, message.signature)).toBe(false);
      expect(parseCorim(message.payload).comids).toHaveLength(1);
    },
  );
});

const refusalOf = (read: () => unknown): string => {
  try {
    read();
  } catch (e) {
    if (isAttestdError(e)) return `${e.code} ${e.message}`;
    throw e;
  }
  return 'accepted';
};
const withMeasurement = (m: Cbor) => kit.corim({ triples: [kit.triple([m])] });
const withDigests = (d: Cbor) => withMeasurement(kit.measurement(map([2, d])));

describe('manifests that are none', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['no tag', encodeCbor(map([0, 'x'])), /does not begin with tag 501/],
    ['another tag', encodeCbor(tag(506, map([0, 'x']))), /does not begin with tag 501/],
    ['a tag of nobody', encodeCbor(tag(40_000, 1)), /tag not supported/],
    ['bytes after it', Uint8Array.of(...kit.corim({ triples: good }), 0), /1 bytes too many/],
    ['no id', encodeCbor(tag(501, map([1, []]))), /has no id/],
    [
      'an id of five bytes',
      kit.corim({ triples: good, manifest: [[0, new Uint8Array(5)]] }),
      /the id is no text/,
    ],
    ['no tags', encodeCbor(tag(501, map([0, 'x']))), /has no tags/],
    ['an empty list of tags', kit.corim({ tags: [] }), /no list of at least one/],
    ['a tag that is no CoMID', kit.corim({ tags: [tag(507, new Uint8Array(1))] }), /tag not supported/],
    ['a CoMID that is no bytes', kit.corim({ tags: [tag(506, 1)] }), /no tag over bytes/],
    [
      'a profile that is text',
      kit.corim({ triples: good, manifest: [[3, 'x']] }),
      /neither a URI nor an OID/,
    ],
    [
      'validity without an end',
      kit.corim({ triples: good, validity: map([0, kit.time('2026-01-01')]) }),
      /has no end/,
    ],
    [
      'validity in fractions',
      kit.corim({ triples: good, validity: map([1, tag(1, 1.5)]) }),
      /no time in whole seconds/,
    ],
    [
      'validity without tag 1',
      kit.corim({ triples: good, validity: map([1, 5]) }),
      /no time in whole seconds/,
    ],
    [
      'validity with more',
      kit.corim({ triples: good, validity: map([1, tag(1, 1)], [7, 1]) }),
      /unknown field 7/,
    ],
    [
      'a CoMID without triples',
      kit.corim({ tags: [tag(506, encodeCbor(map([1, map([0, 'x'])])))] }),
      /has no triples/,
    ],
    [
      'a CoMID without an identity',
      kit.corim({ tags: [tag(506, encodeCbor(map([4, map()])))] }),
      /has no identity/,
    ],
    ['reference triples that are none', kit.corim({ moreTriples: [[0, 1]] }), /no list of at least one/],
    ['a triple of three', kit.corim({ triples: [[kit.environment(), [], []]] }), /has not two parts/],
    ['a triple without measurements', kit.corim({ triples: [kit.triple([])] }), /no list of at least one/],
    [
      'an empty environment',
      kit.corim({ triples: [kit.triple([kit.registers({ 0: VALUE })], map())] }),
      /is empty/,
    ],
    [
      'an environment with more',
      kit.corim({ triples: [kit.triple([kit.registers({ 0: VALUE })], map([0, map([1, 'v'])], [9, 1]))] }),
      /unknown field 9/,
    ],
    [
      'a vendor that writes on the terminal',
      kit.corim({ triples: [kit.triple([kit.registers({ 0: VALUE })], kit.environment('\u001b[2J'))] }),
      /no text of 1 to 1024/,
    ],
    ['a measurement without values', withMeasurement(map([1, map()])), /has no values/],
    [
      'a key that is a list',
      withMeasurement(kit.measurement(map([14, map([0, kit.digests(VALUE)])]), [1])),
      /is none/,
    ],
    ['digests that are no list', withDigests(1), /no list of at least one/],
    ['a digest without an algorithm', withDigests([[null, new Uint8Array(32)]]), /has no algorithm/],
    ['a digest that is text', withDigests([[1, 'ab']]), /no byte string/],
    ['a digest that is too short', withDigests([[1, new Uint8Array(31)]]), /sha-256 digest has 31 bytes/],
    ['two digests by one algorithm', withDigests(kit.digests(VALUE, '22'.repeat(32))), /two sha-256 digests/],
    [
      'one algorithm under two names',
      withDigests([
        [1, new Uint8Array(32)],
        ['sha-256', new Uint8Array(32)],
      ]),
      /two sha-256/,
    ],
    ['no registers', withMeasurement(kit.measurement(map([14, map()]))), /no map of registers/],
    [
      'a register below zero',
      withMeasurement(kit.measurement(map([14, map([-1, kit.digests(VALUE)])]))),
      /the name of an integrity/,
    ],
    ['a text that is no UTF-8', Uint8Array.of(0xd9, 1, 0xf5, 0xa1, 0, 0x61, 0xff), /MALFORMED/],
    [
      'a map with a field twice',
      Uint8Array.of(0xd9, 1, 0xf5, 0xa2, 0, 0x61, 0x61, 0, 0x61, 0x61),
      /MALFORMED/,
    ],
    ['one that is nested', encodeCbor(tag(501, map([0, nest(20)]))), /TOO_LARGE/],
  ])('%s', (_, bytes, why) => {
    expect(refusalOf(() => parseCorim(bytes))).toMatch(why);
  });
  test('one of four megabytes and a byte', () => {
    expect(refusalOf(() => parseCorim(new Uint8Array(4 * 1024 * 1024 + 1)))).toMatch(/^TOO_LARGE/);
  });
});

function nest(depth: number): Cbor {
  let out: Cbor = 1;
  for (let i = 0; i < depth; i++) out = [out];
  return out;
}

describe('signed manifests that are none', () => {
  const { privateKey } = kit.ecKey();
  const payload = kit.corim({ triples: good });
  const signed = (header: kit.Signing['header'], unprotected?: kit.Signing['unprotected']) =>
    kit.signedCorim(payload, { privateKey, ...(header && { header }), ...(unprotected && { unprotected }) });
  const claims = (...more: readonly (readonly [Cbor, Cbor])[]) => map([1, 'Vendor'], ...more);
  test.each<[string, Uint8Array, RegExp]>([
    ['no content type', signed([[3, undefined]]), /content type/],
    ['another content type', signed([[3, 'application/corim-unsigned+cbor']]), /content type/],
    ['no algorithm', signed([[1, undefined]]), /names no algorithm/],
    ['no signer', signed([[8, undefined]]), /names no signer/],
    ['a signer without a name', signed([[8, encodeCbor(map([0, map()]))]]), /has no name/],
    ['corim-meta as a map', signed([[8, map([0, map([0, 'x'])])]]), /no byte string/],
    ['claims of somebody else', signed([[15, map([1, 'Other'])]]), /do not say the same/],
    ['claims until another day', signed([[15, claims([4, 5])]]), /do not say the same/],
    [
      'claims in fractions',
      signed([
        [8, undefined],
        [15, claims([4, 1.5])],
      ]),
      /none in whole seconds/,
    ],
    ['critical parameters', signed([[2, [99]]]), /critical parameters/],
    ['a hash envelope', signed([[258, -16]]), /hash envelope/],
    ['a certificate that is text', signed([], [[33, ['x']]]), /no byte string/],
    ['nine certificates', signed([], [[33, Array(9).fill(new Uint8Array(1))]]), /TOO_LARGE/],
    ['a label in both headers', signed([], [[1, -7]]), /stands in both headers/],
    [
      'a detached payload',
      encodeCbor(tag(18, [new Uint8Array(), map(), null, new Uint8Array(64)])),
      /detached/,
    ],
  ])('%s', (_, bytes, why) => {
    expect(refusalOf(() => parseSignedCorim(bytes))).toMatch(why);
  });
  test('claims alone name the signer and the time', () => {
    const { signer, validity } = parseSignedCorim(
      signed([
        [8, undefined],
        [15, claims([4, 20], [5, 10])],
      ]),
    );
    expect([signer, validity]).toEqual(['Vendor', { notBefore: 10_000, notAfter: 20_000 }]);
  });
});

test('signatures of every kind, and none by an algorithm that does not fit the key', async () => {
  const payload = kit.corim({ triples: good });
  const pairs = [
    [-7, kit.ecKey()],
    [-35, kit.ecKey('P-384')],
    [-8, generateKeyPairSync('ed25519')],
    [-37, generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ] as const;
  for (const [algorithm, { privateKey, publicKey }] of pairs) {
    const m = parseSignedCorim(kit.signedCorim(payload, { privateKey, algorithm }));
    for (const [other, { publicKey: key }] of pairs) {
      const holds = await coseSigned(other, kit.spkiOf(key), m.signed, m.signature);
      expect([algorithm, other, holds]).toEqual([algorithm, other, algorithm === other]);
    }
    expect(await coseSigned(-9999, kit.spkiOf(publicKey), m.signed, m.signature)).toBe(false);
  }
});

test('whatever the bytes are, they are read or refused by a code', () => {
  const seeds = ['corim-parsec-tpm-valid.cbor', 'corim-design-cd.cbor', 'signed-good-corim.cbor'].map(sample);
  const changed = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(1200), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(1200),
    )
    .map(([seed, edits, cut]) => {
      const out = seed.slice(0, cut % 3 === 0 ? cut : seed.length);
      for (const [i, byte] of edits) if (out.length > 0) out[i % out.length] = byte;
      return out;
    });
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: changed }, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      for (const read of [parseCorim, parseSignedCorim, parseComid]) refusalOf(() => read(bytes));
    }),
    { numRuns: runs(3000) },
  );
});
