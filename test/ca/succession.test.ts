/** One certificate after another for one TPM: rotation by the old AK, renewal, revocation by host, and the list. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeChallenge } from '../../src/ca/challenge.ts';
import { issue } from '../../src/ca/issue.ts';
import { listCertificates } from '../../src/ca/listing.ts';
import { readRegistry } from '../../src/ca/registry.ts';
import { renew } from '../../src/ca/renewal.ts';
import { issueCrl, newestCrl, revoke } from '../../src/ca/revocation.ts';
import { equal, toHex } from '../../src/core/bytes.ts';
import { parseCertificateFile } from '../../src/evidence/certfile.ts';
import type { Attest } from '../../src/evidence/tpm/attest.ts';
import { parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { parseCrl } from '../../src/evidence/x509/crl.ts';
import { approve, type Desk, expectRefused, failure, finish, makeDesks, xorLast } from './desk.ts';
import { makeHost, type Wishes } from './fakehost.ts';

const DAY = 24 * 3600 * 1000;
let desks: Awaited<ReturnType<typeof makeDesks>>;
let desk: Desk;
beforeAll(async () => {
  desks = await makeDesks();
});
beforeEach(async () => {
  desk = await desks.desk();
});
afterAll(() => desks.close());

const leafOf = (file: Uint8Array) =>
  parseCertificate(parseCertificateFile(file).chain[0] ?? new Uint8Array());
const states = async () =>
  listCertificates(await readRegistry(desk.authority.dir), desk.now).map((c) => c.state);
const certify = (change: Partial<Extract<Attest['attested'], { kind: 'certify' }>>) => (a: Attest) =>
  a.attested.kind === 'certify' ? { ...a, attested: { ...a.attested, ...change } } : a;

describe('a rotation', () => {
  it('needs no operator: the old AK signs for the new one, and its certificate is not revoked', async () => {
    const host = await makeHost(desk.vendor);
    const first = await finish(desk, host);
    const second = await finish(desk, await host.rotated());
    expect(await states()).toEqual(['superseded', 'live']);
    expect(parseCrl(parseCertificateFile(second.certificateFile).crl).revoked.size).toBe(0);
    expect(second.serial).not.toBe(first.serial);
  });

  it.each<[string, Wishes, string]>([
    ['a signature by another key', { forged: 'rotation' }, 'rotation-signature'],
    ['a magic that is no TPM’s', { rotation: (a) => ({ ...a, magic: 0x12345678 }) }, 'rotation-magic'],
    [
      'another qualified signer',
      { rotation: (a) => ({ ...a, qualifiedSigner: xorLast(a.qualifiedSigner) }) },
      'rotation-signer',
    ],
    [
      'another extraData',
      { rotation: (a) => ({ ...a, extraData: xorLast(a.extraData) }) },
      'rotation-extra-data',
    ],
    [
      'another key',
      {
        rotation: (a) =>
          certify({ name: a.attested.kind === 'certify' ? xorLast(a.attested.name) : a.extraData })(a),
      },
      'rotation-name',
    ],
    [
      'another parent',
      {
        rotation: (a) =>
          certify({
            qualifiedName: a.attested.kind === 'certify' ? xorLast(a.attested.qualifiedName) : a.extraData,
          })(a),
      },
      'rotation-name',
    ],
    ['a log of another host', { origin: 'example/web-2/17' }, 'rotation-origin'],
    [
      'a signature that cannot be read',
      {
        request: (r) =>
          r.rotates === undefined
            ? r
            : { ...r, rotates: { ...r.rotates, signature: new Uint8Array([0, 1, 2]) } },
      },
      'rotation-malformed',
    ],
  ])('is refused with %s', async (_, wishes, condition) => {
    const host = await makeHost(desk.vendor);
    await finish(desk, host);
    const next = await host.rotated(wishes);
    await expectRefused(desk, makeChallenge(desk.authority, next.request), condition as never);
  });

  it('is refused when the old AK has no live certificate', async () => {
    const host = await makeHost(desk.vendor);
    const never = await host.rotated();
    await expectRefused(desk, makeChallenge(desk.authority, never.request), 'rotation-unknown');
    const { serial } = await finish(desk, host);
    await revoke(desk.authority, desk.signer, serial, 'stolen');
    await expectRefused(desk, makeChallenge(desk.authority, never.request), 'rotation-unknown');
  });

  it('is refused between issue and challenge when the old certificate is revoked meanwhile', async () => {
    const host = await makeHost(desk.vendor);
    const { serial } = await finish(desk, host);
    const next = await host.rotated();
    const { challenge } = await makeChallenge(desk.authority, next.request);
    await revoke(desk.authority, desk.signer, serial, 'stolen');
    const late = issue(desk.authority, next.respond(challenge), { signer: desk.signer, approve });
    await expectRefused(desk, late, 'rotation-unknown');
  });
});

describe('a renewal', () => {
  it('gives the same key and proof later dates, and revokes nothing', async () => {
    const { certificateFile, serial } = await finish(desk, await makeHost(desk.vendor));
    desk.now += 200 * DAY;
    const renewed = await renew(desk.authority, desk.signer, 'example/web-1');
    const [before, after] = [leafOf(certificateFile), leafOf(renewed.certificateFile)];
    expect(equal(before.spki, after.spki)).toBe(true);
    expect(after.notAfter - before.notAfter).toBe(200 * DAY);
    const parts = (c: typeof before) => c.extensions.map((e) => `${e.oid} ${e.critical} ${toHex(e.value)}`);
    expect(parts(after)).toEqual(parts(before));
    expect(await states()).toEqual(['superseded', 'live']);
    expect((await failure(renew(desk.authority, desk.signer, serial))).code).toBe('NOT_FOUND');
    expect((await failure(renew(desk.authority, desk.signer, renewed.serial, 366))).code).toBe('USAGE');
  });

  it('over the network is for the same AK in the last third of its life, and for no other', async () => {
    const host = await makeHost(desk.vendor);
    await finish(desk, host);
    const again = async (h: typeof host) => {
      const { challenge } = await makeChallenge(desk.authority, h.request);
      return issue(desk.authority, h.respond(challenge), { signer: desk.signer, approve, renewal: true });
    };
    await expectRefused(desk, again(host), 'ek-has-live-ak');
    desk.now += 250 * DAY;
    await expectRefused(desk, again(await host.again({})), 'ek-has-live-ak');
    await again(host);
    expect(await states()).toEqual(['superseded', 'live']);
  });
});

describe('revocation', () => {
  it('of a host takes back every certificate that it has', async () => {
    const host = await makeHost(desk.vendor);
    await finish(desk, host);
    await finish(desk, await host.rotated());
    const list = parseCrl(await revoke(desk.authority, desk.signer, 'attestd://example/web-1', 'scrapped'));
    expect(list.revoked.size).toBe(2);
    expect(await states()).toEqual(['revoked', 'revoked']);
    expect((await failure(revoke(desk.authority, desk.signer, 'example/web-1', ''))).code).toBe('NOT_FOUND');
  });

  it('numbers its lists upwards, keeps the newest, and says when the next is due', async () => {
    const numbers = async () =>
      (await readRegistry(desk.authority.dir)).flatMap((l) => (l.event === 'crl' ? [l.number] : []));
    await issueCrl(desk.authority, desk.signer, 7);
    const der = await issueCrl(desk.authority, desk.signer, 30);
    expect(await numbers()).toEqual(['1', '2']);
    const kept = await newestCrl(desk.authority.dir);
    expect(kept === undefined ? undefined : toHex(kept.der)).toBe(toHex(der));
    expect((kept?.nextUpdate ?? 0) - (kept?.thisUpdate ?? 0)).toBe(30 * DAY);
  });
});
