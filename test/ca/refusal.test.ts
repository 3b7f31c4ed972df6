import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Authority, initAuthority, openSigner } from '../../src/ca/authority.ts';
import { type ChallengeOptions, makeChallenge } from '../../src/ca/challenge.ts';
import { type Condition, conditionOf } from '../../src/ca/condition.ts';
import { issue } from '../../src/ca/issue.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import { revoke } from '../../src/ca/revocation.ts';
import type { Signer } from '../../src/ca/signer.ts';
import { type AttestdError, isAttestdError } from '../../src/core/errors.ts';
import { POLICY_SOFTWARE_TPM } from '../../src/evidence/akprofile.ts';
import { parseCertificateFile } from '../../src/evidence/certfile.ts';
import { ALG_SHA384 } from '../../src/evidence/tpm/algorithm.ts';
import { type AttributeName, readAttributes } from '../../src/evidence/tpm/attributes.ts';
import type { TpmPublic } from '../../src/evidence/tpm/public.ts';
import { parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { parseCrl } from '../../src/evidence/x509/crl.ts';
import { issue as issueTest } from '../kit/authority.ts';
import { type FakeHost, makeHost, makeVendor, NOW, type Vendor, type Wishes } from './fakehost.ts';

let dir: string;
let vendor: Vendor;
let authority: Authority;
let signer: Signer;
let now = NOW;
const deps = { clock: () => now, random: (n: number) => new Uint8Array(randomBytes(n)) };

let made = 0;
const authorityFor = (kind: 'hardware' | 'software'): Promise<Authority> =>
  initAuthority(
    {
      dir: join(dir, `${++made}`),
      name: 'Authority',
      kind,
      protection: { unencrypted: true },
      ekRoots: [vendor.root.certificate.der],
    },
    deps,
  );

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-ca-'));
  vendor = await makeVendor();
});
beforeEach(async () => {
  now = NOW;
  authority = await authorityFor('software');
  signer = await openSigner(authority);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const approve = () => true;
const finish = async (
  host: FakeHost,
  wishes: Wishes = {},
  options: ChallengeOptions & { replace?: boolean } = {},
) => {
  const { challenge } = await makeChallenge(authority, host.request, options);
  const { replace = false } = options;
  return issue(authority, host.respond(challenge, wishes), { signer, approve, replace });
};

/** The error that a promise ends with. */
async function failure(p: Promise<unknown>): Promise<AttestdError> {
  try {
    await p;
  } catch (e) {
    if (isAttestdError(e)) return e;
    throw e;
  }
  throw new Error('it was accepted');
}

/** Nothing left the authority, and what was refused stands in the registry. */
async function expectRefused(p: Promise<unknown>, condition: Condition): Promise<void> {
  const before = (await readRegistry(authority.dir)).filter((l) => l.event === 'issued').length;
  expect(conditionOf(await failure(p))).toBe(condition);
  const lines = await readRegistry(authority.dir);
  expect(lines.filter((l) => l.event === 'issued').length).toBe(before);
  expect(lines.at(-1)).toMatchObject({ event: 'refused', code: 'ENROL_REFUSED' });
}

const ATTRIBUTES = Object.keys(readAttributes(0)).filter((n) => n !== 'raw') as AttributeName[];
const flip =
  (name: AttributeName) =>
  (p: TpmPublic): TpmPublic => {
    const bit =
      Array.from({ length: 32 }, (_, b) => b).find((b) => readAttributes((1 << b) >>> 0)[name]) ?? 31;
    return { ...p, attributes: readAttributes((p.attributes.raw ^ (1 << bit)) >>> 0) };
  };
const reserved = (p: TpmPublic): TpmPublic => ({
  ...p,
  attributes: readAttributes(p.attributes.raw | (1 << 24)),
});

describe('a request is refused by attribute', () => {
  const rows: [string, Wishes, Condition][] = (['ek', 'storage', 'ak'] as const).flatMap((key) => [
    ...ATTRIBUTES.filter((a) => key !== 'ek' || a !== 'userWithAuth').map(
      (a): [string, Wishes, Condition] => [
        `${key}: ${a} the other way`,
        { [key]: flip(a) },
        `${key}-attributes.${a}`,
      ],
    ),
    [`${key}: a reserved bit`, { [key]: reserved }, `${key}-attributes.reserved`],
  ]);
  it.each(rows)('%s', async (_, wishes, condition) => {
    await expectRefused(makeChallenge(authority, (await makeHost(vendor, wishes)).request), condition);
  });
});

const area = (key: 'ek' | 'storage' | 'ak', change: (p: TpmPublic) => TpmPublic): Wishes => ({
  [key]: change,
});
const xorLast = (b: Uint8Array): Uint8Array => b.map((x, i) => (i === b.length - 1 ? x ^ 1 : x));

describe('a request is refused when', () => {
  const rows: [string, Wishes, Condition][] = [
    ['the EK certificate is missing and nobody vouches', { ekCertificate: null }, 'ek-certificate-missing'],
    [
      'the EK certificate is no DER',
      { request: (r) => ({ ...r, ek: { ...r.ek, certificate: new Uint8Array(40) } }) },
      'ek-certificate-malformed',
    ],
    [
      'the EK certificate is cut short',
      {
        request: (r) => ({
          ...r,
          ek: { ...r.ek, certificate: r.ek.certificate?.slice(0, -1) ?? new Uint8Array() },
        }),
      },
      'ek-certificate-malformed',
    ],
    [
      'the EK certificate has the purpose of an AK',
      { ekCertificate: { purposes: ['2.23.133.8.3'] } },
      'ek-certificate-purpose',
    ],
    [
      'the EK certificate has no purpose',
      { ekCertificate: { without: ['2.5.29.37'] } },
      'ek-certificate-purpose',
    ],
    ['the EK certificate is a CA', { ekCertificate: { ca: {} } }, 'ek-certificate-ca'],
    ['the issuing CA is not at hand', { chain: [] }, 'ek-chain'],
    ['the EK certificate has expired', { ekCertificate: { notAfter: NOW - 5000 } }, 'ek-chain'],
    [
      'the EK certificate has an unknown critical extension',
      { ekCertificate: { extensions: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }] } },
      'ek-chain',
    ],
    [
      'the EK policy is not a template',
      area('ek', (p) => ({ ...p, authPolicy: xorLast(p.authPolicy) })),
      'ek-auth-policy',
    ],
    ['the EK has a scheme', area('ek', (p) => ({ ...p, scheme: { alg: 0x19, hash: 0xb } })), 'ek-scheme'],
    [
      'the EK protects with another mode',
      area('ek', (p) => ({ ...p, symmetric: { alg: 6, keyBits: 128, mode: 0x42 } })),
      'ek-symmetric',
    ],
    [
      'the EK public area is cut short',
      { request: (r) => ({ ...r, ek: { ...r.ek, public: r.ek.public.slice(0, -1) } }) },
      'ek-malformed',
    ],
    [
      'the storage primary has a scheme',
      area('storage', (p) => ({ ...p, scheme: { alg: 0x19, hash: 0xb } })),
      'storage-scheme',
    ],
    [
      'the storage primary has no cipher',
      area('storage', (p) => ({ ...p, symmetric: null })),
      'storage-symmetric',
    ],
    [
      'the storage primary is on P-384',
      area('storage', (p) => (p.type === 'ecc' ? { ...p, curve: 4 } : p)),
      'storage-kind',
    ],
    [
      'the storage primary has SHA-384 names',
      area('storage', (p) => ({ ...p, nameAlg: ALG_SHA384 })),
      'storage-name-algorithm',
    ],
    ['the AK has SHA-384 names', area('ak', (p) => ({ ...p, nameAlg: ALG_SHA384 })), 'ak-name-algorithm'],
    ['the AK has no scheme', area('ak', (p) => ({ ...p, scheme: null })), 'ak-scheme'],
    ['the AK signs with SHA-1', area('ak', (p) => ({ ...p, scheme: { alg: 0x18, hash: 4 } })), 'ak-scheme'],
    [
      'the AK has a cipher',
      area('ak', (p) => ({ ...p, symmetric: { alg: 6, keyBits: 128, mode: 0x43 } })),
      'ak-symmetric',
    ],
    ['the AK has a policy', area('ak', (p) => ({ ...p, authPolicy: new Uint8Array(32) })), 'ak-auth-policy'],
    ['the AK is on P-384', area('ak', (p) => (p.type === 'ecc' ? { ...p, curve: 4 } : p)), 'ak-kind'],
    [
      'the AK is an RSA key',
      area('ak', (p) => ({
        ...p,
        type: 'rsa',
        keyBits: 2048,
        exponent: 0,
        n: new Uint8Array(256).fill(255),
      })),
      'ak-kind',
    ],
    [
      'the AK public area has a byte too many',
      { request: (r) => ({ ...r, ak: { ...r.ak, public: Uint8Array.of(...r.ak.public, 0) } }) },
      'ak-malformed',
    ],
    ['the creation is signed by another key', { forged: 'creation' }, 'creation-signature'],
    [
      'the creation signature is cut short',
      { request: (r) => ({ ...r, ak: { ...r.ak, creationSignature: r.ak.creationSignature.slice(0, -1) } }) },
      'creation-malformed',
    ],
    [
      'the creation attest does not start with the TPM magic',
      { creation: (a) => ({ ...a, magic: 0xff544348 }) },
      'creation-magic',
    ],
    [
      'the creation attest is a certification',
      {
        creation: (a) => ({
          ...a,
          type: 0x8017,
          attested: { kind: 'certify', name: a.qualifiedSigner, qualifiedName: a.qualifiedSigner },
        }),
      },
      'creation-type',
    ],
    [
      'the creation is of another object',
      {
        creation: (a) => ({
          ...a,
          attested: { ...a.attested, objectName: xorLast(a.qualifiedSigner) } as typeof a.attested,
        }),
      },
      'creation-name',
    ],
    [
      'the creation data are others',
      {
        creation: (a) => ({
          ...a,
          attested: { ...a.attested, creationHash: new Uint8Array(32) } as typeof a.attested,
        }),
      },
      'creation-hash',
    ],
    [
      'the creation answers another nonce',
      { creation: (a) => ({ ...a, extraData: xorLast(a.extraData) }) },
      'creation-extra-data',
    ],
    [
      'the creation is signed under another parent',
      { creation: (a) => ({ ...a, qualifiedSigner: xorLast(a.qualifiedSigner) }) },
      'creation-signer',
    ],
    [
      'the AK has another parent',
      { creationData: (c) => ({ ...c, parentName: xorLast(c.parentName) }) },
      'creation-parent',
    ],
    [
      'the parent is of another hierarchy',
      { creationData: (c) => ({ ...c, parentQualifiedName: xorLast(c.parentQualifiedName) }) },
      'creation-hierarchy',
    ],
  ];
  it.each(rows)('%s', async (_, wishes, condition) => {
    await expectRefused(makeChallenge(authority, (await makeHost(vendor, wishes)).request), condition);
  });

  it('the EK certificate is for another key', async () => {
    const other = await makeHost(vendor);
    const swap = (r: Parameters<NonNullable<Wishes['request']>>[0]) => ({
      ...r,
      ek: { ...r.ek, certificate: other.ekCertificate ?? new Uint8Array() },
    });
    const host = await makeHost(vendor, { request: swap });
    await expectRefused(makeChallenge(authority, host.request), 'ek-certificate-key');
  });

  it('the chain ends at a root that only the host brings', async () => {
    const stranger = await makeVendor();
    const chain = [stranger.issuer.certificate.der, stranger.root.certificate.der];
    const host = await makeHost(stranger, { chain });
    await expectRefused(makeChallenge(authority, host.request), 'ek-chain');
  });

  it('the issuer is not a CA, though everything is signed', async () => {
    const leaf = await issueTest({ subject: 'No CA', issuer: vendor.issuer });
    const host = await makeHost(
      { ...vendor, issuer: leaf },
      {
        chain: [leaf.certificate.der, vendor.issuer.certificate.der],
      },
    );
    await expectRefused(makeChallenge(authority, host.request), 'ek-chain');
  });

  it('a software TPM comes to a hardware root', async () => {
    authority = await authorityFor('hardware');
    await expectRefused(makeChallenge(authority, (await makeHost(vendor)).request), 'software-tpm');
  });
});

