import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, initAuthority, openAuthority, openSigner, rootPem } from '../../src/ca/authority.ts';
import { makeChallenge } from '../../src/ca/challenge.ts';
import { issue } from '../../src/ca/issue.ts';
import { equal, toHex } from '../../src/core/bytes.ts';
import {
  EKU_AK,
  EXTENSION_ENROLMENT,
  POLICY_SOFTWARE_TPM,
  POLICY_TPM_FIXED,
  POLICY_TPM_RESIDENCY,
  POLICY_TPM_RESTRICTED,
  parseEnrolmentFacts,
  transcriptDigest,
} from '../../src/evidence/akprofile.ts';
import { parseCertificateFile, printPem } from '../../src/evidence/certfile.ts';
import { enrolmentDigest } from '../../src/evidence/enrolment.ts';
import { isCritical, parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { parseCrl } from '../../src/evidence/x509/crl.ts';
import { makeHost, makeVendor, NOW, type Vendor } from './fakehost.ts';

let dir: string;
let vendor: Vendor;
const deps = { clock: () => NOW, random: (n: number) => new Uint8Array(randomBytes(n)) };

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-ca-'));
  vendor = await makeVendor();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let made = 0;
const authorityFor = (kind: 'hardware' | 'software'): Promise<Authority> =>
  initAuthority(
    {
      dir: join(dir, `authority-${++made}`),
      name: `Test Authority ${made}`,
      kind,
      protection: { unencrypted: true },
      ekRoots: [vendor.root.certificate.der],
    },
    deps,
  );

describe.each(['rsa2048', 'p256', 'p384'] as const)('an enrolment with an EK of kind %s', (kind) => {
  it('ends with a certificate that says what was proven', async () => {
    const authority = await authorityFor('software');
    const host = await makeHost(vendor, { kind, host: `web-${kind}` });
    const answer = await makeChallenge(authority, host.request);
    expect(answer).toMatchObject({ ekDigest: host.ek, certified: true, host: `web-${kind}` });
    const response = host.respond(answer.challenge);
    const asked: unknown[] = [];
    const issued = await issue(authority, response, {
      signer: await openSigner(authority),
      approve: (facts) => asked.push(facts) > 0,
    });
    expect(asked).toMatchObject([
      { fleet: 'example', host: `web-${kind}`, ekDigest: host.ek, certified: true },
    ]);

    const { chain, crl } = parseCertificateFile(issued.certificateFile);
    const [leaf, root] = chain.map(parseCertificate);
    if (leaf === undefined || root === undefined) throw new Error('no chain');
    expect(equal(root.der, authority.certificate.der)).toBe(true);
    expect(leaf.version).toBe(3);
    expect(toHex(leaf.subject)).toBe('3000');
    expect(isCritical(leaf, '2.5.29.17')).toBe(true);
    expect(leaf.alternativeNames?.uris).toEqual([`attestd://example/web-${kind}`]);
    expect(leaf.alternativeNames?.directory.map((a) => a.value)).toEqual([
      'id:00001014',
      'swtpm',
      'id:20191023',
    ]);
    expect(leaf.alternativeNames?.otherNames.map((o) => o.oid)).toEqual(['1.3.6.1.5.5.7.8.3']);
    expect(Buffer.from(leaf.alternativeNames?.otherNames[0]?.value ?? []).toString('latin1')).toContain(
      host.ek,
    );
    expect(leaf.extendedKeyUsage).toEqual([EKU_AK]);
    expect(leaf.keyUsage).toEqual(['digitalSignature']);
    expect(isCritical(leaf, '2.5.29.15')).toBe(true);
    expect(leaf.basicConstraints).toEqual({ ca: false, pathLength: undefined });
    expect(isCritical(leaf, '2.5.29.19')).toBe(true);
    expect(leaf.policies).toEqual([
      POLICY_TPM_RESIDENCY,
      POLICY_TPM_FIXED,
      POLICY_TPM_RESTRICTED,
      POLICY_SOFTWARE_TPM,
    ]);
    expect(leaf.serial.length).toBe(16);
    expect(leaf.authorityKeyId).toEqual(root.subjectKeyId);
    expect(leaf.subjectKeyId?.length).toBe(20);
    expect(equal(leaf.spki, host.akSpki)).toBe(true);
    expect(leaf.notAfter).toBe(NOW + 365 * 24 * 3600 * 1000);
    const extension = leaf.extensions.find((e) => e.oid === EXTENSION_ENROLMENT);
    expect(parseEnrolmentFacts(extension?.value ?? new Uint8Array())).toEqual({
      timeMs: NOW,
      clock: 123_456n,
      resetCount: 7,
      restartCount: 2,
      safe: true,
      transcript: transcriptDigest(
        enrolmentDigest(host.request),
        enrolmentDigest(answer.challenge),
        enrolmentDigest(response),
      ),
    });
    const list = parseCrl(crl);
    expect(list.revoked.size).toBe(0);
    expect(equal(list.issuer, root.subject)).toBe(true);
  });
});

describe('peers', () => {
  it('openssl verifies the chain with its critical SAN and CRL, and prints the profile', async () => {
    const authority = await authorityFor('software');
    const host = await makeHost(vendor);
    const answer = await makeChallenge(authority, host.request);
    const { certificateFile } = await issue(authority, host.respond(answer.challenge), {
      signer: await openSigner(authority),
      approve: () => true,
    });
    const { chain, crl } = parseCertificateFile(certificateFile);
    const at = (name: string) => join(authority.dir, name);
    writeFileSync(at('leaf.pem'), printPem([{ label: 'CERTIFICATE', der: chain[0] ?? new Uint8Array() }]));
    writeFileSync(at('ca.pem'), rootPem(authority));
    writeFileSync(at('crl.pem'), printPem([{ label: 'X509 CRL', der: crl }]));
    const run = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8' });
    const seconds = String(NOW / 1000);
    const verified = run(
      ...['verify', '-x509_strict', '-crl_check', '-CRLfile', at('crl.pem'), '-CAfile', at('ca.pem')],
      ...['-policy_check', '-explicit_policy', '-policy', POLICY_TPM_RESIDENCY],
      ...['-attime', seconds, at('leaf.pem')],
    );
    expect(verified).toMatch(/leaf\.pem: OK/);
    const text = run('x509', '-in', at('leaf.pem'), '-noout', '-text');
    for (const wanted of [
      /Subject: \n/,
      /X509v3 Subject Alternative Name: critical/,
      /DirName:\/?2\.23\.133\.2\.1/,
      /URI:attestd:\/\/example\/web-1/,
      /X509v3 Basic Constraints: critical\s+CA:FALSE/,
      /X509v3 Key Usage: critical\s+Digital Signature\n/,
      /X509v3 Extended Key Usage:\s+2\.23\.133\.8\.3\n/,
      /Policy: 2\.23\.133\.11\.1\.1\s+Policy: 2\.23\.133\.11\.1\.2\s+Policy: 2\.23\.133\.11\.1\.3/,
    ]) {
      expect(text).toMatch(wanted);
    }
    expect(run('crl', '-in', at('crl.pem'), '-noout', '-text')).toMatch(/No Revoked Certificates/);
    expect(run('x509', '-in', at('ca.pem'), '-noout', '-text')).toContain(POLICY_SOFTWARE_TPM);
  });
});

describe('the folder of an authority', () => {
  it('is for its owner alone and opens again', async () => {
    const passphrase = new TextEncoder().encode('correct horse battery');
    const at = join(dir, 'own');
    await initAuthority(
      { dir: at, name: 'A', kind: 'hardware', protection: { passphrase }, curve: 'P-256' },
      deps,
    );
    expect(statSync(at).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(at)) {
      const wanted = name === 'challenges' ? 0o700 : 0o600;
      expect(statSync(join(at, name)).mode & 0o777, name).toBe(wanted);
    }
    expect(readFileSync(join(at, 'root-key.pem'), 'utf8')).toMatch(/BEGIN ENCRYPTED PRIVATE KEY/);
    const authority = await openAuthority(at, deps);
    expect((await openSigner(authority, passphrase)).curve).toBe('P-256');
    await expect(openSigner(authority, new TextEncoder().encode('wrong horse'))).rejects.toMatchObject({
      code: 'PASSPHRASE_WRONG',
    });
    await expect(openSigner(authority)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('says in name and first line that a key is not encrypted', async () => {
    const authority = await authorityFor('software');
    const key = readFileSync(join(authority.dir, 'root-key.UNENCRYPTED.pem'), 'utf8');
    expect(key).toMatch(/^# UNENCRYPTED/);
  });

  it('is never made twice', async () => {
    const authority = await authorityFor('hardware');
    const options = {
      dir: authority.dir,
      name: 'B',
      kind: 'hardware',
      protection: { unencrypted: true },
    } as const;
    await expect(initAuthority(options, deps)).rejects.toMatchObject({ code: 'EXISTS' });
  });
});
