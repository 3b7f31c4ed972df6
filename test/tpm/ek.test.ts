import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { concat, fromHex, toHex, u16, utf8 } from '../../src/core/bytes.ts';
import { readPemCertificates } from '../../src/evidence/certfile.ts';
import { parsePublic, publicSpki } from '../../src/evidence/tpm/public.ts';
import { activateCredential } from '../../src/tpm/activate.ts';
import { defineCounter } from '../../src/tpm/counter.ts';
import { certificatesIn } from '../../src/tpm/der.ts';
import { ekOfCertificate, findEks } from '../../src/tpm/ek.ts';
import { ekTemplate, policyA, policyB } from '../../src/tpm/ektemplate.ts';
import { occupancy } from '../../src/tpm/property.ts';
import { openTpm } from '../../src/tpm/tpm.ts';
import { CC } from '../kit/wire.ts';
import { type Host, random, startHost } from './host.ts';

const run = promisify(execFile);
let host: Host | null = null;
afterEach(async () => {
  await host?.stop();
  host = null;
});
const start = async (...o: Parameters<typeof startHost>) => {
  host = await startHost(...o);
  return host;
};
/** Something with a key where a certificate has it: the reader of EK certificates looks at nothing else. */
function certificateAround(spki: Uint8Array): Uint8Array {
  const der = (tag: number, body: Uint8Array) =>
    body.length < 128
      ? concat(Uint8Array.of(tag, body.length), body)
      : concat(Uint8Array.of(tag, 0x82), u16(body.length), body);
  const empty = der(0x30, new Uint8Array(0));
  const serial = Uint8Array.of(2, 1, 1);
  const tbs = der(0x30, concat(fromHex('a003020102'), serial, empty, empty, empty, empty, spki));
  return der(0x30, concat(tbs, empty, Uint8Array.of(3, 1, 0)));
}
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

describe('what else stands in NV', () => {
  /** Writes an index as a vendor would, with platform auth. */
  const write = async (h: Host, index: string, content: Uint8Array) => {
    const env = { ...process.env, TPM2TOOLS_TCTI: h.swtpm.tcti };
    const file = join(h.dir, 'nv');
    writeFileSync(file, content);
    const attributes = 'ppwrite|ppread|authread|ownerread|no_da|platformcreate|writedefine';
    await run('tpm2_nvdefine', [index, '-C', 'p', '-s', String(content.length), '-a', attributes], { env });
    await run('tpm2_nvwrite', [index, '-C', 'p', '-i', file], { env });
  };

  test('the chain is read in order, whole, though it is spread over indices', async () => {
    const h = await start();
    const chain = readPemCertificates(h.swtpm.issuerPem + h.swtpm.rootPem);
    const all = concat(...chain);
    await write(h, '0x01c00100', all.subarray(0, 1000));
    await write(h, '0x01c00101', concat(all.subarray(1000), new Uint8Array(30).fill(255)));
    expect((await findEks(h.tpm)).chain).toEqual(chain);
  });

  test('a certificate for the key of another TPM is rejected with its index', async () => {
    const other = await startHost({ eks: 'p256', fresh: true });
    const foreign = (await findEks(other.tpm)).eks[0]?.certificate ?? new Uint8Array(0);
    await other.stop();
    const h = await start();
    await write(h, '0x01c0000a', foreign);
    await write(h, '0x01c00014', random(64));
    const { eks, rejected } = await findEks(h.tpm);
    expect(eks.map((e) => e.kind)).toEqual(['p384', 'rsa2048']);
    expect(rejected).toEqual([
      { nvIndex: 0x01c0000a, reason: expect.stringContaining('key') },
      { nvIndex: 0x01c00014, reason: expect.stringContaining('no certificate') },
    ]);
  });

  test('the nonce and the template of the vendor decide the key', async () => {
    const h = await start({ eks: 'none' });
    const nonce = random(32);
    const template = ekTemplate('p256', 'low', nonce);
    const made = await h.tpm.run(async (w) => {
      const primary = await w.ctx.createPrimary({ hierarchy: 'endorsement', public: template }, w.plain());
      w.keep(primary.handle);
      return Uint8Array.from(primary.public);
    });
    const spki = publicSpki(parsePublic(made));
    const certificate = certificateAround(spki);
    await write(h, '0x01c0000a', certificate);
    expect((await findEks(h.tpm)).eks).toEqual([]);
    await write(h, '0x01c0000b', nonce);
    expect((await findEks(h.tpm)).eks).toMatchObject([{ kind: 'p256', public: made }]);
    const second = await start({ eks: 'none' });
    await write(second, '0x01c0000a', certificate);
    await write(second, '0x01c0000c', template);
    expect((await findEks(second.tpm)).eks).toMatchObject([{ kind: 'p256' }]);
    await h.stop();
  });
});

describe('hierarchies whose owner has set an auth', () => {
  test('work when it is given, and say what is wrong when it is not', async () => {
    const h = await start({ eks: 'p256' });
    const env = { ...process.env, TPM2TOOLS_TCTI: h.swtpm.tcti };
    for (const c of ['o', 'e']) await run('tpm2_changeauth', ['-c', c, `secret-${c}`], { env });
    await expect(h.identity()).rejects.toMatchObject({
      code: 'TPM_ERROR',
      facts: { rcName: expect.stringMatching(/^TPM_RC_BAD_AUTH/) },
    });
    await h.tpm.close();
    const hierarchyAuth = { owner: utf8('secret-o'), endorsement: utf8('secret-e') };
    h.tpm = await openTpm({ tcti: h.swtpm.tcti, deadlineMs: 20_000, hierarchyAuth });
    const { ak } = await h.identity();
    await defineCounter(h.tpm, h.dir, random);
    const ek = (await findEks(h.tpm)).eks[0];
    if (ek === undefined) throw new Error('no EK');
    const secret = random(32);
    const credential = await h.tpm.run(async (w) => {
      const key = await ek.load(w);
      return w.ctx.makeCredential({ key, credential: secret, objectName: ak.name }, w.plain());
    });
    const blob = tpm2b(credential.credentialBlob);
    expect(await activateCredential(h.tpm, ak, ek, blob, tpm2b(credential.secret))).toEqual(secret);
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
