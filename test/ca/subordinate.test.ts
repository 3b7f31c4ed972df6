/** An authority under a corporate root that knows nothing of TPMs: openssl signs its request and verifies the chain. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAuthority, openSigner, rootPem } from '../../src/ca/authority.ts';
import { crlPem, issueCrl } from '../../src/ca/revocation.ts';
import { initSubordinate, installCertificate } from '../../src/ca/subordinate.ts';
import { POLICY_SOFTWARE_TPM } from '../../src/evidence/akprofile.ts';
import { parseCertificateFile, printPem, readPemCertificates } from '../../src/evidence/certfile.ts';
import { parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { type Desk, failure, finish } from './desk.ts';
import { makeHost, makeVendor, type Vendor } from './fakehost.ts';

let dir: string;
let vendor: Vendor;
const at = (name: string) => join(dir, name);
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' }).toString();
const deps = { clock: Date.now, random: (n: number) => crypto.getRandomValues(new Uint8Array(n)) };

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-sub-'));
  vendor = await makeVendor();
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'root.key',
    '-out',
    'root.pem',
    '-days',
    '3650',
    '-subj',
    '/CN=Corporate Root',
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let made = 0;
async function request(kind: 'software' | 'hardware'): Promise<string> {
  const name = `sub-${++made}`;
  const protection = { unencrypted: true } as const;
  const ekRoots = [vendor.root.certificate.der];
  const crlUrl = 'http://ca.example.org/sub.crl';
  await initSubordinate({ dir: at(name), name: `Example ${name}`, kind, protection, ekRoots, crlUrl }, deps);
  return name;
}
/** What the corporate root makes of a request: its own extensions, or those asked for. */
function sign(name: string, extensions = 'copy', days = '365'): Uint8Array[] {
  const own =
    extensions === 'copy' ? ['-copy_extensions', 'copy'] : ['-extfile', writeExtensions(extensions)];
  openssl(
    'x509',
    '-req',
    '-in',
    join(name, 'request.csr'),
    '-CA',
    'root.pem',
    '-CAkey',
    'root.key',
    '-days',
    days,
    '-out',
    `${name}.pem`,
    '-set_serial',
    String(1000 + made),
    ...own,
  );
  return [`${name}.pem`, 'root.pem'].flatMap((f) => readPemCertificates(readFileSync(at(f), 'utf8')));
}
function writeExtensions(text: string): string {
  writeFileSync(at('extensions'), text);
  return 'extensions';
}
const USAGE = 'keyUsage=critical,keyCertSign,cRLSign';
const POLICY = `certificatePolicies=${POLICY_SOFTWARE_TPM}`;

describe('a subordinate authority', () => {
  it('is none before it has its certificate', async () => {
    const name = await request('software');
    expect((await failure(openAuthority(at(name), deps))).code).toBe('AUTHORITY_UNCERTIFIED');
    expect(openssl('req', '-in', join(name, 'request.csr'), '-verify', '-noout', '-text')).toContain(
      POLICY_SOFTWARE_TPM,
    );
  });

  it.each([
    ['copies what was asked for', 'copy'],
    [
      'has a template of its own',
      `basicConstraints=critical,CA:TRUE,pathlen:0\n${USAGE}\n${POLICY}\nsubjectKeyIdentifier=hash`,
    ],
  ])('issues chains that openssl verifies, where the root %s', async (_, extensions) => {
    const name = await request('software');
    const authority = await installCertificate(at(name), sign(name, extensions), deps);
    expect(rootPem(authority)).toEqual(new Uint8Array(readFileSync(join(at(name), 'root.pem'))));
    const signer = await openSigner(authority);
    const host = await makeHost(vendor);
    const issued = await finish({ vendor, authority, signer, now: 0 } satisfies Desk, host);
    const { chain } = parseCertificateFile(issued.certificateFile);
    const pem = (ders: readonly Uint8Array[]) => printPem(ders.map((der) => ({ label: 'CERTIFICATE', der })));
    writeFileSync(at('leaf.pem'), pem(chain.slice(0, 1)));
    writeFileSync(at('between.pem'), pem(chain.slice(1, -1)));
    expect(chain.length).toBe(3);
    const verify = ['verify', '-x509_strict', '-CAfile', 'root.pem', '-untrusted', 'between.pem'];
    expect(openssl(...verify, 'leaf.pem')).toBe('leaf.pem: OK\n');
    writeFileSync(at('crl.pem'), crlPem(await issueCrl(authority, signer)));
    expect(
      openssl(
        'verify',
        '-crl_check',
        '-CRLfile',
        'crl.pem',
        '-CAfile',
        'root.pem',
        '-untrusted',
        'between.pem',
        'leaf.pem',
      ),
    ).toBe('leaf.pem: OK\n');
    const leaf = parseCertificate(chain[0] ?? new Uint8Array());
    expect(leaf.crlUris).toEqual(['http://ca.example.org/sub.crl']);
    expect(leaf.policies).toContain(POLICY_SOFTWARE_TPM);
  });

  it.each([
    [
      'that is no CA',
      'software',
      `basicConstraints=critical,CA:FALSE\n${USAGE}\n${POLICY}`,
      'not the certificate of a CA',
    ],
    [
      'that may not sign CRLs',
      'software',
      `basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n${POLICY}`,
      'may not sign both',
    ],
    [
      'that hides its software TPMs',
      'software',
      `basicConstraints=critical,CA:TRUE\n${USAGE}`,
      'does not say that its TPMs are software',
    ],
    [
      'that calls its hardware software',
      'hardware',
      `basicConstraints=critical,CA:TRUE\n${USAGE}\n${POLICY}`,
      'says that its TPMs are software',
    ],
  ] as const)('takes no certificate %s', async (_, kind, extensions, why) => {
    const name = await request(kind);
    const e = await failure(installCertificate(at(name), sign(name, extensions), deps));
    expect([e.code, e.message]).toEqual(['CERTIFICATE_REFUSED', expect.stringContaining(why)]);
  });

  it('takes no certificate of another key, nor one without its root', async () => {
    const [first, second] = [await request('software'), await request('software')];
    const other = await failure(installCertificate(at(first), sign(second), deps));
    expect(other.message).toContain('for the key of this authority');
    const alone = await failure(installCertificate(at(second), sign(second).slice(0, 1), deps));
    expect([alone.code, alone.message]).toEqual(['CERTIFICATE_REFUSED', expect.stringContaining('issuer')]);
  });
});
