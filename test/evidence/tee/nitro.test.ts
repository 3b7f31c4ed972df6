import { createPublicKey, verify as nodeVerify, X509Certificate } from 'node:crypto';
import { decode, encode } from 'cborg';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, fromHex, toHex } from '../../../src/core/bytes.ts';
import { AttestdError } from '../../../src/core/errors.ts';
import { type Cbor, decodeCbor } from '../../../src/evidence/cbor.ts';
import { COSE_ALG, type CoseSign1, parseSign1, sign1Input } from '../../../src/evidence/cose.ts';
import { parseNitroDocument } from '../../../src/evidence/tee/nitro.ts';
import { runs } from '../../fuzz/runs.ts';
import { teeFile, teeJson, teeText } from '../../kit/teefiles.ts';

const LIMITS = { bytes: 65_536, depth: 8, items: 1000 };
const expected = teeJson('nitro/expected.json');
const read = (name: string) => teeFile(`nitro/${name}`);

describe('Nitro documents', () => {
  test.each(Object.keys(expected))('%s reads as published', (name) => {
    const d = parseNitroDocument(read(name));
    const want = expected[name];
    expect(d.moduleId).toBe(want.module_id);
    expect(d.timeMs).toBe(want.timestamp_ms);
    expect(Object.fromEntries([...d.pcrs].map(([i, v]) => [String(i), toHex(v)]))).toEqual(want.pcrs);
    for (const [field, value] of [
      ['public_key', d.publicKey],
      ['user_data', d.userData],
      ['nonce', d.nonce],
    ] as const) {
      expect(value === undefined ? null : toHex(value)).toBe(want[field]);
    }
    expect(d.bundle).toHaveLength(want.cabundle_subjects.length);
    expect([d.certificate.notBefore, d.certificate.notAfter]).toEqual(want.leaf_validity.map(Date.parse));
  });
  test('the user data of one holds the key of its TLS certificate', () => {
    const tls = new X509Certificate(read('doc_2023_ga_tls_cert.der')).publicKey;
    expect(parseNitroDocument(read('doc_2023_ga.cose')).userData).toEqual(
      new Uint8Array(tls.export({ format: 'der', type: 'spki' })),
    );
  });

  const good = parseSign1(read('doc_2022_nonce.cose'), 'untagged', LIMITS);
  const payload = decodeCbor(good.payload, LIMITS) as ReadonlyMap<string, Cbor>;
  /** The document with another payload; its signature does not matter to a reader. */
  const rebuilt = (
    change: (p: Map<string, Cbor>) => void,
    header: Cbor = new Map([[1, -35]]),
  ): Uint8Array => {
    const map = new Map(payload);
    change(map);
    return encode([encode(header), new Map(), encode(map), good.signature]);
  };
  test('a document that is put together again reads as before', () => {
    expect(parseNitroDocument(rebuilt(() => {})).moduleId).toBe(expected['doc_2022_nonce.cose'].module_id);
  });
  test.each<[string, Uint8Array, RegExp]>([
    ['a tag', concat(Uint8Array.of(0xd2), read('doc_2022_nonce.cose')), /a tag stands before it/],
    ['a byte more', concat(read('doc_2022_nonce.cose'), Uint8Array.of(0)), /1 bytes too many/],
    ['ES256', rebuilt(() => {}, new Map([[1, -7]])), /not ES384/],
    ['no algorithm', rebuilt(() => {}, new Map()), /not ES384/],
    ['a field that AWS does not know', rebuilt((p) => p.set('policy', 1)), /policy is not known/],
    ['another digest', rebuilt((p) => p.set('digest', 'SHA256')), /not SHA384/],
    ['no module', rebuilt((p) => p.delete('module_id')), /module_id/],
    ['no time', rebuilt((p) => p.delete('timestamp')), /timestamp/],
    ['a time as text', rebuilt((p) => p.set('timestamp', '1')), /timestamp/],
    ['no registers', rebuilt((p) => p.set('pcrs', new Map())), /pcrs/],
    [
      'a register of another size',
      rebuilt((p) => p.set('pcrs', new Map([[0, new Uint8Array(32)]]))),
      /PCR 0/,
    ],
    ['a register 32', rebuilt((p) => p.set('pcrs', new Map([[32, new Uint8Array(48)]]))), /no index/],
    ['no certificate', rebuilt((p) => p.delete('certificate')), /certificate/],
    ['an empty bundle', rebuilt((p) => p.set('cabundle', [])), /cabundle/],
    ['user data over 512 bytes', rebuilt((p) => p.set('user_data', new Uint8Array(513))), /user_data/],
    ['user data as text', rebuilt((p) => p.set('user_data', 'hello')), /user_data/],
  ])('%s is refused', (_, bytes, why) => {
    expect(() => parseNitroDocument(bytes)).toThrow(AttestdError);
    expect(() => parseNitroDocument(bytes)).toThrow(why);
  });
});

