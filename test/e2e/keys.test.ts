/** Keys that callers have in the TPM: what they sign, what they never sign, and a real handshake with one. */
import { createHash, createPublicKey, verify as verifySignature, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connect } from '../../src/client/client.ts';
import { concat, fromBase64, toHex, utf8 } from '../../src/core/bytes.ts';
import { KEY_ROLES, keyExtraData } from '../../src/evidence/binding.ts';
import { parseBundle } from '../../src/evidence/bundle.ts';
import { TLS_CLIENT_PREFIX, WORKLOAD_PREFIX } from '../../src/evidence/export/workload.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { parseAttest } from '../../src/evidence/tpm/attest.ts';
import { parsePublic, publicSpki } from '../../src/evidence/tpm/public.ts';
import { ecdsaP1363, parseSignature } from '../../src/evidence/tpm/signature.ts';
import { parseNote } from '../../src/log/note.ts';
import { parseProof } from '../../src/log/proof.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { type DaemonProcess, until } from '../kit/host.ts';
import { makeOperatorAuthority, type OperatorAuthority } from '../kit/opca.ts';
import { askExports, runExports } from '../kit/peers.ts';

let host: EnrolledHost;
let operator: OperatorAuthority;
let daemon: DaemonProcess;
let mine: Client;
let admin: Client;
const at = (name: string) => host.at(name);
const publicOf = (spki: string) =>
  createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
const holds = (spki: string, message: Uint8Array, signature: Uint8Array) =>
  verifySignature('sha256', message, publicOf(spki), signature);
const code = (e: Promise<unknown>) =>
  e.then(
    () => 'no error',
    (x) => (x as { code: string }).code,
  );

beforeAll(async () => {
  host = await makeEnrolledHost();
  operator = makeOperatorAuthority(host.dir);
  daemon = await host.up();
  mine = connect({ socket: host.socket, client: 'test/1' });
  admin = connect({ socket: at('admin.sock'), client: 'test/1' });
}, 900_000);
afterAll(async () => {
  mine?.close();
  admin?.close();
  await host?.remove();
});

