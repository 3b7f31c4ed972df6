import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import {
  activationMac,
  type EnrolRequest,
  enrolmentDigest,
  parseChallenge,
  parseRequest,
  parseResponse,
  printChallenge,
  printRequest,
  printResponse,
} from '../../src/evidence/enrolment.ts';

const fill = (n: number, v: number) => new Uint8Array(n).fill(v);

const request: EnrolRequest = {
  fleet: 'example.org',
  host: 'web-1',
  nonce: fill(32, 1),
  time: '2026-11-21T15:02:11.000Z',
  ek: { public: fill(120, 2), certificate: fill(900, 3), chain: [fill(700, 4), fill(701, 5)] },
  storage: { public: fill(90, 6) },
  ak: {
    public: fill(88, 7),
    creationData: fill(110, 8),
    creationAttest: fill(150, 9),
    creationSignature: fill(72, 10),
  },
  tpm: { manufacturer: '49424d00', vendor: 'SW   TPM', firmwareVersion: '2315970048', revision: 164 },
};
const challenge = {
  request: fill(32, 11),
  credentialBlob: fill(70, 12),
  encryptedSecret: fill(258, 13),
  nonce: fill(32, 14),
  expires: '2026-11-21T16:02:11.000Z',
};
const response = {
  request: fill(32, 11),
  challenge: fill(32, 15),
  mac: fill(32, 16),
  quote: { attest: fill(145, 17), signature: fill(72, 18) },
  pcrs: { sha256: { '0': '00'.repeat(32), '13': 'ab'.repeat(32) } },
};

const files = [
  { name: 'request.json', bytes: printRequest(request), parse: parseRequest, value: request },
  { name: 'challenge.json', bytes: printChallenge(challenge), parse: parseChallenge, value: challenge },
  { name: 'response.json', bytes: printResponse(response), parse: parseResponse, value: response },
];

describe.each(files)('$name', ({ bytes, parse, value }) => {
  it('parses back to what was printed', () => {
    expect(parse(bytes)).toEqual(value);
  });

  it('refuses every proper prefix', () => {
    for (let n = 0; n < bytes.length; n++) {
      expect(() => parse(bytes.subarray(0, n)), `prefix of ${n} bytes`).toThrow();
    }
  });

  it('refuses one byte too many, another spelling, an unknown field and a missing one', () => {
    const text = fromUtf8(bytes);
    const object = JSON.parse(text) as Record<string, unknown>;
    for (const bad of [
      `${text}\n`,
      ` ${text}`,
      JSON.stringify(object, null, 1),
      JSON.stringify(Object.fromEntries(Object.entries(object).reverse())),
      text.replace(/}$/, ',"zzz":1}'),
      text.replace('/v1"', '/v2"'),
    ]) {
      expect(() => parse(utf8(bad)), bad.slice(0, 60)).toThrow();
    }
    for (const name of Object.keys(object)) {
      const { [name]: _, ...rest } = object;
      expect(() => parse(utf8(JSON.stringify(rest))), `without ${name}`).toThrow();
    }
  });

  it('answers any bytes and any change of a byte with a value or with its own error', () => {
    const attempt = (input: Uint8Array) => {
      try {
        parse(input);
      } catch (e) {
        if (!isAttestdError(e)) throw e;
      }
      return true;
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), attempt));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = bytes.slice();
        changed[at] = (changed[at] as number) ^ flip;
        return attempt(changed);
      }),
    );
  });
});

describe('fields of the enrolment files', () => {
  type Loose = Record<string, unknown> & { ak: Record<string, unknown> };
  const spoil = (change: (j: Loose) => void): Uint8Array => {
    const j = JSON.parse(fromUtf8(printRequest(request))) as Loose;
    change(j);
    return utf8(JSON.stringify(j));
  };
  const rows: [string, string, (j: Loose) => void][] = [
    ['an upper-case fleet', '/fleet', (j) => Object.assign(j, { fleet: 'Example' })],
    ['a host with a slash', '/host', (j) => Object.assign(j, { host: 'a/b' })],
    ['a host that is only dots', '/host', (j) => Object.assign(j, { host: '..' })],
    ['a short nonce', '/nonce', (j) => Object.assign(j, { nonce: 'AAAA' })],
    ['base64 with stray bits', '/ak/public', (j) => Object.assign(j.ak, { public: 'AAB=' })],
    ['a time without milliseconds', '/time', (j) => Object.assign(j, { time: '2026-11-21T15:02:11+0000' })],
  ];
  it.each(rows)('names the field of %s', (_, field, change) => {
    try {
      parseRequest(spoil(change));
      expect.unreachable('the request was accepted');
    } catch (e) {
      expect(isAttestdError(e, 'MALFORMED') && e.facts.field).toBe(field);
    }
  });

  it('refuses a file over the limit before it parses it', () => {
    expect(() => parseRequest(new Uint8Array(262_145))).toThrow(/over 262144 bytes/);
  });
});

describe('digests and the MAC', () => {
  it('is HMAC-SHA-256 over tag, request digest and challenge digest', () => {
    // printf 'attestd/activate/v1' + 32×01 + 32×02 | openssl dgst -sha256 -mac HMAC -macopt hexkey:03…03
    expect(toHex(activationMac(fill(32, 3), fill(32, 1), fill(32, 2)))).toBe(
      '5aaca0abb7df800ad0a4403515a1a38e4cdddbf07d42dba32845260b14c3183c',
    );
    expect(toHex(enrolmentDigest(utf8('abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });
});
