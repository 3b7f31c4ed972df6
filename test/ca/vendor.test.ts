/** EK certificates of real vendors, with their faults, at a time when they were valid. */
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { conditionOf } from '../../src/ca/condition.ts';
import { type EkTrust, ekDigest, examineEk } from '../../src/ca/endorsement.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { readPemCertificates } from '../../src/evidence/certfile.ts';
import { ALG_AES, ALG_CFB, ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import { makeAttributes } from '../../src/evidence/tpm/attributes.ts';
import { CURVE_P256, parsePublic, printPublic, type TpmPublic } from '../../src/evidence/tpm/public.ts';
import { parseCertificate, trimCertificate } from '../../src/evidence/x509/certificate.ts';

const at = (name: string) => new URL(`../vectors/ek-vendors/${name}`, import.meta.url);
const AT = Date.UTC(2024, 0, 1);

/** The EK of a certificate under the low-range template. */
function lowRange(certificate: Uint8Array): TpmPublic {
  const { spki } = parseCertificate(trimCertificate(certificate));
  const jwk = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }).export({
    format: 'jwk',
  });
  const part = (text: string | undefined) => new Uint8Array(Buffer.from(text ?? '', 'base64url'));
  const common = {
    nameAlg: ALG_SHA256,
    attributes: makeAttributes(
      ...(['fixedTPM', 'fixedParent', 'sensitiveDataOrigin', 'adminWithPolicy'] as const),
      ...(['restricted', 'decrypt'] as const),
    ),
    authPolicy: fromHex('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa'),
    symmetric: { alg: ALG_AES, keyBits: 128, mode: ALG_CFB },
    scheme: null,
  };
  return jwk.kty === 'RSA'
    ? { type: 'rsa', ...common, keyBits: 2048, exponent: 0, n: part(jwk.n) }
    : { type: 'ecc', ...common, curve: CURVE_P256, kdf: null, x: part(jwk.x), y: part(jwk.y) };
}

function given(name: string, folder = '') {
  const certificate = new Uint8Array(readFileSync(at(`${folder}${name}.der`)));
  const chain = readPemCertificates(readFileSync(at(`${folder}${name}.chain.pem`), 'utf8'));
  const key = lowRange(certificate);
  const ek = { public: printPublic(key), certificate, chain };
  const trust: EkTrust = { certificates: chain.map(parseCertificate), allowed: [], software: false };
  return { ek, trust, key };
}

describe('EK certificates of vendors', () => {
  it.each([
    ['infineon_rsa', ['id:49465800', 'SLB 9670 TPM2.0', 'id:073f']],
    ['intel_ptt_spt', ['id:494E5443', 'SPT', 'id:00020000']],
    ['st_rsa', ['id:53544D20', 'ST33HTPHAHB4', 'id:00490004']],
    ['gce_uca_tpm_rsa_enc_cert', ['id:474F4F47', 'vTPM', 'id:20160511']],
  ])('%s is built to its root', async (name, words) => {
    const { ek, trust } = given(name);
    const facts = await examineEk(ek, trust, AT);
    expect(facts.certificate?.alternativeNames?.directory.map((a) => a.value)).toEqual(words);
  });

  it.each(['infineon_rsa', 'st_rsa'])('%s is refused when its root is not trusted', async (name) => {
    const { ek, trust } = given(name);
    const noRoot = { ...trust, certificates: trust.certificates.slice(0, -1) };
    const e = await examineEk(ek, noRoot, AT).catch((x: unknown) => x);
    expect(conditionOf(e)).toBe('ek-chain');
  });

  it('the newer GCE certificate has no purpose, but its key may do nothing but agree on keys', async () => {
    const { ek, trust } = given('gce_pca_tpm_ecc_enc_cert');
    const facts = await examineEk(ek, trust, AT);
    expect(facts.certificate?.keyUsage).toEqual(['keyAgreement']);
    expect(facts.certificate?.alternativeNames).toBeUndefined();
  });

  it.each(['gce_uca_tpm_rsa_sign_cert', 'gce_pca_tpm_ecc_sign_cert'])(
    '%s is of an AK, though one of them has the purpose of an EK',
    async (name) => {
      const { ek, trust } = given(name, '../verify/x509/ak/');
      const e = await examineEk(ek, trust, AT).catch((x: unknown) => x);
      expect(conditionOf(e)).toBe('ek-certificate-usage');
    },
  );

  it.each([
    ['padded to the size of its NV index', (b: Uint8Array) => Buffer.concat([b, Buffer.alloc(400, 0xff)])],
    ['padded with zeros', (b: Uint8Array) => Buffer.concat([b, Buffer.alloc(12)])],
    ['behind three bytes of the vendor', (b: Uint8Array) => Buffer.concat([Buffer.from('100100', 'hex'), b])],
  ])('a certificate %s is read, and its raw bytes are kept', async (_, wrap) => {
    const { ek, trust } = given('infineon_rsa');
    const facts = await examineEk({ ...ek, certificate: new Uint8Array(wrap(ek.certificate)) }, trust, AT);
    expect(facts.certificate?.der).toEqual(ek.certificate);
  });

  it('what is no padding, or a certificate cut short, is refused', async () => {
    const { ek, trust } = given('infineon_rsa');
    for (const bad of [Uint8Array.of(...ek.certificate, 0xff, 0x00), ek.certificate.slice(0, -1)]) {
      const e = await examineEk({ ...ek, certificate: bad }, trust, AT).catch((x: unknown) => x);
      expect(conditionOf(e)).toBe('ek-certificate-malformed');
    }
  });

  it('the EK of the Infineon certificate under the low-range template is the public area that its origin states', () => {
    const area = printPublic(given('infineon_rsa').key);
    const stated = JSON.parse(readFileSync(at('expected.json'), 'utf8')) as Record<string, string>;
    expect(toHex(Uint8Array.of(area.length >> 8, area.length & 255, ...area))).toBe(stated.infineon_rsa);
  });

  it("the answer of Intel's service decodes to the certificate", () => {
    const text = readFileSync(at('../verify/x509/ek/intel_ekop_response.json'), 'utf8');
    const { certificate } = JSON.parse(text) as { certificate: string };
    const bytes = Buffer.from(decodeURIComponent(certificate), 'base64url');
    expect(new Uint8Array(bytes)).toEqual(given('intel_ptt_spt').ek.certificate);
  });

  it('one key has one digest under every template', async () => {
    const { key } = given('infineon_rsa');
    const other = parsePublic(printPublic({ ...key, nameAlg: 0x0c }));
    expect(toHex(ekDigest(other))).toBe(toHex(ekDigest(key)));
  });
});