describe('a workload key', () => {
  test('is made once under a name, recorded with its certification, and kept privately', async () => {
    const key = await mine.createKey('release', 'workload');
    expect(await code(mine.createKey('release', 'workload'))).toBe('EXISTS');
    expect(await code(mine.createKey('record', 'workload'))).toBe('INVALID_REQUEST');
    expect(await code(mine.createKey('Not A Name', 'workload'))).toBe('INVALID_REQUEST');
    const bytes = await until('the seal over it', () =>
      mine.bundle(key.record as string).catch(() => undefined),
    );
    const bundle = parseBundle(bytes);
    const { kind, predicate } = readStatement(fromBase64(bundle.record.entry));
    expect([kind, predicate]).toMatchObject([
      'keychange',
      { change: 'added', role: 'workload', name: 'release', caller: { uid: process.getuid?.() } },
    ]);
    // What the record certifies: this key, in this TPM, for this role and log, by the AK of genesis.
    const attest = parseAttest(fromBase64(key.attest));
    expect(toHex(attest.extraData)).toBe(toHex(keyExtraData(KEY_ROLES.workload, predicate.log)));
    const genesis = readStatement(fromBase64(bundle.genesis.entry)).predicate as unknown as {
      ak: { public: string };
    };
    const ak = createPublicKey({
      key: Buffer.from(publicSpki(parsePublic(fromBase64(genesis.ak.public)))),
      format: 'der',
      type: 'spki',
    });
    const signature = ecdsaP1363(parseSignature(fromBase64(key.signature)), 32);
    const p1363 = { key: ak, dsaEncoding: 'ieee-p1363' } as const;
    expect(verifySignature('sha256', fromBase64(key.attest), p1363, signature)).toBe(true);
    expect(Buffer.from(publicSpki(parsePublic(fromBase64(key.public)))).toString('base64')).toBe(key.spki);
    const files = readdirSync(at('state/keys'), { withFileTypes: true });
    expect(files).toHaveLength(1);
  });

  test('signs a message behind its prefix, as openssl says', async () => {
    writeFileSync(at('notes.txt'), 'version 2 is out\n');
    await host.must(['key', 'sign', 'release', at('notes.txt'), '-o', at('notes.sig')]);
    await host.must(['key', 'show', 'release', '-o', at('release.pem')]);
    writeFileSync(at('signed'), concat(WORKLOAD_PREFIX, readFileSync(at('notes.txt'))));
    expect(
      operator.openssl('dgst', '-sha256', '-verify', 'release.pem', '-signature', 'notes.sig', 'signed'),
    ).toBe('Verified OK\n');
  });

  test('gives no signature over bytes that somebody sends, whatever they pretend to be', async () => {
    const id = await host.recorded('true');
    const bundle = parseBundle(await mine.bundle(id));
    const entry = fromBase64(bundle.record.entry);
    const { note } = parseProof(utf8(bundle.record.proof));
    const { text } = parseNote(note);
    const seal = parseNote(note).signatures[0]?.signature as Uint8Array;
    const attest = seal.subarray(67, 67 + 145);
    const release = (await mine.keys()).find((k) => k.name === 'release');
    const record = (await mine.keys()).find((k) => k.name === 'record');
    const sigStructure = concat(
      Uint8Array.of(0x84, 0x6a),
      utf8('Signature1'),
      Uint8Array.of(0x40, 0x40, 0x40),
    );
    const request = await mine.certificateRequest('release');
    const pretended: Record<string, Uint8Array> = {
      'a checkpoint': utf8(text),
      'the rest of a checkpoint whose origin is the prefix': utf8(
        '5\nq83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=\n',
      ),
      'an envelope of ours': entry,
      'a TPMS_ATTEST': attest,
      'a structure of COSE': sigStructure,
      'a certificate request': request,
      'a CertificateVerify': concat(TLS_CLIENT_PREFIX, new Uint8Array(32)),
      'its own prefix': WORKLOAD_PREFIX,
      'the digest of an envelope': createHash('sha256').update(entry).digest(),
      nothing: new Uint8Array(),
    };
    for (const [what, message] of Object.entries(pretended)) {
      const signature = await mine.sign('release', message);
      expect([what, holds(release?.spki as string, concat(WORKLOAD_PREFIX, message), signature)]).toEqual([
        what,
        true,
      ]);
      expect([what, holds(release?.spki as string, message, signature)]).toEqual([what, false]);
      expect([what, holds(record?.spki as string, message, signature)]).toEqual([what, false]);
      // What was signed is none of them: it is no signed note, and begins like nothing that is signed elsewhere.
      const signed = concat(WORKLOAD_PREFIX, message);
      expect(() => parseNote(concat(signed, utf8('\n\u2014 x AAAAAAA=\n')))).toThrow();
      expect(() => readStatement(signed)).toThrow();
      expect(() => parseAttest(signed)).toThrow();
    }
  });

  test('is of its caller alone: not of the admin socket, and the record key signs for nobody', async () => {
    expect(await code(mine.sign('record', utf8('x')))).toBe('NOT_FOUND');
    expect(await code(mine.withdrawKey('record', 'x'))).toBe('NOT_FOUND');
    expect(await code(mine.sign('other', utf8('x')))).toBe('NOT_FOUND');
    expect(await code(mine.certificateRequest('record'))).toBe('FORBIDDEN');
    expect(runExports(['request', await requested('record')])).toMatchObject({
      ok: true,
      facts: { subject: 'CN=test/host-1', uris: ['attestd://test/host-1'] },
    });
  });

  test('survives a restart of the daemon, and is gone when it was withdrawn', async () => {
    await daemon.stop();
    daemon = await host.up();
    const { spki } = (await mine.keys()).find((k) => k.name === 'release') as { spki: string };
    const again = concat(WORKLOAD_PREFIX, utf8('again'));
    expect(holds(spki, again, await mine.sign('release', utf8('again')))).toBe(true);
    await mine.createKey('short', 'workload');
    const gone = await mine.withdrawKey('short', 'the test has seen it');
    expect(await code(mine.sign('short', utf8('x')))).toBe('NOT_FOUND');
    expect((await admin.keys()).map((k) => k.name).sort()).toEqual(['record', 'release']);
    expect(gone.role).toBe('workload');
  });
});

