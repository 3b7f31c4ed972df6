import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as pkijs from 'pkijs';
import { afterEach, describe, expect, test } from 'vitest';
import { type Authority, initAuthority, openSigner } from '../../src/ca/authority.ts';
import { makeChallenge } from '../../src/ca/challenge.ts';
import { issue } from '../../src/ca/issue.ts';
import { parseCertificateFile, readPemCertificates } from '../../src/evidence/certfile.ts';
import { findEks } from '../../src/tpm/ek.ts';
import { checkIssued, makeRequest, respond } from '../../src/tpm/enrol.ts';
import { createIdentity, type Identity } from '../../src/tpm/keys.ts';
import { quoteSelection } from '../../src/tpm/pcr.ts';
import { readProperties } from '../../src/tpm/property.ts';
import { signMessage } from '../../src/tpm/sign.ts';
import { tpmCrypto } from '../../src/tpm/webcrypto.ts';
import { until } from '../kit/host.ts';
import { CC, extendCommand } from '../kit/wire.ts';
import { type Host, random, startHost } from './host.ts';

const run = promisify(execFile);
const clock = () => Date.now();
let host: Host | null = null;
afterEach(async () => {
  await host?.stop();
  host = null;
});
const start = async (...o: Parameters<typeof startHost>) => {
  host = await startHost(...o);
  return host;
};

const authorityFor = (h: Host): Promise<Authority> =>
  initAuthority(
    {
      dir: join(h.dir, 'ca'),
      name: 'Test Authority',
      kind: 'software',
      protection: { unencrypted: true },
      ekRoots: readPemCertificates(h.swtpm.rootPem + h.swtpm.issuerPem),
    },
    { clock, random },
  );

async function asker(h: Host, identity: Identity, kind: string) {
  const { eks, chain } = await findEks(h.tpm);
  const ek = eks.find((e) => e.kind === kind);
  if (ek === undefined) throw new Error(`no EK of kind ${kind}`);
  const input = { fleet: 'example', host: 'web-1', identity, ek, chain, random, clock };
  return { ek, request: await makeRequest(h.tpm, input) };
}

describe('enrolment with a real authority', () => {
  test('outlasts a daemon that begins beside it and measures itself', async () => {
    const h = await start({ proxy: true });
    const identity = await h.identity();
    const authority = await authorityFor(h);
    const { ek, request } = await asker(h, identity, 'rsa2048');
    const { challenge } = await makeChallenge(authority, request);
    let extending = true;
    const extender = (async () => {
      for (let i = 0; extending; i++) await h.swtpm.send([extendCommand(11 + (i % 4), random(32))]);
    })();
    const response = respond(h.tpm, {
      request,
      challenge,
      identity,
      ek,
      selection: quoteSelection(false),
      clock,
    });
    let answered = false;
    void response.then(() => {
      answered = true;
    });
    // More quotes than are taken in one go.
    await until('quotes that were overtaken', () => answered || h.proxy.seen(CC.quote) > 6);
    extending = false;
    await extender;
    const { certificateFile } = await issue(authority, await response, {
      signer: await openSigner(authority),
      approve: () => true,
    });
    expect(parseCertificateFile(certificateFile).chain).not.toEqual([]);
  });

  test.each(['rsa2048', 'p256', 'p384'])(
    'by an EK of kind %s ends with a certificate for the AK',
    async (kind) => {
      const h = await start({ eks: 'p256' });
      const identity = await h.identity();
      const authority = await authorityFor(h);
      const { ek, request } = await asker(h, identity, kind);
      const { challenge } = await makeChallenge(authority, request);
      const response = await respond(h.tpm, {
        request,
        challenge,
        identity,
        ek,
        selection: quoteSelection(false),
        clock,
      });
      const { certificateFile } = await issue(authority, response, {
        signer: await openSigner(authority),
        approve: () => true,
      });
      const leaf = parseCertificateFile(certificateFile).chain[0] ?? new Uint8Array(0);
      expect(() => checkIssued(leaf, identity)).not.toThrow();
      const other = await createIdentity(h.tpm, { dir: join(h.dir, 'other') }, random);
      expect(() => checkIssued(leaf, other)).toThrow(/another key/);
      expect(() => checkIssued(random(40), identity)).toThrow(/not a DER/);
    },
  );

  test('does not answer a challenge that is late, for another request or for other keys', async () => {
    const h = await start({ eks: 'p256' });
    const identity = await h.identity();
    const authority = await authorityFor(h);
    const { ek, request } = await asker(h, identity, 'p256');
    const second = await asker(h, identity, 'p256');
    const { challenge } = await makeChallenge(authority, request);
    const input = { request, challenge, identity, ek, selection: quoteSelection(false), clock };
    const late = respond(h.tpm, { ...input, clock: () => Date.now() + 40 * 24 * 3_600_000 });
    await expect(late).rejects.toMatchObject({ code: 'CHALLENGE_EXPIRED' });
    const wrong = respond(h.tpm, { ...input, request: second.request });
    await expect(wrong).rejects.toMatchObject({ code: 'ENROL_REFUSED' });
    const other = await createIdentity(h.tpm, { dir: join(h.dir, 'other') }, random);
    const keys = respond(h.tpm, { ...input, identity: other });
    await expect(keys).rejects.toMatchObject({ code: 'ENROL_REFUSED' });
  });
});

describe('the TPM as WebCrypto', () => {
  test('lets pkijs sign a certificate request with the record key, which openssl accepts', async () => {
    const h = await start({ eks: 'none' });
    const { recordKey } = await h.identity();
    const { crypto, privateKey, publicKey } = tpmCrypto(h.tpm, recordKey);
    const engine = new pkijs.CryptoEngine({ name: 'tpm', crypto });
    const csr = new pkijs.CertificationRequest({ version: 0 });
    await csr.subjectPublicKeyInfo.importKey(publicKey, engine);
    await csr.sign(privateKey, 'SHA-256', engine);
    writeFileSync(join(h.dir, 'csr.der'), new Uint8Array(csr.toSchema(true).toBER()));
    const args = ['req', '-inform', 'DER', '-in', join(h.dir, 'csr.der'), '-verify', '-noout'];
    const { stderr, stdout } = await run('openssl', args);
    expect(stderr + stdout).toMatch(/verify OK/);
    const data = random(50);
    const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
    const signature = await crypto.subtle.sign(algorithm, privateKey, data);
    expect(await crypto.subtle.verify(algorithm, publicKey, signature, data)).toBe(true);
    expect(await crypto.subtle.verify(algorithm, publicKey, signature, random(50))).toBe(false);
    await expect(crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-1' }, privateKey, data)).rejects.toThrow(
      /SHA/,
    );
    await expect(crypto.subtle.exportKey('pkcs8', privateKey)).rejects.toThrow();
  });

  test('never signs what looks like a structure of the TPM', async () => {
    const h = await start({ eks: 'none' });
    const { recordKey } = await h.identity();
    const forged = Uint8Array.from([0xff, 0x54, 0x43, 0x47, 0x80, 0x18]);
    await expect(signMessage(h.tpm, recordKey, forged)).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});

test('a TPM says who made it', async () => {
  const h = await start({ eks: 'none' });
  const p = await readProperties(h.tpm);
  expect(p.manufacturer).toMatch(/^[0-9a-f]{8}$/);
  expect(p.vendor.length).toBeGreaterThan(0);
  expect(p.revision).toBeGreaterThan(100);
  expect(p.firmwareVersion).toMatch(/^[1-9][0-9]*$/);
  expect(p.maxAuthFail).toBeGreaterThan(0);
});
