import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Certificate as PkiCertificate } from 'pkijs';
import { beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import { AttestdError } from '../../src/core/errors.ts';
import { readCertificates } from '../../src/evidence/certfile.ts';
import { type Certificate, parseCertificate, trimCertificate } from '../../src/evidence/x509/certificate.ts';
import { parseCrl } from '../../src/evidence/x509/crl.ts';
import { buildPath } from '../../src/evidence/x509/path.ts';
import { ecdsaDer, ecdsaRaw, verifySignature } from '../../src/evidence/x509/signature.ts';
import { runs } from '../fuzz/runs.ts';
import { type Issued, issue, keyPair, makeCrl } from '../kit/authority.ts';

const ROOT = new URL('../vectors/verify/x509/', import.meta.url);
const expected = JSON.parse(readFileSync(new URL('expected.json', ROOT), 'utf8')) as Record<
  string,
  { not_before: string; not_after: string; key_algorithm: string; extensions: string }
>;

function pems(path: string): Uint8Array[] {
  const text = readFileSync(new URL(path, ROOT), 'latin1');
  return [...text.matchAll(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----([^-]+)-----END/g)].map((m) =>
    trimCertificate(new Uint8Array(Buffer.from(m[1] as string, 'base64'))),
  );
}
function der(path: string): Uint8Array {
  return trimCertificate(new Uint8Array(readFileSync(new URL(path, ROOT))));
}
const leaves = Object.keys(expected);
const vendor = readdirSync(new URL('vendor/', ROOT)).flatMap((f) => pems(`vendor/${f}`));
const all: Uint8Array[] = [
  ...leaves.map(der),
  ...vendor,
  ...readdirSync(new URL('ak/', ROOT))
    .filter((f) => f.endsWith('.pem'))
    .flatMap((f) => pems(`ak/${f}`)),
  ...readdirSync(new URL('ek/', ROOT))
    .filter((f) => f.endsWith('.pem'))
    .flatMap((f) => pems(`ek/${f}`)),
  ...['gce_ca', 'bundle', 'vendor_ca'].flatMap((dir) =>
    readdirSync(new URL(`${dir}/`, ROOT))
      .filter((f) => !f.endsWith('.yaml'))
      .flatMap((f) => readCertificates(new Uint8Array(readFileSync(new URL(`${dir}/${f}`, ROOT))))),
  ),
];

describe('real certificates', () => {
  test.each(leaves)('%s reads as openssl reads it', (name) => {
    const c = parseCertificate(der(name));
    const e = expected[name];
    expect(c.notBefore).toBe(Date.parse(e?.not_before ?? ''));
    expect(c.notAfter).toBe(Date.parse(e?.not_after ?? ''));
    expect(c.key.kind).toBe(e?.key_algorithm === 'id-ecPublicKey' ? 'ec' : 'rsa');
    expect(c.keyUsage?.includes('digitalSignature') ?? false).toBe(
      /Digital Signature/.test(e?.extensions ?? ''),
    );
    expect(c.extendedKeyUsage?.includes('2.23.133.8.1') ?? false).toBe(
      /2\.23\.133\.8\.1/.test(e?.extensions ?? ''),
    );
    expect(c.alternativeNames?.directory.length ?? 0).toBe(
      (e?.extensions.match(/2\.23\.133\.2\.\d=/g) ?? []).length,
    );
  });

  test('every vendor certificate reads, and as pkijs reads it', () => {
    expect(all.length).toBeGreaterThan(80);
    for (const bytes of all) {
      const ours = parseCertificate(bytes);
      const theirs = PkiCertificate.fromBER(bytes.slice().buffer);
      expect(toHex(ours.tbs)).toBe(toHex(new Uint8Array(theirs.tbsView)));
      expect(ours.notBefore).toBe(theirs.notBefore.value.getTime());
      expect(ours.notAfter).toBe(theirs.notAfter.value.getTime());
      expect(toHex(ours.signature)).toBe(
        toHex(new Uint8Array(theirs.signatureValue.valueBlock.valueHexView)),
      );
      expect(toHex(ours.serial)).toBe(toHex(new Uint8Array(theirs.serialNumber.valueBlock.valueHexView)));
      expect(ours.extensions.map((e) => [e.oid, e.critical])).toEqual(
        (theirs.extensions ?? []).map((e) => [e.extnID, e.critical]),
      );
    }
  });

  test('the roots of the bundle are those whose fingerprints its list states', () => {
    const yaml = readFileSync(new URL('bundle/tpm-roots.yaml', ROOT), 'utf8');
    const listed = [...yaml.matchAll(/(sha1|sha256): "([0-9A-F:]+)"/g)].map((m) => [m[1], m[2]] as const);
    const bundle = readCertificates(new Uint8Array(readFileSync(new URL('bundle/tpm-root-ca.pem', ROOT))));
    expect([bundle.length, listed.length]).toEqual([26, 26]);
    const strangers = bundle.filter(
      (der) =>
        !listed.some(
          ([hash = '', print = '']) =>
            createHash(hash).update(der).digest('hex') === print.replaceAll(':', '').toLowerCase(),
        ),
    );
    expect(strangers).toEqual([]);
  });

  test('the encodings known to be no DER are reported, the others are DER', () => {
    expect(parseCertificate(der('ek/intel_ptt_spt.der')).deviations).toContain('a DEFAULT value is encoded');
    expect(parseCertificate(der('ek/nuvoton_root_2110_bad_set_order.der')).deviations).toEqual(
      expect.arrayContaining(['a SET is not in DER order']),
    );
    for (const name of leaves.filter((n) => n.startsWith('ak/'))) {
      expect(parseCertificate(der(name)).deviations).toEqual([]);
    }
  });

  test('padding after the certificate is cut, and refused where it is not', () => {
    const padded = new Uint8Array(readFileSync(new URL('ek/st_rsa.der', ROOT)));
    expect(padded.length - trimCertificate(padded).length).toBe(431);
    expect(() => parseCertificate(padded)).toThrow(/431 bytes too many/);
  });

  test.each([
    ['ak/gce_cos85_ak.der'],
    ['ak/gce_pca_tpm_ecc_sign_cert.der'],
    ['ak/gce_uca_tpm_rsa_sign_cert.der'],
    ['ek/gce_pca_tpm_ecc_enc_cert.der'],
    ['ek/gce_uca_tpm_rsa_enc_cert.der'],
    ['ek/infineon_rsa.der'],
    ['ek/intel_ptt_spt.der'],
    ['ek/st_rsa.der'],
  ])('%s chains to the last certificate of its chain, and to no other root', async (name) => {
    const chain = pems(name.replace('.der', '.chain.pem')).map(parseCertificate);
    const leaf = parseCertificate(der(name));
    const question = { leaf, intermediates: chain.slice(0, -1), verify: verifySignature };
    const good = await buildPath({ ...question, roots: chain.slice(-1), at: Date.UTC(2024, 0) });
    expect(good).toMatchObject({ found: true });
    if (good.found) expect(good.path.at(-1)?.der).toEqual(chain.at(-1)?.der);
    const others = vendor
      .map(parseCertificate)
      .filter((c) => toHex(c.spki) !== toHex((chain.at(-1) as Certificate).spki));
    const bad = await buildPath({ ...question, intermediates: [], roots: others.slice(0, 20) });
    expect(bad).toMatchObject({ found: false, fault: 'issuer-missing' });
  });
});

describe('certificates that their origins state an answer for', () => {
  const chainOf = (path: string) => pems(path).map(parseCertificate);
  const ask = (
    name: string,
    given: readonly Certificate[],
    roots: readonly Certificate[],
    at = Date.UTC(2024, 0),
  ) =>
    buildPath({
      leaf: parseCertificate(der(name)),
      intermediates: given,
      roots,
      at,
      verify: verifySignature,
    });
  const outside = vendor.map(parseCertificate);

  test('an AK certificate of CMC, RSA under an ECDSA authority, leads to the root that issued it and to no other', async () => {
    const [root, ...more] = chainOf('ak/cmc_ca.pem') as [Certificate, ...Certificate[]];
    expect(more).toEqual([]);
    const good = await ask('ak/cmc_ak.der', [], [root]);
    expect(good.found && good.path.map((c) => c.key.kind)).toEqual(['rsa', 'ec']);
    expect(await ask('ak/cmc_ak.der', [], outside)).toMatchObject({ found: false, fault: 'issuer-missing' });
    expect(await ask('ak/cmc_ak.der', [], [root], Date.UTC(2028, 0))).toMatchObject({
      fault: 'not-valid-then',
    });
  });

  test('an IAK certificate of HPE leads to the IDevID authority, and to none of the authorities of TPM vendors', async () => {
    const chain = chainOf('ak/keylime_idevid_ca.pem');
    const roots = chain.filter((c) => toHex(c.subject) === toHex(c.issuer));
    const given = chain.filter((c) => !roots.includes(c));
    expect([roots.length, given.length]).toEqual([1, 1]);
    expect(await ask('ak/keylime_iak.der', given, roots)).toMatchObject({ found: true });
    for (const hints of [[], given])
      expect(await ask('ak/keylime_iak.der', hints, outside)).toMatchObject({
        found: false,
        fault: 'issuer-missing',
      });
  });

  test('the Nuvoton root whose names are in wrong SET order signed itself, as openssl says', async () => {
    const root = parseCertificate(der('ek/nuvoton_root_2110_bad_set_order.der'));
    const key = { spki: root.spki, facts: root.key };
    expect(root.subject).toEqual(root.issuer);
    expect(await verifySignature(key, root.algorithm, root.tbs, root.signature)).toBe(true);
    const changed = root.tbs.map((b, i) => (i === 40 ? b ^ 1 : b));
    expect(await verifySignature(key, root.algorithm, changed, root.signature)).toBe(false);
  });
});

describe('paths', () => {
  const T = Date.parse('2026-06-01T00:00:00Z');
  let root: Issued;
  let middle: Issued;
  const make = (over: Partial<Parameters<typeof issue>[0]> = {}) =>
    issue({ issuer: middle, subject: 'leaf', ...over });
  beforeAll(async () => {
    root = await issue({ subject: 'root', ca: {} });
    middle = await issue({ issuer: root, subject: 'middle', ca: {} });
  });
  const path = (leaf: Issued, intermediates: Issued[], roots: Issued[], at?: number) =>
    buildPath({
      leaf: leaf.certificate,
      intermediates: intermediates.map((i) => i.certificate),
      roots: roots.map((i) => i.certificate),
      verify: verifySignature,
      ...(at === undefined ? {} : { at }),
    });

  test('a leaf reaches its root through the intermediate', async () => {
    expect(await path(await make(), [middle], [root], T)).toMatchObject({ found: true });
  });
  test('another intermediate of the same name is stepped over', async () => {
    const decoy = await issue({ issuer: root, subject: 'middle', ca: {} });
    expect(await path(await make(), [decoy, middle], [root])).toMatchObject({ found: true });
  });
  test('an issuer that is no CA, may not sign, or is too high up ends the path', async () => {
    const noCa = await issue({ issuer: root, subject: 'middle', key: middle.keys });
    expect(await path(await make(), [noCa], [root])).toMatchObject({
      fault: 'issuer-not-ca',
      reasons: ['an issuer is not a CA'],
    });
    const noSign = await issue({ issuer: root, subject: 'middle', key: middle.keys, ca: {}, keyUsage: 0x02 });
    expect(await path(await make(), [noSign], [root])).toMatchObject({
      fault: 'issuer-usage',
      reasons: ['an issuer may not sign certificates'],
    });
    const short = await issue({ subject: 'root', key: root.keys, ca: { pathLength: 0 } });
    expect(await path(await make(), [middle], [short])).toMatchObject({
      fault: 'path-length',
      reasons: ['the path is longer than an issuer allows'],
    });
  });
  test('a critical extension that is not understood ends the path, on the leaf and above', async () => {
    const odd = await make({ extensions: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }] });
    expect(await path(odd, [middle], [root])).toMatchObject({ fault: 'critical-extension' });
    const constrained = await issue({
      issuer: root,
      subject: 'middle',
      key: middle.keys,
      ca: {},
      // policyConstraints
      extensions: [{ oid: '2.5.29.36', critical: true, value: Uint8Array.of(0x30, 3, 0x80, 1, 0) }],
    });
    expect(await path(await make(), [constrained], [root])).toMatchObject({ fault: 'critical-extension' });
  });
  test('outside the validity of any certificate there is no path', async () => {
    const leaf = await make();
    expect(await path(leaf, [middle], [root], Date.parse('2051-01-01T00:00:00Z'))).toMatchObject({
      fault: 'not-valid-then',
    });
    expect(await path(leaf, [middle], [root], Date.parse('2011-01-01T00:00:00Z'))).toMatchObject({
      fault: 'not-valid-then',
    });
  });
  test('a loop of issuers ends', async () => {
    const a = await keyPair();
    const b = await keyPair();
    const ab = await issue({ issuer: { name: 'b', keys: b }, subject: 'a', key: a, ca: {} });
    const ba = await issue({ issuer: { name: 'a', keys: a }, subject: 'b', key: b, ca: {} });
    const leaf = await issue({ issuer: ab, subject: 'leaf' });
    expect(await path(leaf, [ab, ba], [root])).toMatchObject({ fault: 'issuer-missing' });
  });
  test('a certificate does not sign itself into trust, and a root is not a leaf', async () => {
    const self = await issue({ subject: 'self', ca: {} });
    expect(await path(self, [self], [root])).toMatchObject({ fault: 'issuer-missing' });
    expect(await path(root, [], [root])).toMatchObject({ fault: 'issuer-missing' });
  });
  test('SHA-1 and short RSA keys never verify', async () => {
    const sha1 = pems('vendor/IFX1.pem')
      .map(parseCertificate)
      .find((c) => c.algorithm.kind === 'refused');
    expect(sha1?.algorithm).toMatchObject({ kind: 'refused', why: 'SHA-1 is no longer accepted' });
    const short = await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 1024,
        publicExponent: Uint8Array.of(1, 0, 1),
        hash: 'SHA-256',
      },
      true,
      ['sign', 'verify'],
    );
    const message = Uint8Array.of(1, 2, 3);
    const signature = new Uint8Array(
      await crypto.subtle.sign('RSASSA-PKCS1-v1_5', short.privateKey, message),
    );
    const spki = new Uint8Array(await crypto.subtle.exportKey('spki', short.publicKey));
    const ask = (bits: number) =>
      verifySignature(
        { spki, facts: { kind: 'rsa', bits } },
        { kind: 'rsassa', hash: 'SHA-256' },
        message,
        signature,
      );
    expect(await ask(1024)).toBe(false);
    expect(await ask(2048)).toBe(true); // so it was the length and nothing else
  });
});

