/** What cosign, @sigstore/verify, go-cose and transparency-dev/merkle say of a record under the record key. */
import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromBase64 } from '../../src/core/bytes.ts';
import { parseBundle } from '../../src/evidence/bundle.ts';
import { printPem } from '../../src/evidence/certfile.ts';
import { exportKeyId } from '../../src/evidence/export/envelope.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { parsePublic, publicSpki } from '../../src/evidence/tpm/public.ts';
import { type Outcome, runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { makeOperatorAuthority } from '../kit/opca.ts';
import { runExports } from '../kit/peers.ts';
import { installGo } from '../kit/toolchain.ts';

const IDENTITY = 'attestd://test/host-1';
const ISSUER = 'https://ca.example';
const TYPE = 'https://attestd.dev/execution/v1';

let host: EnrolledHost;
let id: string;
let cosign: string;
let spki: Uint8Array;
const at = (name: string) => host.at(name);
const json = (name: string) => JSON.parse(readFileSync(at(name), 'utf8'));

beforeAll(async () => {
  cosign = installGo('cosign', 'github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3');
  host = await makeEnrolledHost();
  await host.up();
  id = await host.recorded('true');
  const bundle = parseBundle(new Uint8Array(readFileSync(await host.bundle(id, 'run.attest.json'))));
  writeFileSync(at('entry'), fromBase64(bundle.record.entry));
  const genesis = readStatement(fromBase64(bundle.genesis.entry)).predicate as unknown as {
    recordKey: { public: string };
  };
  spki = publicSpki(parsePublic(fromBase64(genesis.recordKey.public)));
  writeFileSync(at('record-key.pem'), printPem([{ label: 'PUBLIC KEY', der: spki }]));
  const operator = makeOperatorAuthority(host.dir);
  await host.must(['key', 'request', 'record', '--socket', at('admin.sock'), '-o', at('record.csr')]);
  operator.issue('record.csr', 'signing', 'host.pem');
  const first = ['export', 'sigstore', id, '-o', at('run.sigstore.json')];
  await host.must([...first, '--blob', at('run.json'), '--signature', at('run.sig')]);
  operator.openssl('ts', '-query', '-data', 'run.sig', '-sha256', '-cert', '-out', 'run.tsq');
  operator.stamp('run.tsq', 'run.tsr');
  const beside = ['--certificate', at('host.pem'), '--timestamp', at('run.tsr')];
  await host.must(['export', 'sigstore', at('run.sigstore.json'), ...beside, '-o', at('run.timed.json')]);
  const whom = ['--issuer', at('operator.pem'), '--tsa', at('tsa-chain.pem')];
  await host.must(['export', 'trusted-root', ...whom, '-o', at('trusted_root.json')]);
  // The same payload with another word in it, and the blob that it then names.
  const changed = json('run.timed.json');
  const payload = Buffer.from(changed.dsseEnvelope.payload, 'base64').toString();
  changed.dsseEnvelope.payload = Buffer.from(payload.replace('"ungoverned"', '"unbounded!"')).toString(
    'base64',
  );
  writeFileSync(at('changed.timed.json'), JSON.stringify(changed));
  const keyed = { ...changed, verificationMaterial: json('run.sigstore.json').verificationMaterial };
  writeFileSync(at('changed.sigstore.json'), JSON.stringify(keyed));
}, 1_800_000);
afterAll(() => host?.remove());

describe('cosign verify-blob-attestation', () => {
  const verify = (bundle: string, blob: string, ...how: string[]): Promise<Outcome> =>
    runProgram(
      [
        ...[cosign, 'verify-blob-attestation', '--bundle', bundle, '--type', TYPE],
        ...['--insecure-ignore-tlog', '--trusted-root', 'trusted_root.json', ...how, blob],
      ],
      { cwd: host.dir, env: { HOME: host.dir, NO_PROXY: '', HTTPS_PROXY: 'http://127.0.0.1:1' } },
    );
  const byKey = ['--key', 'record-key.pem'];
  const byName = (identity: string, issuer = ISSUER) => [
    ...['--certificate-identity', identity, '--certificate-oidc-issuer', issuer],
    ...['--insecure-ignore-sct', '--use-signed-timestamps'],
  ];

  test.each([
    ['key mode', 'run.sigstore.json', byKey],
    ['certificate mode, with a private authority and a timestamp', 'run.timed.json', byName(IDENTITY)],
  ])('accepts a record in %s', async (_mode, bundle, how) => {
    const { status, stderr } = await verify(bundle, 'run.json', ...how);
    expect([status, stderr], stderr).toEqual([0, expect.stringContaining('Verified OK')]);
  });

  test.each([
    ['a changed payload, by key', 'changed.sigstore.json', 'run.json', byKey, 'could not verify envelope'],
    [
      'a changed payload, by name',
      'changed.timed.json',
      'run.json',
      byName(IDENTITY),
      'could not verify envelope',
    ],
    ['another key', 'run.sigstore.json', 'run.json', ['--key', 'other.pem'], 'could not verify envelope'],
    [
      'another identity',
      'run.timed.json',
      'run.json',
      byName('attestd://test/host-2'),
      'no matching CertificateIdentity',
    ],
    [
      'another issuer',
      'run.timed.json',
      'run.json',
      byName(IDENTITY, 'https://x.example'),
      'no matching CertificateIdentity',
    ],
    ['another blob', 'run.sigstore.json', 'entry', byKey, 'digest'],
  ])('refuses %s', async (_what, bundle, blob, how, why) => {
    writeFileSync(
      at('other.pem'),
      createPublicKey(readFileSync(at('operator.pem'))).export({ type: 'spki', format: 'pem' }),
    );
    const { status, stderr } = await verify(bundle, blob, ...how);
    expect(status).toBe(1);
    expect(stderr).toContain(why);
  });
});

describe('@sigstore/verify', () => {
  function verify(bundle: string, subjectAlternativeName?: string): void {
    const root = TrustedRoot.fromJSON(json('trusted_root.json'));
    const material = toTrustMaterial(root, (hint) => {
      if (hint !== exportKeyId(spki)) throw new Error(`no key ${hint}`);
      return {
        publicKey: createPublicKey(readFileSync(at('record-key.pem'))),
        validFor: () => true,
      };
    });
    const named = subjectAlternativeName !== undefined;
    const verifier = new Verifier(material, {
      tlogThreshold: 0,
      ctlogThreshold: 0,
      timestampThreshold: named ? 1 : 0,
    });
    const policy = named ? { subjectAlternativeName, extensions: { issuer: ISSUER } } : undefined;
    verifier.verify(toSignedEntity(bundleFromJSON(json(bundle))), policy);
  }

  test('accepts a record in key mode and in certificate mode', () => {
    verify('run.sigstore.json');
    verify('run.timed.json', `^${IDENTITY}$`);
  });

  test('refuses a changed payload in both, and another identity', () => {
    expect(() => verify('changed.sigstore.json')).toThrow(/signature/);
    expect(() => verify('changed.timed.json', `^${IDENTITY}$`)).toThrow(/signature/);
    expect(() => verify('run.timed.json', '^attestd://test/host-2$')).toThrow(/identity/);
  });
});

describe('go-cose and transparency-dev/merkle', () => {
  beforeAll(async () => {
    await host.must(['export', 'cose', at('run.attest.json'), '-o', at('run.cose')]);
  });

  test('accept the signed statement, the proof in its receipt, and the signature over the root it leads to', () => {
    expect(runExports(['cose', at('run.cose'), at('record-key.pem'), at('entry')])).toMatchObject({
      ok: true,
      facts: { issuer: IDENTITY, subject: `execution:${id}`, log: expect.stringMatching(/^test\/host-1\//) },
    });
  });

  test('refuse it when any byte of payload, proof or signature is another', () => {
    const good = readFileSync(at('run.cose'));
    const seen = new Set<boolean>();
    for (let i = 3; i < good.length; i += 61) {
      const bad = Buffer.from(good);
      bad[i] = (bad[i] as number) ^ 1;
      writeFileSync(at('bad.cose'), bad);
      seen.add(runExports(['cose', at('bad.cose'), at('record-key.pem'), at('entry')]).ok);
    }
    expect([...seen]).toEqual([false]);
  });
});

describe('the record key', () => {
  test('vouches for nothing of another uid, and for no record that is not there', async () => {
    const { status, stderr } = await host.ctl([
      'export',
      'cose',
      '01KAE3X5V0N9S8QX1Z7M2R4B6C',
      '-o',
      at('none'),
    ]);
    expect([status, stderr]).toEqual([2, expect.stringContaining('[NOT_FOUND]')]);
  });

  test('is what the certificate must be of', async () => {
    const certificate = ['--certificate', at('operator.pem')];
    const { status, stderr } = await host.ctl(['export', 'sigstore', id, ...certificate, '-o', at('none')]);
    expect([status, stderr]).toEqual([2, expect.stringContaining('is not a certificate of the record key')]);
  });
});
