/** Path building: issuers that share a name, constraints on names and purposes, and what openssl says of the same. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { printPem, readCertificates, readCrls } from '../../src/evidence/certfile.ts';
import { type Certificate, parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { trimEndorsement } from '../../src/evidence/x509/endorsement.ts';
import { buildPath } from '../../src/evidence/x509/path.ts';
import { verifySignature } from '../../src/evidence/x509/signature.ts';
import { type Issued, issue, keyPair, makeCrl, name, sequence, tlv, type Wish } from '../kit/authority.ts';

const T = Date.UTC(2026, 5, 1);
let dir: string;
let root: Issued;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'attestd-paths-'));
  root = await issue({ subject: 'root', ca: {} });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' }).toString();
const ask = (leaf: Certificate, intermediates: Certificate[], roots: Certificate[], purpose?: string) =>
  buildPath({
    leaf,
    intermediates,
    roots,
    at: T,
    verify: verifySignature,
    ...(purpose === undefined ? {} : { purpose }),
  });
const of = (...issued: Issued[]) => issued.map((i) => i.certificate);

/** Whether `openssl verify` finds a path for the same certificates. */
function peer(leaf: Certificate, intermediates: Certificate[], roots: Certificate[]): boolean {
  const file = (what: string, list: Certificate[]) => {
    writeFileSync(join(dir, what), printPem(list.map(({ der }) => ({ label: 'CERTIFICATE', der }))));
    return what;
  };
  const between = intermediates.length === 0 ? [] : ['-untrusted', file('between.pem', intermediates)];
  try {
    const args = ['-CAfile', file('roots.pem', roots), ...between, '-attime', String(T / 1000)];
    openssl('verify', ...args, file('leaf.pem', [leaf]));
    return true;
  } catch {
    return false;
  }
}

describe('issuers of one name', () => {
  test('a CA with a new key: either certificate leads on, whichever stands first', async () => {
    const old = await issue({ issuer: root, subject: 'ca', ca: {} });
    const fresh = await issue({ issuer: root, subject: 'ca', ca: {} });
    const leaf = await issue({ issuer: fresh, subject: 'leaf' });
    for (const between of [of(old, fresh), of(fresh, old)]) {
      const answer = await ask(leaf.certificate, between, of(root));
      expect(answer.found && answer.path[1]).toBe(fresh.certificate);
    }
  });

  test('a cross-certificate leads to the other root', async () => {
    const other = await issue({ subject: 'other root', ca: {} });
    const ca = await keyPair();
    const own = await issue({ issuer: root, subject: 'ca', key: ca, ca: {} });
    const cross = await issue({ issuer: other, subject: 'ca', key: ca, ca: {} });
    const leaf = await issue({ issuer: own, subject: 'leaf' });
    for (const [roots, wanted] of [
      [of(root), own],
      [of(other), cross],
    ] as const) {
      const answer = await ask(leaf.certificate, of(own, cross), [...roots]);
      expect(answer.found && answer.path[1]).toBe(wanted.certificate);
    }
  });

  test('an expired alternative is passed over for one that was valid', async () => {
    const ca = await keyPair();
    const expired = await issue({ issuer: root, subject: 'ca', key: ca, ca: {}, notAfter: T - 1000 });
    const valid = await issue({ issuer: root, subject: 'ca', key: ca, ca: {} });
    const leaf = await issue({ issuer: valid, subject: 'leaf' });
    expect(await ask(leaf.certificate, of(expired, valid), of(root))).toMatchObject({ found: true });
    expect(await ask(leaf.certificate, of(expired), of(root))).toMatchObject({ fault: 'not-valid-then' });
  });

  test('very many issuers of one name end the search, not the program', async () => {
    const decoys = await Promise.all(
      Array.from({ length: 70 }, () => issue({ issuer: root, subject: 'ca', ca: {} })),
    );
    const leaf = await issue({ issuer: { name: 'ca', keys: await keyPair() }, subject: 'leaf' });
    expect(await ask(leaf.certificate, of(...decoys), of(root))).toMatchObject({ found: false });
  });

  test('a self-issued certificate, which rolls a key over, does not count as a step', async () => {
    const top = await issue({ subject: 'top', ca: { pathLength: 0 } });
    const next = await keyPair();
    const rolled = await issue({ issuer: top, subject: 'top', key: next, ca: { pathLength: 0 } });
    const leaf = await issue({ issuer: rolled, subject: 'leaf' });
    expect(await ask(leaf.certificate, of(rolled), of(top))).toMatchObject({ found: true });
    const ca = await issue({ issuer: rolled, subject: 'ca', ca: {} });
    const deep = await issue({ issuer: ca, subject: 'leaf' });
    expect(await ask(deep.certificate, of(ca, rolled), of(top))).toMatchObject({ fault: 'path-length' });
  });
});

