import { createPrivateKey, webcrypto } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Crypto } from '@peculiar/webcrypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Authority } from '../../src/ca/authority.ts';
import { examineRequest, makeChallenge } from '../../src/ca/challenge.ts';
import { issue } from '../../src/ca/issue.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import { makeSigner, type SubtleProvider } from '../../src/ca/signer.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { parseCertificateFile } from '../../src/evidence/certfile.ts';
import { type EnrolRequest, parseRequest } from '../../src/evidence/enrolment.ts';
import { runs } from '../fuzz/runs.ts';
import { approve, type Desk, failure, finish, makeDesks } from './desk.ts';
import { makeHost, type Vendor } from './fakehost.ts';

let desks: Awaited<ReturnType<typeof makeDesks>>;
let desk: Desk;
let vendor: Vendor;
let authority: Authority;

beforeAll(async () => {
  desks = await makeDesks();
  vendor = desks.vendor;
});
beforeEach(async () => {
  desk = await desks.desk();
  authority = desk.authority;
});
afterAll(() => desks.close());

type Change = (bytes: Uint8Array) => Uint8Array;
const PARTS: Record<string, (r: EnrolRequest, change: Change) => EnrolRequest> = {
  nonce: (r, f) => ({ ...r, nonce: f(r.nonce) }),
  'ek.public': (r, f) => ({ ...r, ek: { ...r.ek, public: f(r.ek.public) } }),
  'ek.certificate': (r, f) => ({
    ...r,
    ek: { ...r.ek, certificate: f(r.ek.certificate ?? new Uint8Array()) },
  }),
  'ek.chain': (r, f) => ({ ...r, ek: { ...r.ek, chain: r.ek.chain.map(f) } }),
  'storage.public': (r, f) => ({ ...r, storage: { public: f(r.storage.public) } }),
  'ak.public': (r, f) => ({ ...r, ak: { ...r.ak, public: f(r.ak.public) } }),
  'ak.creationData': (r, f) => ({ ...r, ak: { ...r.ak, creationData: f(r.ak.creationData) } }),
  'ak.creationAttest': (r, f) => ({ ...r, ak: { ...r.ak, creationAttest: f(r.ak.creationAttest) } }),
  'ak.creationSignature': (r, f) => ({ ...r, ak: { ...r.ak, creationSignature: f(r.ak.creationSignature) } }),
};

describe('no byte of what a host shows can change', () => {
  it.each(Object.keys(PARTS))('%s', async (part) => {
    const change = PARTS[part];
    if (change === undefined) throw new Error('no such part');
    const request = parseRequest((await makeHost(vendor)).request);
    const refused = async (f: Change) => {
      const bad = change(request, f);
      const e = await failure(examineRequest(authority, bad, []));
      // A nonce that is too short does not even parse.
      expect(['ENROL_REFUSED', 'MALFORMED']).toContain(e.code);
    };
    await examineRequest(authority, request, []);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, x) =>
        refused((b) => b.map((v, i) => (i === at % b.length ? v ^ x : v))),
      ),
      { numRuns: Math.ceil(runs(6000) / 100) },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(), (n) => refused((b) => b.slice(0, n % b.length))),
      { numRuns: Math.ceil(runs(2000) / 100) },
    );
  });
});

describe('any file', () => {
  it('is answered with the own error of the authority, and nothing is challenged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        for (const p of [
          makeChallenge(authority, bytes),
          issue(authority, bytes, { signer: desk.signer, approve }),
        ]) {
          expect(isAttestdError(await failure(p), 'MALFORMED')).toBe(true);
        }
      }),
      { numRuns: Math.ceil(runs(5000) / 100) },
    );
    expect(readdirSync(join(authority.dir, 'challenges'))).toEqual([]);
  });
});

describe('the signer', () => {
  /** A provider that is not Node's own, with a key that only it can use: what a TPM's provider looks like. */
  const foreign = (): SubtleProvider => ({
    subtle: new Crypto().subtle as unknown as webcrypto.SubtleCrypto,
  });

  it('may be another WebCrypto provider', async () => {
    const provider = foreign();
    const pem = readFileSync(join(authority.dir, 'root-key.UNENCRYPTED.pem'), 'utf8');
    const pkcs8 = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' });
    const algorithm = { name: 'ECDSA', namedCurve: 'P-384' };
    const key = await provider.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']);
    const signer = makeSigner(provider, key, authority.certificate.spki);
    const { certificateFile } = await finish({ ...desk, signer, now: desk.now }, await makeHost(vendor));
    expect(parseCertificateFile(certificateFile).chain.length).toBe(2);
  });

  it('of another root is refused before anything is burnt', async () => {
    const other = await desks.desk();
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const e = await failure(issue(authority, host.respond(challenge), { signer: other.signer, approve }));
    expect(e.code).toBe('AUTHORITY_CORRUPT');
    expect((await readRegistry(authority.dir)).map((l) => l.event)).toEqual(['created', 'challenged']);
  });

  it('that fails costs the challenge, binds nothing, and the host starts again', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const response = host.respond(challenge);
    const key = desk.signer.privateKey;
    const subtle = { ...webcrypto.subtle, sign: () => Promise.reject(new Error('the HSM is gone')) };
    const broken = makeSigner({ subtle: subtle as never }, key, authority.certificate.spki);
    await expect(issue(authority, response, { signer: broken, approve })).rejects.toThrow();
    expect((await readRegistry(authority.dir)).map((l) => l.event)).toEqual([
      'created',
      'challenged',
      'burnt',
    ]);
    expect((await failure(issue(authority, response, { signer: desk.signer, approve }))).code).toBe(
      'CHALLENGE_USED',
    );
    await finish(desk, host);
  });

  it('that signs with a wrong key is found out before the certificate leaves', async () => {
    const host = await makeHost(vendor);
    const { challenge } = await makeChallenge(authority, host.request);
    const wrong = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, false, ['sign']);
    const signer = makeSigner(webcrypto as SubtleProvider, wrong.privateKey, authority.certificate.spki);
    const e = await failure(issue(authority, host.respond(challenge), { signer, approve }));
    expect(e.code).toBe('INTERNAL');
    expect((await readRegistry(authority.dir)).some((l) => l.event === 'issued')).toBe(false);
  });
});