describe('a response is refused when', () => {
  const rows: [string, Wishes, Condition][] = [
    ['the secret was not activated', { response: (r) => ({ ...r, mac: xorLast(r.mac) }) }, 'response-mac'],
    [
      'it names another request',
      { response: (r) => ({ ...r, request: xorLast(r.request) }) },
      'response-request',
    ],
    [
      'it names an unknown challenge',
      { response: (r) => ({ ...r, challenge: xorLast(r.challenge) }) },
      'challenge-unknown',
    ],
    ['the quote is signed by another key', { forged: 'quote' }, 'quote-signature'],
    [
      'the quote is cut short',
      { response: (r) => ({ ...r, quote: { ...r.quote, attest: r.quote.attest.slice(0, -1) } }) },
      'quote-malformed',
    ],
    ['the quote does not start with the TPM magic', { quote: (a) => ({ ...a, magic: 1 }) }, 'quote-magic'],
    [
      'the quote is an NV certification',
      {
        quote: (a) => ({
          ...a,
          type: 0x8014,
          attested: { kind: 'nv', indexName: a.qualifiedSigner, offset: 0, contents: new Uint8Array(8) },
        }),
      },
      'quote-type',
    ],
    [
      'the quote is for another challenge',
      { quote: (a) => ({ ...a, extraData: xorLast(a.extraData) }) },
      'quote-extra-data',
    ],
    [
      'the quote is by a key under another parent',
      { quote: (a) => ({ ...a, qualifiedSigner: xorLast(a.qualifiedSigner) }) },
      'quote-signer',
    ],
    [
      'a PCR value is another',
      { response: (r) => ({ ...r, pcrs: { sha256: { ...r.pcrs.sha256, '7': '00'.repeat(32) } } }) },
      'quote-pcrs',
    ],
    [
      'a PCR value is missing',
      { response: (r) => ({ ...r, pcrs: { sha256: { '0': r.pcrs.sha256['0'] ?? '' } } }) },
      'quote-pcrs',
    ],
    [
      'a PCR value is not quoted',
      { response: (r) => ({ ...r, pcrs: { sha256: { ...r.pcrs.sha256, '9': '00'.repeat(32) } } }) },
      'quote-pcrs',
    ],
  ];
  it.each(rows)('%s', async (_, wishes, condition) => {
    const host = await makeHost(vendor);
    if (condition === 'challenge-unknown') {
      expect(conditionOf(await failure(finish(host, wishes)))).toBe(condition);
    } else await expectRefused(finish(host, wishes), condition);
    // The challenge is still open: a wrong answer costs the right one nothing.
    expect(readdirSync(join(authority.dir, 'challenges')).length).toBe(1);
  });

  it('its challenge was used already', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const response = host.respond(challenge);
    await issue(authority, response, { signer, approve });
    const again = await failure(issue(authority, response, { signer, approve, replace: true }));
    expect(again.code).toBe('CHALLENGE_USED');
    expect(readdirSync(join(authority.dir, 'challenges'))).toEqual([]);
  });

  it('its challenge is out of time, swept away or not', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request, { lifeMs: 60_000 });
    const response = host.respond(challenge);
    now += 60_001;
    expect((await failure(issue(authority, response, { signer, approve }))).code).toBe('CHALLENGE_EXPIRED');
    await makeChallenge(authority, (await makeHost(vendor, { host: 'web-2' })).request);
    expect((await failure(issue(authority, response, { signer, approve }))).code).toBe('CHALLENGE_EXPIRED');
  });

  it('the operator says no', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const response = host.respond(challenge);
    await expectRefused(issue(authority, response, { signer, approve: () => false }), 'not-approved');
    await issue(authority, response, { signer, approve });
  });

  it('it was burnt while the operator thought about it', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const response = host.respond(challenge);
    const slow = async () => {
      await issue(authority, response, { signer, approve });
      return true;
    };
    expect((await failure(issue(authority, response, { signer, approve: slow }))).code).toBe(
      'CHALLENGE_USED',
    );
    expect((await readRegistry(authority.dir)).filter((l) => l.event === 'issued').length).toBe(1);
  });
});