describe('bytes', () => {
  test('no bit of a certificate changes without an error, a deviation or a broken signature', async () => {
    const root = await issue({ subject: 'root', ca: {} });
    const leaf = await issue({ issuer: root, subject: 'leaf' });
    for (let i = 0; i < leaf.certificate.der.length * 8; i++) {
      const bytes = leaf.certificate.der.slice();
      bytes[i >> 3] = (bytes[i >> 3] as number) ^ (1 << (i & 7));
      let c: Certificate;
      try {
        c = parseCertificate(bytes);
      } catch (e) {
        expect(e).toBeInstanceOf(AttestdError);
        continue;
      }
      const answer = await buildPath({
        leaf: c,
        intermediates: [],
        roots: [root.certificate],
        verify: verifySignature,
      });
      expect(answer.found && c.deviations.length === 0).toBe(false);
    }
  });
  test('every proper prefix of a certificate and of a list is refused', async () => {
    const root = await issue({ subject: 'root', ca: {} });
    const crl = await makeCrl(root, [{ serial: Uint8Array.of(5), at: 0 }]);
    for (const [bytes, parse] of [
      [root.certificate.der, parseCertificate],
      [crl, parseCrl],
    ] as const) {
      for (let n = 0; n < bytes.length; n++) expect(() => parse(bytes.slice(0, n))).toThrow(AttestdError);
    }
  });
  test('whatever the bytes, the readers answer or throw an AttestdError', () => {
    const seeds = all.slice(0, 20);
    const mutated = fc.tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }).map((b) => [b, []] as const),
          mutated,
        ),
        ([seed, edits]) => {
          const bytes = seed.slice();
          for (const [at, value] of edits) if (bytes.length > 0) bytes[at % bytes.length] = value;
          for (const parse of [parseCertificate, parseCrl]) {
            try {
              parse(bytes);
            } catch (e) {
              expect(e).toBeInstanceOf(AttestdError);
            }
          }
        },
      ),
      { numRuns: runs(2000) },
    );
  });
  test('an ECDSA value has one encoding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (raw) => {
        raw[31] = (raw[31] as number) | 1;
        raw[63] = (raw[63] as number) | 1;
        expect(ecdsaRaw(ecdsaDer(raw), 32)).toEqual(raw);
      }),
    );
    const hex = (s: string) => new Uint8Array(Buffer.from(s, 'hex'));
    for (const bad of [
      '300702020001020101',
      '3006020181020101',
      '30060201000201',
      '3006020100020101',
      '300802010102010105',
    ]) {
      let answer: Uint8Array | undefined;
      try {
        answer = ecdsaRaw(hex(bad), 32);
      } catch (e) {
        expect(e).toBeInstanceOf(AttestdError);
      }
      expect(answer).toBeUndefined();
    }
  });
  test('a list says who is revoked and by whom it is signed', async () => {
    const root = await issue({ subject: 'root', ca: {} });
    const crl = parseCrl(await makeCrl(root, [{ serial: Uint8Array.of(0x51), at: 1_700_000_000_000 }]));
    expect([...crl.revoked]).toEqual([['51', { at: 1_700_000_000_000 }]]);
    expect(crl.deviations).toEqual([]);
    expect(crl.issuer).toEqual(root.certificate.subject);
    const key = { spki: root.certificate.spki, facts: root.certificate.key };
    expect(await verifySignature(key, crl.algorithm, crl.tbs, crl.signature)).toBe(true);
  });
});
