/** The exchange with a real software TPM, for every kind of EK that Debian's swtpm gives and a low-range P-256 one. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, initAuthority, openSigner, rootPem } from '../../src/ca/authority.ts';
import { makeChallenge } from '../../src/ca/challenge.ts';
import { conditionOf } from '../../src/ca/condition.ts';
import { issue } from '../../src/ca/issue.ts';
import { equal } from '../../src/core/bytes.ts';
import { EXTENSION_ENROLMENT, parseEnrolmentFacts } from '../../src/evidence/akprofile.ts';
import { parseCertificateFile, printPem, readPemCertificates } from '../../src/evidence/certfile.ts';
import { ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import { parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { findEks } from '../../src/tpm/ek.ts';
import { checkIssued, makeRequest, respond } from '../../src/tpm/enrol.ts';
import { createIdentity, type Identity } from '../../src/tpm/keys.ts';
import { type Host, random, startHost } from '../tpm/host.ts';

const clock = () => Date.now();
const selection = [{ hash: ALG_SHA256, pcrs: [0, 1, 2, 3, 4, 5, 6, 7] }];
let dir: string;
let host: Host;
let identity: Identity;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-ca-'));
  host = await startHost({ eks: 'p256' });
  identity = await host.identity();
}, 120_000);
afterAll(async () => {
  await host.stop();
  rmSync(dir, { recursive: true, force: true });
});

let made = 0;
const authorityFor = (kind: 'software' | 'hardware'): Promise<Authority> =>
  initAuthority(
    {
      dir: join(dir, `${++made}`),
      name: 'Demo Authority',
      kind,
      protection: { unencrypted: true },
      ekRoots: [host.swtpm.rootPem, host.swtpm.issuerPem].flatMap(readPemCertificates),
    },
    { clock, random },
  );

async function requestWith(kind: string, name: string) {
  const { eks, chain } = await findEks(host.tpm);
  const ek = eks.find((e) => e.kind === kind);
  if (ek === undefined) throw new Error(`this swtpm has no EK of kind ${kind}`);
  const input = { fleet: 'test', host: name, identity, ek, chain, random, clock };
  return { ek, request: await makeRequest(host.tpm, input) };
}

describe.each(['rsa2048', 'p256', 'p384'])('swtpm with its %s EK', (kind) => {
  it('earns a certificate that openssl verifies', async () => {
    const authority = await authorityFor('software');
    const { ek, request } = await requestWith(kind, 'box');
    const { challenge, certified } = await makeChallenge(authority, request);
    expect(certified).toBe(true);
    const response = await respond(host.tpm, { request, challenge, identity, ek, selection, clock });
    const { certificateFile } = await issue(authority, response, {
      signer: await openSigner(authority),
      approve: () => true,
    });
    const { chain } = parseCertificateFile(certificateFile);
    const der = chain[0] ?? new Uint8Array();
    checkIssued(der, identity);
    const leaf = parseCertificate(der);
    expect(equal(leaf.spki, identity.ak.spki)).toBe(true);
    expect(leaf.alternativeNames?.uris).toEqual(['attestd://test/box']);
    // What the vendor wrote about the TPM, byte for byte.
    expect(leaf.alternativeNames?.directory).toEqual(
      parseCertificate(ek.certificate).alternativeNames?.directory,
    );
    expect(leaf.alternativeNames?.directory.length).toBe(3);
    const facts = parseEnrolmentFacts(
      leaf.extensions.find((e) => e.oid === EXTENSION_ENROLMENT)?.value ?? der,
    );
    expect(facts.clock).toBeGreaterThan(0n);

    const at = (name: string) => join(authority.dir, name);
    writeFileSync(at('ca.pem'), rootPem(authority));
    writeFileSync(at('leaf.pem'), printPem([{ label: 'CERTIFICATE', der }]));
    const run = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8' });
    expect(run('verify', '-x509_strict', '-CAfile', at('ca.pem'), at('leaf.pem'))).toMatch(/: OK/);
  }, 60_000);
});

describe('what a real TPM refuses', () => {
  it('a challenge for the same EK but another AK', async () => {
    const authority = await authorityFor('software');
    const { ek, request } = await requestWith('p256', 'box');
    const { challenge } = await makeChallenge(authority, request);
    const other = await createIdentity(host.tpm, { dir: mkdtempSync(join(dir, 'other-')) }, random);
    // The other AK pretends to be the one of the request: the Name in the credential is not its own.
    const liar = { ...other, ak: { ...other.ak, public: identity.ak.public } };
    const answer = respond(host.tpm, { request, challenge, identity: liar, ek, selection, clock });
    await expect(answer).rejects.toThrow();
  }, 60_000);

  it('is a software TPM under a hardware root', async () => {
    const authority = await authorityFor('hardware');
    const { request } = await requestWith('p256', 'box');
    const e = await makeChallenge(authority, request).catch((x: unknown) => x);
    expect(conditionOf(e)).toBe('software-tpm');
  }, 60_000);
});