describe('names and endorsement keys stay bound', () => {
  it('refuses the same EK under another name, even after revocation', async () => {
    const host = await makeHost(vendor);
    const { serial } = await finish(host);
    const other = await host.again({ host: 'web-2' });
    await expectRefused(makeChallenge(authority, other.request), 'ek-bound-to-other-host');
    await revoke(authority, signer, serial, 'test');
    await expectRefused(makeChallenge(authority, other.request, { replace: true }), 'ek-bound-to-other-host');
  });

  it('refuses another EK under a live name, until its certificate is revoked or over', async () => {
    const { serial } = await finish(await makeHost(vendor));
    const other = await makeHost(vendor);
    await expectRefused(makeChallenge(authority, other.request, { replace: true }), 'name-has-other-ek');
    await revoke(authority, signer, serial, 'machine scrapped');
    await finish(other);
    now += 366 * 24 * 3600 * 1000;
    await finish(await makeHost(vendor));
  });

  it('refuses a second AK for an EK, and replaces one when told to', async () => {
    const host = await makeHost(vendor);
    const first = await finish(host);
    const again = await host.again({});
    await expectRefused(makeChallenge(authority, again.request), 'ek-has-live-ak');
    const second = await finish(again, {}, { replace: true });
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
    await expectRefused(late, 'name-has-other-ek');
  });
});

describe('a TPM without EK certificate', () => {
  it('is enrolled only by its digest, and nothing about residency is claimed', async () => {
    const host = await makeHost(vendor, { ekCertificate: null });
    await expectRefused(
      makeChallenge(authority, host.request, { allowEk: ['00'.repeat(32)] }),
      'ek-certificate-missing',
    );
    const { certificateFile } = await finish(host, {}, { allowEk: [host.ek] });
    const leaf = parseCertificate(parseCertificateFile(certificateFile).chain[0] ?? new Uint8Array());
    expect(leaf.policies).toEqual([POLICY_SOFTWARE_TPM]);
    expect(leaf.alternativeNames?.directory).toEqual([]);
  });
});

describe('the registry', () => {
  it('shows an edit in the middle, and passes over a torn last line', async () => {
    await finish(await makeHost(vendor));
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