const base = (tag: number, text: string) => sequence(tlv(tag, utf8(text)));
const directory = (cn: string) => sequence(tlv(0xa4, name(cn)));
const permitted = (...list: Uint8Array[]) => tlv(0xa0, ...list);
const excluded = (...list: Uint8Array[]) => tlv(0xa1, ...list);
const DNS = 0x82;
const URI = 0x86;
const ADDRESS = 0x87;
const OTHER = 0xa0;
const uri = (text: string): Partial<Wish> => ({ subject: '', uris: [text] });
const san = (tag: number, value: Uint8Array): Partial<Wish> => ({
  subject: '',
  extensions: [{ oid: '2.5.29.17', critical: true, value: sequence(tlv(tag, value)) }],
});

describe('name constraints of an intermediate', () => {
  const rows: [string, Uint8Array[], Partial<Wish>, boolean][] = [
    [
      'a host below the permitted one',
      [permitted(base(DNS, 'example.org'))],
      san(DNS, utf8('a.example.org')),
      true,
    ],
    ['a host beside it', [permitted(base(DNS, 'example.org'))], san(DNS, utf8('anexample.org')), false],
    ['a host in capitals', [permitted(base(DNS, 'example.org'))], san(DNS, utf8('A.EXAMPLE.org')), true],
    ['an excluded host', [excluded(base(DNS, 'bad.org'))], san(DNS, utf8('x.bad.org')), false],
    ['a host where another is excluded', [excluded(base(DNS, 'bad.org'))], san(DNS, utf8('good.org')), true],
    [
      'a host inside the permitted and the excluded',
      [permitted(base(DNS, 'org')), excluded(base(DNS, 'bad.org'))],
      san(DNS, utf8('bad.org')),
      false,
    ],
    [
      'a URI of the permitted host',
      [permitted(base(URI, 'fleet.example'))],
      uri('attestd://fleet.example/h1'),
      true,
    ],
    [
      'a URI of a host below it',
      [permitted(base(URI, 'fleet.example'))],
      uri('attestd://x.fleet.example/h1'),
      false,
    ],
    [
      'a URI below a permitted domain',
      [permitted(base(URI, '.example'))],
      uri('attestd://fleet.example/h1'),
      true,
    ],
    [
      'a URI with the permitted host as its user',
      [permitted(base(URI, 'fleet.example'))],
      uri('attestd://fleet.example@bad/h1'),
      false,
    ],
    ['a URI without a host', [permitted(base(URI, 'fleet.example'))], uri('urn:attestd:h1'), false],
    ['a permitted subject', [permitted(directory('leaf'))], { subject: 'leaf' }, true],
    ['another subject', [permitted(directory('leaf'))], { subject: 'other' }, false],
    ['an excluded subject', [excluded(directory('leaf'))], { subject: 'leaf' }, false],
    [
      'an address in the permitted net',
      [permitted(sequence(tlv(ADDRESS, Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0))))],
      san(ADDRESS, Uint8Array.of(10, 1, 2, 3)),
      true,
    ],
    [
      'an address outside',
      [permitted(sequence(tlv(ADDRESS, Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0))))],
      san(ADDRESS, Uint8Array.of(11, 1, 2, 3)),
      false,
    ],
    [
      'a name of a kind that is not constrained',
      [permitted(base(DNS, 'example.org'))],
      uri('attestd://fleet/h1'),
      true,
    ],
  ];
  test.each(rows)('%s', async (_, subtrees, wish, allowed) => {
    const value = sequence(...subtrees);
    const ca = await issue({
      issuer: root,
      subject: 'ca',
      ca: {},
      extensions: [{ oid: '2.5.29.30', critical: true, value }],
    });
    const leaf = await issue({ issuer: ca, subject: 'leaf', ...wish });
    const answer = await ask(leaf.certificate, of(ca), of(root));
    expect(answer).toMatchObject(allowed ? { found: true } : { found: false, fault: 'name-constraints' });
    expect(peer(leaf.certificate, of(ca), of(root))).toBe(allowed);
  });

  test('a constrained kind that is not understood refuses the certificate', async () => {
    const otherName = Uint8Array.of(6, 3, 42, 3, 4, 0xa0, 2, 5, 0);
    const value = sequence(excluded(sequence(tlv(OTHER, otherName))));
    const ca = await issue({
      issuer: root,
      subject: 'ca',
      ca: {},
      extensions: [{ oid: '2.5.29.30', critical: true, value }],
    });
    const leaf = await issue({ issuer: ca, subject: 'leaf', ...san(OTHER, otherName) });
    expect(await ask(leaf.certificate, of(ca), of(root))).toMatchObject({ fault: 'name-constraints' });
  });

  test('they hold for intermediates below, and those of the root for all', async () => {
    const value = sequence(permitted(directory('leaf')));
    const extensions = [{ oid: '2.5.29.30', critical: true, value }];
    const top = await issue({ subject: 'top', ca: {}, extensions });
    const ca = await issue({ issuer: top, subject: 'ca', ca: {} });
    const leaf = await issue({ issuer: ca, subject: 'leaf' });
    expect(await ask(leaf.certificate, of(ca), of(top))).toMatchObject({ fault: 'name-constraints' });
    const direct = await issue({ issuer: top, subject: 'leaf' });
    expect(await ask(direct.certificate, [], of(top))).toMatchObject({ found: true });
  });
});