describe('COSE_Sign1', () => {
  const CURVES: Record<number, [hash: string, curve: string]> = {
    [-7]: ['sha256', 'P-256'],
    [-35]: ['sha384', 'P-384'],
    [-36]: ['sha512', 'P-521'],
  };
  const verifies = (
    m: CoseSign1,
    key: ReturnType<typeof createPublicKey>,
    external = new Uint8Array(),
  ): boolean => {
    const alg = CURVES[Number(m.protectedHeader.get(COSE_ALG))];
    return (
      alg !== undefined &&
      nodeVerify(alg[0], sign1Input(m, external), { key, dsaEncoding: 'ieee-p1363' }, m.signature)
    );
  };
  const example = (name: string) => teeJson(`cose/${name}.json`);
  const keyOf = (e: { input: { sign0: { key: Record<string, string> } } }) => {
    const { kty, crv, x, y } = e.input.sign0.key;
    return createPublicKey({ key: { kty, crv, x, y } as never, format: 'jwk' });
  };
  const parse = (e: { output: { cbor: string } }, tag: 'tagged' | 'untagged') =>
    parseSign1(fromHex(e.output.cbor.toLowerCase()), tag, LIMITS);

  test('what is signed is what the examples say, the empty header in both spellings too', () => {
    for (const name of ['sign-pass-01', 'ecdsa-sig-02', 'ecdsa-sig-04']) {
      const e = example(name);
      expect(toHex(sign1Input(parse(e, 'tagged'))).toUpperCase()).toBe(e.intermediates.ToBeSign_hex);
    }
  });
  test('ES384 verifies, with the tag and without it where that is asked for', () => {
    const e = example('ecdsa-sig-02');
    expect(verifies(parse(e, 'tagged'), keyOf(e))).toBe(true);
    const bare = example('sign-pass-03');
    expect(verifies(parse(bare, 'untagged'), keyOf(bare))).toBe(true);
    expect(() => parse(bare, 'tagged')).toThrow(/the tag is missing/);
  });
  test('an algorithm outside the protected header is none', () => {
    expect(parse(example('sign-pass-01'), 'tagged').protectedHeader.get(COSE_ALG)).toBeUndefined();
  });
  test('each published failure fails for its own reason', () => {
    expect(() => parse(example('sign-fail-01'), 'tagged')).toThrow(/the tag is another/);
    for (const name of ['sign-fail-03', 'sign-fail-06']) {
      const e = example(name);
      expect(verifies(parse(e, 'tagged'), keyOf(e))).toBe(false);
    }
  });
  test('a token of TF-M verifies, and a MAC is no signature', () => {
    const token = teeFile('cose/psa-2_0_0_sign1.bin');
    expect(verifies(parseSign1(token, 'tagged', LIMITS), createPublicKey(teeText('cose/public.pem')))).toBe(
      true,
    );
    expect(() => parseSign1(teeFile('cose/psa-iot-1_mac0.bin'), 'tagged', LIMITS)).toThrow(/tag is another/);
  });
  test('an endorsement of Microsoft names the launch measurement of its report', () => {
    const file = teeFile('sev-snp/css_milan_v3_uvm_endorsement.cose');
    // Its header has a tagged time, which signed evidence of ours never has: read by the library alone.
    const [, , payload] = decode(file, { tags: { 18: (inner) => inner() } }) as [
      unknown,
      unknown,
      Uint8Array,
    ];
    expect(() => parseSign1(file, 'tagged', LIMITS)).toThrow(/tag not supported/);
    const claims = JSON.parse(new TextDecoder().decode(payload));
    const report = teeJson('sev-snp/expected.json')['css_milan_v3_report.bin'];
    expect(claims['x-ms-sevsnpvm-launchmeasurement']).toBe(report.measurement);
  });
});

describe('CBOR', () => {
  const limits = { bytes: 4096, depth: 4, items: 64 };
  test.each<[string, string, RegExp]>([
    ['an integer that is not the shortest', '1801', /./],
    ['a length that is not the shortest', '580100', /./],
    ['a key that stands twice', 'a201010102', /./],
    ['a tag', 'c100', /./],
    ['undefined', 'f7', /./],
    ['NaN', 'f97e00', /./],
    ['an infinity', 'f97c00', /./],
    ['a reserved head', '1c', /reserved head/],
    ['a break alone', 'ff', /a break/],
    ['an indefinite integer', '1f', /indefinite/],
    ['half a map', 'a101', /ends/],
    ['a string longer than the bytes', '5903e800', /inside a string/],
    ['two items', '0000', /1 bytes too many/],
    ['nothing', '', /ends/],
    ['five arrays', '8181818181 00'.replaceAll(' ', ''), /deeper than 4/],
    ['an array of more items than allowed', `9841${'00'.repeat(65)}`, /more than 64/],
    ['an array that claims 2^63 items', '9b8000000000000000', /ends/],
    ['text that is not UTF-8', '61ff', /./],
  ])('%s is refused', (_, hex, why) => {
    expect(() => decodeCbor(fromHex(hex), limits)).toThrow(AttestdError);
    expect(() => decodeCbor(fromHex(hex), limits)).toThrow(why);
  });
  test('maps and strings of indefinite length are read', () => {
    expect(decodeCbor(fromHex('bf61610161629f0203ffff'), limits)).toEqual(
      new Map<string, unknown>([
        ['a', 1],
        ['b', [2, 3]],
      ]),
    );
  });
  test('nesting of any depth is refused before anything recurses', () => {
    expect(() => decodeCbor(new Uint8Array(4000).fill(0x81), limits)).toThrow(/deeper/);
    expect(() => decodeCbor(new Uint8Array(4000).fill(0x9f), limits)).toThrow(/deeper/);
    expect(() => decodeCbor(new Uint8Array(4000).fill(0xc1), limits)).toThrow(/deeper/);
  });
});

test('whatever the bytes, the readers answer or throw an AttestdError', () => {
  const seeds = Object.keys(expected).map(read);
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 });
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.tuple(fc.constantFrom(...seeds), edits, fc.nat()).map(([seed, list, cut]) => {
      const bytes = seed.slice(0, seed.length - (cut % 4 === 0 ? cut % seed.length : 0));
      for (const [at, b] of list) if (bytes.length > 0) bytes[at % bytes.length] = b;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(input, (bytes) => {
      for (const parse of [parseNitroDocument, (b: Uint8Array) => decodeCbor(b, LIMITS)]) {
        try {
          parse(bytes);
        } catch (e) {
          expect(e).toBeInstanceOf(AttestdError);
        }
      }
    }),
    { numRuns: runs(3000) },
  );
});
