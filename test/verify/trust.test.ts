import { beforeAll, describe, expect, test } from 'vitest';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import { AttestdError } from '../../src/core/errors.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { forge } from '../kit/forge.ts';
import { world } from '../kit/hooks.ts';

let valid: JsonObject;
beforeAll(async () => {
  valid = (await forge()).trust;
});
const parse = (t: unknown) => parseTrust(utf8(JSON.stringify(t)));
const hex = 'ab'.repeat(32);

test('a trust file is read as it stands', async () => {
  const root = (valid.roots as JsonObject[])[0]?.certificate as string;
  const authorities = [{ name: 'tsa', root, certificates: [root], until: '2030-01-01T00:00:00.000Z' }];
  const t = parse({
    ...valid,
    maxAge: 60,
    keys: ['EC P-256', 'RSA 3072'],
    timestamps: { authorities, required: 1 },
  });
  expect(t.keys).toEqual([{ curve: 'P-256' }, { bits: 3072 }]);
  expect(t.timestamps).toMatchObject({
    required: 1,
    authorities: [{ name: 'tsa', until: Date.UTC(2030, 0) }],
  });
  expect(t).toMatchObject({ minimumLevel: 4, acceptHostTime: true, revocation: 'required', maxAge: 60 });
  expect(t.roots[0]?.certificate.der).toEqual((await world()).root.certificate.der);
  expect(t.pcrs[0]?.sha256.size).toBe(8);
});

describe('what is refused names its field', () => {
  const cases: [string, (t: JsonObject) => Json, string][] = [
    ['an unknown key', (t) => ({ ...t, policy: 1 }), '/policy'],
    ['a missing key', ({ acceptHostTime: _, ...t }) => t, '/acceptHostTime'],
    ['another schema', (t) => ({ ...t, schema: 'attestd.dev/trust/v2' }), '/schema'],
    ['no root', (t) => ({ ...t, roots: [] }), '/roots'],
    ['a root of no kind', (t) => ({ ...t, roots: [{ certificate: '' }] }), '/roots/0/kind'],
    [
      'a root that is no certificate',
      (t) => ({ ...t, roots: [{ certificate: 'AAAA', kind: 'hardware' }] }),
      '/roots/0/certificate',
    ],
    ['a level of 0', (t) => ({ ...t, minimumLevel: 0 }), '/minimumLevel'],
    ['a level as text', (t) => ({ ...t, minimumLevel: '4' }), '/minimumLevel'],
    ['a pattern for a host', (t) => ({ ...t, hosts: ['attestd://fleet/*'] }), '/hosts/0'],
    ['level 3 without any state', (t) => ({ ...t, pcrs: [] }), '/pcrs'],
    ['a state that names no PCR', (t) => ({ ...t, pcrs: [{ name: 'a', sha256: {} }] }), '/pcrs/0/sha256'],
    [
      'a PCR without a value',
      (t) => ({ ...t, pcrs: [{ name: 'a', sha256: { 0: [] } }] }),
      '/pcrs/0/sha256/0',
    ],
    ['a PCR beyond 23', (t) => ({ ...t, pcrs: [{ name: 'a', sha256: { 24: [hex] } }] }), '/pcrs/0/sha256/24'],
    [
      'a PCR index with a zero before it',
      (t) => ({ ...t, pcrs: [{ name: 'a', sha256: { '00': [hex] } }] }),
      '/pcrs/0/sha256/00',
    ],
    [
      'a PCR value in upper case',
      (t) => ({ ...t, pcrs: [{ name: 'a', sha256: { 0: [hex.toUpperCase()] } }] }),
      '/pcrs/0/sha256/0/0',
    ],
    ['a revocation rule that is none', (t) => ({ ...t, revocation: 'never' }), '/revocation'],
    ['host time as a number', (t) => ({ ...t, acceptHostTime: 1 }), '/acceptHostTime'],
    ['a list that is none', (t) => ({ ...t, crls: ['AAAA'] }), '/crls/0'],
    [
      'a policy of a record key that is none',
      (t) => ({ ...t, recordKeyPolicies: [hex, 'ab'] }),
      '/recordKeyPolicies/1',
    ],
    ['no policy of a record key at all', (t) => ({ ...t, recordKeyPolicies: [] }), '/recordKeyPolicies'],
    ['seals of other logs by number', (t) => ({ ...t, foreignSeals: 1 }), '/foreignSeals'],
    ['an age of 0', (t) => ({ ...t, maxAge: 0 }), '/maxAge'],
    ['a key that is too short to count', (t) => ({ ...t, keys: ['RSA 1024'] }), '/keys/0'],
    ['a curve that is none', (t) => ({ ...t, keys: ['EC P-255'] }), '/keys/0'],
    [
      'more timestamps than authorities',
      (t) => ({ ...t, timestamps: { authorities: [], required: 1 } }),
      '/timestamps/required',
    ],
    [
      'an authority without a root',
      (t) => ({ ...t, timestamps: { authorities: [{ name: 'tsa' }], required: 0 } }),
      '/timestamps/authorities/0/root',
    ],
    [
      'a period that is no time',
      (t) => ({
        ...t,
        timestamps: {
          authorities: [{ root: (t.roots as JsonObject[])[0]?.certificate as string, from: '2026' }],
          required: 0,
        },
      }),
      '/timestamps/authorities/0/from',
    ],
    ['an array', () => [], ''],
  ];
  test.each(cases)('%s', (_, change, field) => {
    let error: unknown;
    try {
      parse(change(valid));
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(AttestdError);
    expect(error).toMatchObject({ code: 'MALFORMED', facts: { field } });
  });
  test('a key that stands twice', () => {
    const text = JSON.stringify(valid).replace('{', '{"schema":"attestd.dev/trust/v1",');
    expect(() => parseTrust(utf8(text))).toThrow(/stands twice/);
  });
  test('a root that is a certificate with bytes behind it', async () => {
    const der = (await world()).root.certificate.der;
    const roots = [{ certificate: toBase64(Uint8Array.of(...der, 0)), kind: 'hardware' }];
    expect(() => parse({ ...valid, roots })).toThrow(/1 bytes too many/);
  });
});