/** The file with the certificate request of a key. */
async function requested(name: string): Promise<string> {
  await host.must(['key', 'request', name, '--socket', at('admin.sock'), '-o', at(`${name}.csr`)]);
  return at(`${name}.csr`);
}

describe('a TLS key', () => {
  beforeAll(async () => {
    await mine.createKey('deploy', 'tls');
    await requested('deploy');
    operator.issue('deploy.csr', 'client', 'deploy.pem');
  });

  test('has a certificate request that others read', () => {
    expect(runExports(['request', at('deploy.csr')])).toMatchObject({
      ok: true,
      facts: { subject: 'CN=test/host-1/deploy', uris: ['attestd://test/host-1/deploy'] },
    });
    expect(operator.openssl('req', '-in', 'deploy.csr', '-noout', '-verify', '-text')).toContain(
      'URI:attestd://test/host-1/deploy',
    );
  });

  test('shakes hands in TLS 1.3 as a client, from Go, over the socket', async () => {
    expect(
      await askExports(['handshake', host.socket, 'deploy', at('deploy.pem'), at('operator.pem')]),
    ).toEqual({
      ok: true,
      facts: { version: 'TLS 1.3', uris: ['attestd://test/host-1/deploy'] },
      reason: '',
    });
  });

  test('refuses the handshake of TLS 1.2, which has no context, and one of a key without its certificate', async () => {
    const old = await askExports([
      'handshake',
      host.socket,
      'deploy',
      at('deploy.pem'),
      at('operator.pem'),
      '1.2',
    ]);
    expect(old).toMatchObject({
      ok: false,
      reason: expect.stringContaining('/message is not the CertificateVerify'),
    });
    const other = await askExports([
      'handshake',
      host.socket,
      'release',
      at('deploy.pem'),
      at('operator.pem'),
    ]);
    expect(other.ok).toBe(false);
  });

  test.each([
    ['a server', concat(utf8(`${' '.repeat(64)}TLS 1.3, server CertificateVerify\0`), new Uint8Array(32))],
    [
      'an exported authenticator',
      concat(utf8(`${' '.repeat(64)}Exported Authenticator\0`), new Uint8Array(32)),
    ],
    ['a hash that is too short', concat(TLS_CLIENT_PREFIX, new Uint8Array(31))],
    ['a hash that is too long', concat(TLS_CLIENT_PREFIX, new Uint8Array(49))],
    ['a digest', new Uint8Array(32)],
    ['one space less', concat(TLS_CLIENT_PREFIX.subarray(1), new Uint8Array(32))],
    ['nothing', new Uint8Array()],
  ])('signs nothing for %s', async (_what, message) => {
    expect(await code(mine.sign('deploy', message))).toBe('INVALID_REQUEST');
  });

  test('signs both transcript hashes that there are', async () => {
    const { spki } = (await mine.keys()).find((k) => k.name === 'deploy') as { spki: string };
    expect(
      new X509Certificate(readFileSync(at('deploy.pem'))).publicKey
        .export({ type: 'spki', format: 'der' })
        .toString('base64'),
    ).toBe(spki);
    for (const size of [32, 48]) {
      const message = concat(TLS_CLIENT_PREFIX, new Uint8Array(size).fill(7));
      expect(holds(spki, message, await mine.sign('deploy', message))).toBe(true);
    }
  });
});
