import { constants, createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { equal, fromHex, toHex } from '../../src/core/bytes.ts';
import { hashName } from '../../src/evidence/tpm/algorithm.ts';
import { ATTEST_MAGIC, ATTEST_QUOTE, parseAttest, printAttest } from '../../src/evidence/tpm/attest.ts';
import { creationHash, parseCreation, printCreation } from '../../src/evidence/tpm/creation.ts';
import { nameOf, readName } from '../../src/evidence/tpm/names.ts';
import { type PcrValues, pcrDigest } from '../../src/evidence/tpm/pcr.ts';
import {
  parsePublic,
  printPublic,
  publicName,
  publicSpki,
  qualifiedName,
} from '../../src/evidence/tpm/public.ts';
import { ecdsaP1363, parseSignature, printSignature } from '../../src/evidence/tpm/signature.ts';

const DIR = new URL('../vectors/tpm/', import.meta.url);

interface Case {
  attest_hex: string;
  signature: { format: string; hex: string };
  ak_public_pem?: string;
  ak_certificate_pem?: string;
  ak_tpmt_public_hex?: string;
  ak_name_hex?: string;
  nonce_hex: string;
  pcrs: Record<string, Record<string, string>>;
  expect: { pcr_digest_hash: string };
  parsed: {
    qualifiedSigner: string;
    clock: number;
    resetCount: number;
    restartCount: number;
    safe: number;
    firmwareVersion: string;
    pcrDigest: string;
  };
  creation?: { create_data_hex?: string; [k: string]: unknown };
}

const CASES = readdirSync(DIR).filter((f) => f.endsWith('.case.json'));
const load = (f: string): Case => JSON.parse(readFileSync(new URL(f, DIR), 'utf8'));

function akKey(c: Case): KeyObject {
  if (c.ak_tpmt_public_hex !== undefined) {
    const spki = publicSpki(parsePublic(fromHex(c.ak_tpmt_public_hex)));
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  }
  if (c.ak_public_pem !== undefined) return createPublicKey(c.ak_public_pem);
  return new X509Certificate(c.ak_certificate_pem ?? '').publicKey;
}

function signatureHolds(c: Case, attest: Uint8Array): boolean {
  const bytes = fromHex(c.signature.hex);
  const key = akKey(c);
  if (!c.signature.format.startsWith('TPMT_SIGNATURE')) return verify('sha256', attest, key, bytes);
  const s = parseSignature(bytes);
  expect(printSignature(s)).toEqual(bytes);
  const hash = hashName(s.hash);
  if (s.alg === 'ecdsa') return verify(hash, attest, { key, dsaEncoding: 'ieee-p1363' }, ecdsaP1363(s, 32));
  const padding = s.alg === 'rsapss' ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  const salt = s.alg === 'rsapss' ? { saltLength: constants.RSA_PSS_SALTLEN_AUTO } : {};
  return verify(hash, attest, { key, padding, ...salt }, s.sig);
}

describe.each(CASES)('quote %s', (file) => {
  const c = load(file);
  const bytes = fromHex(c.attest_hex);
  const a = parseAttest(bytes);

  it('parses to what the collector read, and prints back', () => {
    expect(a.magic).toBe(ATTEST_MAGIC);
    expect(a.type).toBe(ATTEST_QUOTE);
    expect(toHex(a.qualifiedSigner)).toBe(c.parsed.qualifiedSigner);
    expect(toHex(a.extraData)).toBe(c.nonce_hex);
    expect(a.clockInfo).toEqual({
      clock: BigInt(c.parsed.clock),
      resetCount: c.parsed.resetCount,
      restartCount: c.parsed.restartCount,
      safe: c.parsed.safe === 1,
    });
    expect(a.firmwareVersion.toString(16).padStart(16, '0')).toBe(c.parsed.firmwareVersion);
    expect(printAttest(a)).toEqual(bytes);
  });

  it('has a signature that the platform verifies, and not over changed bytes', () => {
    expect(signatureHolds(c, bytes)).toBe(true);
    const changed = bytes.slice();
    changed[bytes.length - 1] = (changed[bytes.length - 1] as number) ^ 1;
    expect(signatureHolds(c, changed)).toBe(false);
  });

  it('has the digest of its PCR values, and of no others', () => {
    if (a.attested.kind !== 'quote') throw new Error('not a quote');
    const { selections } = a.attested;
    const values: Record<string, Record<string, string>> = {};
    for (const { hash, pcrs } of selections) {
      const bank = hashName(hash);
      values[bank] = Object.fromEntries(pcrs.map((p) => [String(p), c.pcrs[bank]?.[String(p)] ?? '']));
    }
    const alg = c.expect.pcr_digest_hash === 'sha1' ? 0x0004 : 0x000b;
    expect(toHex(pcrDigest(selections, values, alg))).toBe(c.parsed.pcrDigest);
    const bank = hashName(selections[0]?.hash ?? 0);
    const first = String(selections[0]?.pcrs[0]);
    const without: PcrValues = { ...values, [bank]: omit(values[bank] ?? {}, first) };
    expect(() => pcrDigest(selections, without, alg)).toThrow(/no value for PCR/);
    const more: PcrValues = { ...values, sha512: { '0': '00'.repeat(64) } };
    expect(() => pcrDigest(selections, more, alg)).toThrow(/is not selected/);
  });

  it.runIf(c.ak_tpmt_public_hex !== undefined)('has a key that prints back and has its Name', () => {
    const pub = fromHex(c.ak_tpmt_public_hex ?? '');
    expect(printPublic(parsePublic(pub))).toEqual(pub);
    expect(toHex(publicName(pub))).toBe(c.ak_name_hex);
    const p = parsePublic(pub);
    expect(p.attributes).toMatchObject({ fixedTPM: true, restricted: true, sign: true, decrypt: false });
  });
});

function omit(o: Record<string, string>, k: string): Record<string, string> {
  return Object.fromEntries(Object.entries(o).filter(([n]) => n !== k));
}

it('there are as many samples as were collected', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(11);
});

