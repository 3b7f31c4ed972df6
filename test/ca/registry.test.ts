import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Authority } from '../../src/ca/authority.ts';
import { makeChallenge } from '../../src/ca/challenge.ts';
import { issue } from '../../src/ca/issue.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import { revoke } from '../../src/ca/revocation.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { POLICY_SOFTWARE_TPM } from '../../src/evidence/akprofile.ts';
import { parseCertificateFile } from '../../src/evidence/certfile.ts';
import { parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { parseCrl } from '../../src/evidence/x509/crl.ts';
import { approve, type Desk, expectRefused, failure, finish, makeDesks } from './desk.ts';
import { makeHost, type Vendor } from './fakehost.ts';

let desks: Awaited<ReturnType<typeof makeDesks>>;
let desk: Desk;
let vendor: Vendor;
let authority: Authority;
let signer: Signer;

beforeAll(async () => {
  desks = await makeDesks();
  vendor = desks.vendor;
});
beforeEach(async () => {
  desk = await desks.desk();
  authority = desk.authority;
  signer = desk.signer;
});
afterAll(() => desks.close());

describe('names and endorsement keys stay bound', () => {
  it('refuses the same EK under another name, even after revocation', async () => {
    const host = await makeHost(vendor);
    const { serial } = await finish(desk, host);
    const other = await host.again({ host: 'web-2' });
    await expectRefused(desk, makeChallenge(authority, other.request), 'ek-bound-to-other-host');
    await revoke(authority, signer, serial, 'test');
    await expectRefused(desk, makeChallenge(authority, other.request), 'ek-bound-to-other-host');
  });

  it('refuses another EK under a live name, until its certificate is revoked or over', async () => {
    const { serial } = await finish(desk, await makeHost(vendor));
    const other = await makeHost(vendor);
    await expectRefused(desk, makeChallenge(authority, other.request), 'name-has-other-ek');
    await revoke(authority, signer, serial, 'machine scrapped');
    await finish(desk, other);
    desk.now += 366 * 24 * 3600 * 1000;
    await finish(desk, await makeHost(vendor));
  });

  it('refuses a second AK for an EK, and replaces one when told to', async () => {
    const host = await makeHost(vendor);
    const first = await finish(desk, host);
    const again = await host.again({});
    await expectRefused(desk, finish(desk, again), 'ek-has-live-ak');
    expect((await makeChallenge(authority, again.request)).replaces).toEqual([first.serial]);
    const second = await finish(desk, again, {}, { replace: true });
    const list = parseCrl(parseCertificateFile(second.certificateFile).crl);
    expect([...list.revoked.keys()]).toEqual([first.serial]);
  });

  it('refuses the race of two challenges for one name', async () => {
    const hosts = [await makeHost(vendor), await makeHost(vendor)] as const;
    const challenges = [
      await makeChallenge(authority, hosts[0].request),
      await makeChallenge(authority, hosts[1].request),
    ] as const;
    await issue(authority, hosts[0].respond(challenges[0].challenge), { signer, approve });
    const late = issue(authority, hosts[1].respond(challenges[1].challenge), { signer, approve });
    await expectRefused(desk, late, 'name-has-other-ek');
  });
});

describe('a TPM without EK certificate', () => {
  it('is enrolled only by its digest, and nothing about residency is claimed', async () => {
    const host = await makeHost(vendor, { ekCertificate: null });
    await expectRefused(
      desk,
      makeChallenge(authority, host.request, { allowEk: ['00'.repeat(32)] }),
      'ek-certificate-missing',
    );
    const { certificateFile } = await finish(desk, host, {}, { allowEk: [host.ek] });
    const leaf = parseCertificate(parseCertificateFile(certificateFile).chain[0] ?? new Uint8Array());
    expect(leaf.policies).toEqual([POLICY_SOFTWARE_TPM]);
    expect(leaf.alternativeNames?.directory).toEqual([]);
  });
});

describe('the registry', () => {
  it('shows an edit in the middle, and passes over a torn last line', async () => {
    await finish(desk, await makeHost(vendor));
    const file = join(authority.dir, 'registry.jsonl');
    const text = readFileSync(file, 'utf8');
    const lines = (await readRegistry(authority.dir)).map((l) => l.event);
    expect(lines).toEqual(['created', 'challenged', 'burnt', 'issued', 'crl']);
    writeFileSync(file, `${text}{"event":"iss`);
    expect((await readRegistry(authority.dir)).length).toBe(5);
    await revoke(
      authority,
      signer,
      (await readRegistry(authority.dir)).flatMap((l) => (l.event === 'issued' ? [l.serial] : []))[0] ?? '',
      'x',
    );
    expect((await readRegistry(authority.dir)).length).toBe(7);
    writeFileSync(file, text.replace('web-1', 'web-9'));
    expect((await failure(readRegistry(authority.dir))).code).toBe('AUTHORITY_CORRUPT');
  });

  it('lets one process at a time change it', async () => {
    const host = await makeHost(vendor);
    writeFileSync(join(authority.dir, 'lock'), `${process.pid}\n`);
    expect((await failure(makeChallenge(authority, host.request))).code).toBe('AUTHORITY_LOCKED');
    writeFileSync(join(authority.dir, 'lock'), '4194305\n'); // beyond any pid: its process is gone
    await makeChallenge(authority, host.request);
  });
});
