import { X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { concat, fromHex, toHex, u16 } from '../../src/core/bytes.ts';
import { parsePublic, publicSpki } from '../../src/evidence/tpm/public.ts';
import { activateCredential } from '../../src/tpm/activate.ts';
import { certificatesIn } from '../../src/tpm/der.ts';
import { ekOfCertificate, findEks } from '../../src/tpm/ek.ts';
import { ekTemplate, policyA, policyB } from '../../src/tpm/ektemplate.ts';
import { occupancy } from '../../src/tpm/property.ts';
import { CC } from '../kit/wire.ts';
import { type Host, random, startHost } from './host.ts';

let host: Host | null = null;
afterEach(async () => {
  await host?.stop();
  host = null;
});
const start = async (...o: Parameters<typeof startHost>) => {
  host = await startHost(...o);
  return host;
};
const tpm2b = (b: Uint8Array) => concat(u16(b.length), b);

describe('endorsement keys', () => {
  test.each([
    ['debian', ['p384', 'rsa2048']],
    ['p256', ['p256', 'p384', 'rsa2048']],
    ['none', []],
  ] as const)('of a TPM of kind %s are found by certificate, the preferred first', async (eks, kinds) => {
    const h = await start({ eks });
    const search = await findEks(h.tpm);
    expect(search.eks.map((e) => e.kind)).toEqual(kinds);
    expect(search.rejected).toEqual([]);
    for (const ek of search.eks) {
      const certificate = new X509Certificate(ek.certificate);
      expect(certificate.raw.length).toBe(ek.certificate.length);
      const spki = certificate.publicKey.export({ format: 'der', type: 'spki' });
      expect(toHex(publicSpki(parsePublic(ek.public)))).toBe(toHex(spki));
      expect(certificate.verify(new X509Certificate(h.swtpm.issuerPem).publicKey)).toBe(true);
    }
    expect(await occupancy(h.tpm)).toEqual({ objects: 0, sessions: 0 });
  });

  test.each(['p256', 'p384', 'rsa2048'] as const)(
    'of kind %s activate a credential for the AK',
    async (kind) => {
      const h = await start({ eks: 'p256' });
      const { ak } = await h.identity();
      const ek = (await findEks(h.tpm)).eks.find((e) => e.kind === kind);
      if (ek === undefined) throw new Error(`no ${kind}`);
      const secret = random(32);
      const made = await h.tpm.run(async (w) => {
        const key = await ek.load(w);
        return w.ctx.makeCredential({ key, credential: secret, objectName: ak.name }, w.plain());
      });
      const blob = tpm2b(made.credentialBlob);
      const encrypted = tpm2b(made.secret);
      expect(await activateCredential(h.tpm, ak, ek, blob, encrypted)).toEqual(secret);
      const broken = Uint8Array.from(blob);
      broken[8] = (broken[8] ?? 0) ^ 1;
      await expect(activateCredential(h.tpm, ak, ek, broken, encrypted)).rejects.toMatchObject({
        code: 'TPM_ERROR',
      });
      await expect(activateCredential(h.tpm, ak, ek, blob.subarray(1), encrypted)).rejects.toMatchObject({
        code: 'MALFORMED',
      });
    },
  );

  test('come from a template where no persistent object has them', async () => {
    const h = await start({ eks: 'p256', proxy: true });
    const before = h.proxy.seen(CC.createPrimary);
    const { eks } = await findEks(h.tpm);
    // Debian's swtpm_setup persists the RSA and the P-384 one; the P-256 one is made.
    expect(h.proxy.seen(CC.createPrimary) - before).toBe(1);
    expect(eks[0]?.kind).toBe('p256');
  });

  test('fit a certificate from a file, padded or not, and refuse that of another TPM', async () => {
    const h = await start({ eks: 'debian' });
    const { eks } = await findEks(h.tpm);
    for (const ek of eks) {
      const padded = concat(Uint8Array.of(0x10, 1, 0), ek.certificate, new Uint8Array(9).fill(255));
      const found = await ekOfCertificate(h.tpm, padded);
      expect(found).toMatchObject({ kind: ek.kind, nvIndex: null, certificate: ek.certificate });
    }
    const other = await startHost({ fresh: true });
    const foreign = (await findEks(other.tpm)).eks[0]?.certificate ?? new Uint8Array(0);
    await other.stop();
    await expect(ekOfCertificate(h.tpm, foreign)).rejects.toMatchObject({ code: 'ENROL_REFUSED' });
    await expect(ekOfCertificate(h.tpm, random(100))).rejects.toMatchObject({ code: 'MALFORMED' });
  });
});

describe('endorsement templates', () => {
  test('have the policies of the TCG profile', () => {
    expect(toHex(policyA(0x0b))).toBe('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa');
    expect(toHex(policyB(0x0b))).toBe('ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0');
    expect(toHex(policyB(0x0c))).toBe(
      'b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12',
    );
    expect(toHex(policyB(0x0d))).toBe(
      'b8221ca69e8550a4914de3faa6a18c072cc01208073a928d5d66d59ef79e49a429c41a6b269571d57edb25fbdb1838425608b413cd616a5f6db5b6071af99bea',
    );
  });

  test('print what they parse to, the nonce at the start of unique', () => {
    const p = parsePublic(ekTemplate('p256', 'low', Uint8Array.of(1, 2)));
    expect(p).toMatchObject({ type: 'ecc', curve: 3, nameAlg: 0x0b });
    expect(p.type === 'ecc' && [...p.x.subarray(0, 3)]).toEqual([1, 2, 0]);
    for (const kind of ['p384', 'p521', 'rsa2048', 'rsa3072', 'rsa4096'] as const) {
      expect(parsePublic(ekTemplate(kind, 'high')).attributes.userWithAuth).toBe(true);
    }
  });
});

describe('certificates in NV', () => {
  const der = fromHex('3003020101');
  test.each([
    ['bare', der, 1],
    ['padded with ff', concat(der, new Uint8Array(20).fill(255)), 1],
    ['padded with 00', concat(der, new Uint8Array(20)), 1],
    ['behind 10 01 00', concat(Uint8Array.of(0x10, 1, 0), der), 1],
    ['two, padded between', concat(der, Uint8Array.of(0, 0), der), 2],
    ['cut short', der.subarray(0, 4), 0],
    ['with an endless length', fromHex('3084ffffffff'), 0],
    ['none', new Uint8Array(8), 0],
    ['something else', Uint8Array.of(1, 2, 3), 0],
  ] as const)('%s', (_, content, n) => {
    const found = certificatesIn(content);
    expect(found).toEqual(Array(n).fill(der));
  });
});