it('the Name that keylime wrote is that of its key', () => {
  const tpm2b = new Uint8Array(readFileSync(new URL('keylime_ak.pub', DIR)));
  const name = new Uint8Array(readFileSync(new URL('keylime_ak.name', DIR)));
  expect(equal(publicName(tpm2b.slice(2)), name)).toBe(true);
  expect(readName(name).alg).toBe(0x000b);
});

it('a qualified Name hashes the one above with the Name', () => {
  const name = nameOf(0x000b, Uint8Array.of(1, 2, 3));
  const primary = qualifiedName(0x4000000b, name);
  const h = (...b: Uint8Array[]) => new Uint8Array(createHash('sha256').update(Buffer.concat(b)).digest());
  expect(primary).toEqual(Uint8Array.of(0, 0x0b, ...h(Uint8Array.of(0x40, 0, 0, 0x0b), name)));
  expect(qualifiedName(primary, name)).toEqual(Uint8Array.of(0, 0x0b, ...h(primary, name)));
});

it('the creation data of a Windows host hashes to what its attestation certifies', () => {
  const creation = load('windows_gcp_shielded_vm.case.json').creation as Record<string, string>;
  const data = fromHex(creation.create_data_hex ?? '');
  const parsed = parseCreation(data);
  expect(printCreation(parsed)).toEqual(data);
  const a = parseAttest(fromHex(creation.create_attestation_hex ?? ''));
  if (a.attested.kind !== 'creation') throw new Error('not a creation attestation');
  expect(creationHash(0x000b, data)).toEqual(a.attested.creationHash);
  expect(printAttest(a)).toEqual(fromHex(creation.create_attestation_hex ?? ''));
  expect(qualifiedName(parsed.parentQualifiedName, a.attested.objectName)).toEqual(a.qualifiedSigner);
});