describe('purposes and algorithms', () => {
  test('an intermediate for other purposes is no issuer for this one', async () => {
    const ca = await issue({ issuer: root, subject: 'ca', ca: {}, purposes: ['1.3.6.1.5.5.7.3.1'] });
    const leaf = await issue({ issuer: ca, subject: 'leaf', purposes: ['2.23.133.8.3'] });
    expect(await ask(leaf.certificate, of(ca), of(root), '2.23.133.8.3')).toMatchObject({
      fault: 'issuer-purpose',
    });
    expect(await ask(leaf.certificate, of(ca), of(root), '1.3.6.1.5.5.7.3.1')).toMatchObject({ found: true });
    const any = await issue({ issuer: root, subject: 'ca', key: ca.keys, ca: {}, purposes: ['2.5.29.37.0'] });
    expect(await ask(leaf.certificate, of(any), of(root), '2.23.133.8.3')).toMatchObject({ found: true });
  });

  const algorithms: [string, string[], string, string | undefined][] = [
    ['P-521', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521'], 'sha512', undefined],
    ['P-384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], 'sha384', undefined],
    ['RSA of 2048 bits', ['rsa', '-pkeyopt', 'rsa_keygen_bits:2048'], 'sha256', undefined],
    ['RSA of 1024 bits', ['rsa', '-pkeyopt', 'rsa_keygen_bits:1024'], 'sha256', 'weak-key'],
    ['SHA-1', ['rsa', '-pkeyopt', 'rsa_keygen_bits:2048'], 'sha1', 'weak-signature'],
  ];
  test.each(algorithms)('a CA of openssl with %s', async (_, key, hash, fault) => {
    openssl('genpkey', '-algorithm', ...key, '-out', 'ca.key');
    openssl(
      'req',
      '-x509',
      '-key',
      'ca.key',
      '-subj',
      '/CN=ca',
      `-${hash}`,
      '-days',
      '3650',
      '-out',
      'ca.pem',
    );
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'leaf.key',
      '-subj',
      '/CN=leaf',
      '-out',
      'leaf.csr',
    );
    openssl(
      'x509',
      '-req',
      '-in',
      'leaf.csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      `-${hash}`,
      '-days',
      '3650',
      '-out',
      'leaf.pem',
    );
    const [ca, leaf] = ['ca.pem', 'leaf.pem'].map((f) =>
      parseCertificate(readCertificates(new Uint8Array(readFileSync(join(dir, f))))[0] as Uint8Array),
    ) as [Certificate, Certificate];
    const answer = await buildPath({ leaf, intermediates: [], roots: [ca], verify: verifySignature });
    expect(answer).toMatchObject(fault === undefined ? { found: true } : { found: false, fault });
  });
});

describe('files of roots and lists', () => {
  test('PEM with words and other blocks between, DER, and DER one after the other are all read', async () => {
    const two = of(root, await issue({ subject: 'two', ca: {} })).map((c) => c.der);
    const pem = printPem(two.map((der) => ({ label: 'CERTIFICATE', der })));
    const crl = await makeCrl(root, []);
    const mixed = utf8(
      `# roots\r\n${pem.replaceAll('\n', '\r\n')}\nand a list\n${printPem([{ label: 'X509 CRL', der: crl }])}`,
    );
    expect(readCertificates(mixed)).toEqual(two);
    expect(readCrls(mixed)).toEqual([crl]);
    expect(readCertificates(new Uint8Array(Buffer.concat(two)))).toEqual(two);
    expect(readCrls(crl)).toEqual([crl]);
  });
  test.each([
    ['nothing', new Uint8Array()],
    ['text', utf8('no certificate')],
    ['DER that is cut short', Uint8Array.of(0x30, 5, 1)],
    ['PEM of something else', utf8('-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n')],
  ])('%s is refused', (_, bytes) => {
    expect(() => readCertificates(bytes)).toThrow(/MALFORMED|PEM|DER|empty|neither/);
  });
  test('an endorsement certificate may be longer than its padding allows by nothing', () => {
    expect(() => trimEndorsement(new Uint8Array(40_000))).toThrow(/over 32 KiB/);
    expect(trimEndorsement(Uint8Array.of(0x10, 1, 0, 0x30, 1, 5, 0xff, 0xff))).toEqual(
      Uint8Array.of(0x30, 1, 5),
    );
    expect(() => trimEndorsement(Uint8Array.of(0x30, 1, 5, 0xff, 0x00))).toThrow(/no padding/);
  });
});
