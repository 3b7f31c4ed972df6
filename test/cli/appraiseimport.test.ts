/**
 * `attestctl appraise import` with a machine: reference values of a software TPM in a manifest, a policy of it, signed by
 * its owner, and the verdict on a real bundle; one changed value fails the one check that is about it.
 */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { printPem } from '../../src/evidence/certfile.ts';
import { type Issued, issue } from '../kit/authority.ts';
import * as kit from '../kit/corim.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';

let host: EnrolledHost;
let bundle: string;
let quoted: Readonly<Record<string, string>>;
let vendor: Issued;
const at = (name: string) => host.at(name);
const SAMPLES = new URL('../vectors/corim/', import.meta.url);

/** Values of the registers that a firmware extends. */
const firmware = (): Record<string, string> =>
  Object.fromEntries(Object.entries(quoted).filter(([pcr]) => Number(pcr) < 8));

async function signed(name: string, values: Readonly<Record<string, string>>): Promise<string> {
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', vendor.keys.privateKey));
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const payload = kit.corim({ triples: [kit.triple([kit.registers(values)])] });
  writeFileSync(at(name), kit.signedCorim(payload, { privateKey, header: [[33, vendor.certificate.der]] }));
  return at(name);
}

/** From a manifest to the checks of a verdict that did not pass. */
async function verdictBy(
  manifest: string,
  name: string,
): Promise<{ status: number | null; failed: string[] }> {
  const [policy, envelope, trust] = [`${name}.json`, `${name}.dsse.json`, `${name}-trust.json`].map(at) as [
    string,
    string,
    string,
  ];
  const ignored = ['--ignore-pcr', '8', '9', '11', '12', '14'];
  await host.must([
    'appraise',
    'import',
    manifest,
    '--root',
    at('vendor-ca.pem'),
    '--name',
    name,
    ...ignored,
    '-o',
    policy,
  ]);
  await host.must(['appraise', 'sign', policy, '--key', at('owner.pem'), '-o', envelope]);
  const wishes = [
    '--software',
    '--accept-host-time',
    '--appraisal',
    envelope,
    '--appraisal-key',
    at('owner.pub'),
  ];
  await host.must(['trust', 'init', '--root', at('ca/root.pem'), ...wishes, '-o', trust]);
  const { status, stdout } = await host.ctl(['verify', bundle, '--trust', trust, '--json']);
  const { checks } = JSON.parse(stdout) as { checks: { id: string; status: string }[] };
  return { status, failed: checks.filter((c) => c.status === 'fail').map((c) => c.id) };
}

beforeAll(async () => {
  host = await makeEnrolledHost();
  await host.up();
  bundle = await host.bundle(await host.recorded('true'));
  quoted = JSON.parse(readFileSync(bundle, 'utf8')).pcrs.sha256;
  const root = await issue({ subject: 'vendor root', ca: {} });
  vendor = await issue({ subject: 'vendor', issuer: root });
  writeFileSync(at('vendor-ca.pem'), printPem([{ label: 'CERTIFICATE', der: root.certificate.der }]));
  const owner = generateKeyPairSync('ed25519');
  writeFileSync(at('owner.pem'), owner.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  writeFileSync(at('owner.pub'), owner.publicKey.export({ format: 'pem', type: 'spki' }));
}, 300_000);
afterAll(() => host?.remove());

describe('a real bundle', () => {
  test('passes by the values that the manifest names', async () => {
    expect(Object.keys(firmware())).toHaveLength(8);
    expect(await verdictBy(await signed('good.corim', firmware()), 'good')).toEqual({
      status: 0,
      failed: [],
    });
  });
  test('fails one check by a changed value', async () => {
    const manifest = await signed('bad.corim', { ...firmware(), 4: 'ab'.repeat(32) });
    expect(await verdictBy(manifest, 'bad')).toEqual({ status: 1, failed: ['appraisal-pcrs'] });
  });
});

describe('what the command says', () => {
  const importing = (...args: string[]) =>
    host.ctl(['appraise', 'import', ...args, '--name', 'x', '-o', at('x.json')]);
  test.each<[string, () => Promise<string[]> | string[], number, RegExp]>([
    [
      'an unsigned file',
      () => [sample('corim-parsec-tpm-valid.cbor')],
      1,
      /nobody signed it \[REFERENCE_UNTRUSTED\]/,
    ],
    [
      'no key for a signed one',
      async () => [await signed('k.corim', firmware())],
      1,
      /"Vendor", and no key or root/,
    ],
    [
      'a signature that expired',
      () => [sample('signed-good-corim.cbor'), '--key', sample('ec-p256.pub.pem')],
      1,
      /the signature is valid from 2021-12-31T00:00:00.000Z until 2025-12-31T00:00:00.000Z/,
    ],
    [
      'at a time when it was valid, what a policy cannot say',
      () => [
        sample('signed-good-corim.cbor'),
        '--key',
        sample('ec-p256.pub.pem'),
        '--at',
        '2023-01-01T00:00:00.000Z',
      ],
      1,
      /UUID 31fb5abf023e4992aa4e95f9c1503bfa: digests of something.*\[REFERENCE_UNMAPPED\]/s,
    ],
    [
      'a TCG RIM',
      () => [file('rim.swidtag', '<?xml version="1.0"?><SoftwareIdentity/>')],
      1,
      /its support file is a firmware log/,
    ],
    ['a CoRIM of an early draft', () => [file('old.corim', '\xd9\x01\xf4')], 1, /early draft \(tag 500\)/],
    ['a CoSWID', () => [file('a.coswid', '\xd9\x01\xf9')], 1, /a CoSWID tag without a manifest/],
    ['a file of something else', () => [file('text', 'hello')], 3, /MALFORMED/],
    ['a key that is none', () => [sample('corim-1.cbor'), '--key', bundle], 3, /no public key in PEM/],
    [
      'a time that is none',
      () => [sample('corim-1.cbor'), '--unsigned', '--at', 'now'],
      2,
      /--at is no time such as/,
    ],
    [
      'a triple that is none',
      () => [sample('corim-1.cbor'), '--unsigned', '--triple', 'x'],
      2,
      /not the number of a reference triple/,
    ],
  ])('%s', async (_, args, status, says) => {
    const found = await importing(...(await args()));
    expect([found.status, found.stderr]).toEqual([status, expect.stringMatching(says)]);
  });

  test('as one document', async () => {
    const { stdout } = await importing(sample('corim-parsec-tpm-valid.cbor'), '--unsigned', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'attestd.dev/written/v1',
      manifest: '00000000-0000-0000-6768-0000000000001',
      signer: null,
      states: [{ number: 1, environment: 'class UUID cd1f0e5526f9460db9d8f7fde171787c' }],
      decisions: [0, 1, 2].map((pcr) => ({ pcr, decided: 'by value' })),
      leftOut: [],
    });
  });
});

const file = (name: string, latin1: string): string => {
  writeFileSync(at(name), Buffer.from(latin1, 'latin1'));
  return at(name);
};
const sample = (name: string): string => {
  copyFileSync(new URL(name, SAMPLES), at(name));
  return at(name);
};
