/** What others' tools say of the evidence of a real daemon: tpm2-tools, OpenSSL, Go. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromBase64, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { parseBundle } from '../../src/evidence/bundle.ts';
import { printPem } from '../../src/evidence/certfile.ts';
import { parseSeal } from '../../src/evidence/seal.ts';
import { readStatement } from '../../src/evidence/statement.ts';
import { parseAttest } from '../../src/evidence/tpm/attest.ts';
import { parsePublic, publicSpki } from '../../src/evidence/tpm/public.ts';
import { parseCheckpoint } from '../../src/log/checkpoint.ts';
import { ECDSA, printVkey } from '../../src/log/keys.ts';
import { parseNote } from '../../src/log/note.ts';
import { parseProof } from '../../src/log/proof.ts';
import { printTilePath, tilesBetween } from '../../src/log/tile.ts';
import { runProgram } from '../kit/ctl.ts';
import { type EnrolledHost, makeEnrolledHost } from '../kit/enrolled.ts';
import { flip } from '../kit/forge.ts';
import { runPeer } from '../kit/go.ts';
import { until } from '../kit/host.ts';
import { get } from './http.ts';

let host: EnrolledHost;
let bundle: ReturnType<typeof parseBundle>;
let origin: string;
let genesis: Record<string, { public: string }>;
const at = (name: string) => host.at(name);
const write = (name: string, bytes: Uint8Array | string) => {
  writeFileSync(at(name), bytes);
  return at(name);
};
const pem = (label: string, der: Uint8Array) => printPem([{ label, der }]);

beforeAll(async () => {
  host = await makeEnrolledHost({ seal: ['published_ms = 100'] });
  await host.up();
  const id = await host.recorded('true');
  bundle = parseBundle(new Uint8Array(readFileSync(await host.bundle(id))));
  const statement = readStatement(fromBase64(bundle.genesis.entry));
  genesis = statement.predicate as unknown as typeof genesis;
  origin = statement.predicate.log;
});
afterAll(() => host?.remove());

describe('tpm2_checkquote', () => {
  let attest: Uint8Array;
  const check = (message: string, nonce: Uint8Array) =>
    runProgram(
      [
        'tpm2_checkquote',
        '-u',
        'ak.pem',
        '-m',
        message,
        '-s',
        'signature',
        '-g',
        'sha256',
        '-q',
        toHex(nonce),
      ],
      { cwd: host.dir },
    );

  beforeAll(() => {
    const { note } = parseProof(utf8(bundle.record.proof));
    const seals = parseNote(note).signatures.flatMap(({ signature }) => {
      try {
        return [parseSeal(signature)];
      } catch {
        return [];
      }
    });
    expect(seals).toHaveLength(1);
    const [seal] = seals as [ReturnType<typeof parseSeal>];
    attest = seal.attest;
    write('attest', attest);
    write('signature', seal.signature);
    write('ak.pem', pem('PUBLIC KEY', publicSpki(parsePublic(fromBase64(genesis.ak?.public ?? '')))));
  });

  test('accepts the quote of a bundle with its own extraData', async () => {
    const { status, stderr } = await check('attest', parseAttest(attest).extraData);
    expect([status, stderr]).toEqual([0, '']);
  });

  test('refuses it with another nonce, and with a changed byte', async () => {
    const { extraData } = parseAttest(attest);
    expect((await check('attest', flip(extraData, 3))).status).toBe(1);
    write('changed', flip(attest, -1));
    expect((await check('changed', extraData)).status).toBe(1);
  });
});

describe('openssl verify', () => {
  const openssl = (...args: string[]) => runProgram(['openssl', 'verify', ...args], { cwd: host.dir });
  const STRICT = ['-x509_strict', '-crl_check_all', '-no-CApath', '-no-CAstore'];

  beforeAll(() => {
    const [leaf, ...others] = bundle.chain.map((c) => pem('CERTIFICATE', fromBase64(c)));
    write('leaf.pem', leaf as string);
    write('others.pem', others.join(''));
    write('crl.pem', bundle.crls.map((c) => pem('X509 CRL', fromBase64(c))).join(''));
  });

  test('accepts the chain of the AK with its critical names, strictly and with revocation lists', async () => {
    const { status, stdout, stderr } = await openssl(
      ...STRICT,
      '-CAfile',
      'ca/root.pem',
      '-CRLfile',
      'crl.pem',
      'leaf.pem',
    );
    expect([status, stdout, stderr]).toEqual([0, 'leaf.pem: OK\n', '']);
    const text = execFileSync('openssl', ['x509', '-in', at('leaf.pem'), '-noout', '-text']).toString();
    expect(text).toMatch(/Subject Alternative Name: critical\s+.*URI:attestd:\/\/test\/host-1/);
  });

  test('refuses it under another root and after a changed byte', async () => {
    const self = ['-CAfile', 'vendor.pem', '-CRLfile', 'crl.pem', 'leaf.pem'];
    expect((await openssl(...STRICT, ...self)).status).toBe(2);
    const der = fromBase64(bundle.chain[0] as string);
    write('changed.pem', pem('CERTIFICATE', flip(der, -1)));
    const { status } = await openssl(
      ...STRICT,
      '-CAfile',
      'ca/root.pem',
      '-CRLfile',
      'crl.pem',
      'changed.pem',
    );
    expect(status).toBe(2);
  });

  test('refuses it without a list that says whether it is revoked', async () => {
    const { status } = await openssl('-x509_strict', '-crl_check', '-CAfile', 'ca/root.pem', 'leaf.pem');
    expect(status).toBe(2);
  });
});

describe('Go', () => {
  let note: Uint8Array;
  let vkey: string;
  const epoch = () => origin.split('/').at(-1) as string;
  const admin = async (path: string) => {
    const { status, body } = await get(at('admin.sock'), `/v1/log/${epoch()}/${path}`);
    expect([path, status]).toEqual([path, 200]);
    return body;
  };

  beforeAll(async () => {
    const key = publicSpki(parsePublic(fromBase64(genesis.recordKey?.public ?? '')));
    vkey = printVkey({ name: origin, type: ECDSA, key });
    for (let i = 0; i < 3; i++) await host.recorded('true');
    note = await until('a published checkpoint of several records', async () => {
      const body = new Uint8Array(await admin('checkpoint'));
      return parseCheckpoint(parseNote(body).text).size > 8 && body;
    });
    write('note', note);
    for (const tile of tilesBetween(0, parseCheckpoint(parseNote(note).text).size)) {
      const path = printTilePath(tile);
      mkdirSync(dirname(at(`tiles/${path}`)), { recursive: true });
      write(`tiles/${path}`, await admin(path));
    }
  });

  test('note.Open accepts the published checkpoint by its line of type 0x02, and no changed byte of it', () => {
    const { text } = parseNote(note);
    expect(runPeer(['note-open', vkey, at('note')])).toMatchObject({
      ok: true,
      facts: { text, verified: 1, unverified: 1 },
    });
    const line = fromUtf8(note).lastIndexOf('\u2014');
    const last = Buffer.from(fromUtf8(note).slice(0, line)).length;
    for (const i of [0, text.length - 2, last + 30, note.length - 20]) {
      write('changed', flip(note, i));
      expect([i, runPeer(['note-open', vkey, at('changed')]).ok]).toEqual([i, false]);
    }
  });

  test('package tlog computes its root from the tiles and entries of the daemon', () => {
    const { size } = parseCheckpoint(parseNote(note).text);
    expect(runPeer(['tiles', vkey, at('tiles'), at('note')])).toMatchObject({
      ok: true,
      facts: { origin, size },
    });
    const path = `tiles/tile/entries/000.p/${size}`;
    const good = readFileSync(at(path));
    write(path, flip(good, 100));
    expect(runPeer(['tiles', vkey, at('tiles'), at('note')]).ok).toBe(false);
    write(path, good);
  });

  test('the proof in a bundle leads to its checkpoint', () => {
    const entry = fromBase64(bundle.record.entry);
    write('proof', bundle.record.proof);
    write('entry', entry);
    expect(runPeer(['proof', '-', at('proof'), at('entry')])).toMatchObject({ ok: true, facts: { origin } });
    write('entry', flip(entry, 50));
    expect(runPeer(['proof', '-', at('proof'), at('entry')]).ok).toBe(false);
  });
});
