/** Timestamp tokens: those of real authorities, one broken rule at a time, and openssl on the other side. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import * as pkijs from 'pkijs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { isAttestdError } from '../../src/core/errors.ts';
import { printPem, readCertificates } from '../../src/evidence/certfile.ts';
import {
  parseTimestampResponse,
  printTimestampRequest,
  timestampNonce,
} from '../../src/evidence/timestamp/exchange.ts';
import { parseToken } from '../../src/evidence/timestamp/token.ts';
import { type Certificate, parseCertificate } from '../../src/evidence/x509/certificate.ts';
import { parseCrl } from '../../src/evidence/x509/crl.ts';
import { verifySignature } from '../../src/evidence/x509/signature.ts';
import {
  judgeToken,
  type TimestampAuthority,
  type TokenFault,
  type TokenQuestion,
} from '../../src/verify/timestamp.ts';
import { runs } from '../fuzz/runs.ts';
import {
  type Issued,
  issue,
  keyPair,
  makeCrl,
  name,
  oid,
  sequence,
  tlv,
  type Wish,
} from '../kit/authority.ts';
import { flip } from '../kit/forge.ts';
import { createMemo } from '../kit/memo.ts';
import { makeToken, makeTsa, signerWish, type TokenWish, type Tsa } from '../kit/timestamp.ts';

const ROOT = new URL('../vectors/rfc3161/', import.meta.url);
const file = (path: string) => new Uint8Array(readFileSync(new URL(path, ROOT)));
const tokenOf = (path: string) => parseTimestampResponse(file(path)).token as Uint8Array;
const T = Date.UTC(2026, 5, 1, 12);
const MESSAGE = utf8('a seal');
let tsa: Tsa;
let dir: string;
beforeAll(async () => {
  tsa = await makeTsa();
  dir = mkdtempSync(join(tmpdir(), 'attestd-tsa-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const authority = (
  chain: readonly Certificate[],
  more: Partial<TimestampAuthority> = {},
): TimestampAuthority => ({
  root: chain.at(-1) as Certificate,
  certificates: chain.slice(0, -1),
  ...more,
});
const ask = (token: Uint8Array, over: Partial<TokenQuestion> = {}) =>
  judgeToken({
    token,
    message: MESSAGE,
    authorities: [authority([tsa.root.certificate])],
    crls: [],
    verify: verifySignature,
    ...over,
  });

describe('tokens of real authorities', () => {
  const chain = (path: string) => readCertificates(file(path)).map(parseCertificate);
  const sigstage = (path: string, over: Partial<TokenQuestion> = {}) =>
    ask(tokenOf(path), {
      message: utf8('hello'),
      authorities: [authority(chain('sigstage/ts_chain.pem'))],
      ...over,
    });

  test('sigstage: over hello, by its chain, at its time', async () => {
    const verdict = await sigstage('sigstage/response-sha256.tsr');
    expect(verdict).toMatchObject({
      ok: true,
      time: { genTime: Date.UTC(2025, 4, 9, 11, 58, 55), latest: Date.UTC(2025, 4, 9, 11, 58, 56) },
    });
  });
  test('sigstage: a broken signature, another message and another root are refused', async () => {
    expect(await sigstage('sigstage/response-invalid-signature.tsr')).toMatchObject({
      fault: 'timestamp-signature',
    });
    expect(await sigstage('sigstage/response-sha256.tsr', { message: utf8('hallo') })).toMatchObject({
      fault: 'timestamp-imprint',
    });
    const other = [authority(chain('test_tsa/ts_chain.pem'))];
    expect(await sigstage('sigstage/response-sha256.tsr', { authorities: other })).toMatchObject({
      ok: false,
      fault: 'timestamp-path-issuer-missing',
    });
  });

  test('test_tsa: SHA-512, and the nonce and policy that were asked for', async () => {
    const over = { message: utf8('hello'), authorities: [authority(chain('test_tsa/ts_chain.pem'))] };
    const token = tokenOf('test_tsa/response.tsr');
    const { nonce, imprint, policy } = parseToken(token).info;
    expect([toHex(nonce ?? new Uint8Array()), imprint.hash, policy]).toEqual([
      '36a44f9f4a391fd3',
      'SHA-512',
      '1.3.6.1.4.1.57264.2',
    ]);
    expect(await ask(token, { ...over, nonce: fromHex('36a44f9f4a391fd3'), policy })).toMatchObject({
      ok: true,
    });
    expect(await ask(token, { ...over, nonce: fromHex('36a44f9f4a391fd4') })).toMatchObject({
      fault: 'timestamp-nonce',
    });
    expect(await ask(token, { ...over, policy: '1.1' })).toMatchObject({ fault: 'timestamp-policy' });
    // The request holds the same nonce and digest.
    const request = toHex(file('test_tsa/request.der'));
    expect(request).toContain('36a44f9f4a391fd3');
    expect(request).toContain(toHex(imprint.digest));
  });

  type Case = {
    signature: string;
    expected: 'ok' | 'fail';
    authorities: { certificates: string[]; start?: string; end?: string }[];
  };
  const cases = Object.entries(
    JSON.parse(new TextDecoder().decode(file('sigstore/cases.json'))) as Record<string, Case>,
  );
  const faults: Record<string, TokenFault> = {
    'rekor2-timestamp-outside-trust-root-tsa-validity_fail': 'timestamp-period',
    'rekor2-timestamp-payload-mismatch_fail': 'timestamp-imprint',
    'rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail': 'timestamp-signer-missing',
  };
  test.each(cases)('%s', async (id, { signature, authorities, expected }) => {
    const verdict = await ask(tokenOf(`sigstore/${id}_0.tsr`), {
      message: new Uint8Array(Buffer.from(signature, 'base64')),
      authorities: authorities.map((a) =>
        authority(
          a.certificates.map((c) => parseCertificate(new Uint8Array(Buffer.from(c, 'base64')))),
          {
            ...(a.start === undefined ? {} : { from: Date.parse(a.start) }),
            ...(a.end === undefined ? {} : { until: Date.parse(a.end) }),
          },
        ),
      ),
    });
    expect(verdict.ok ? 'ok' : 'fail').toBe(expected);
    if (!verdict.ok) expect(verdict.fault).toBe(faults[id]);
  });

  test('pkijs reads the same content, and would have taken what we refuse', async () => {
    const token = tokenOf('sigstage/response-sha256.tsr');
    const data = new pkijs.SignedData({ schema: pkijs.ContentInfo.fromBER(token.slice().buffer).content });
    const theirs = pkijs.TSTInfo.fromBER(
      data.encapContentInfo.eContent?.valueBlock.valueHexView.slice().buffer as ArrayBuffer,
    );
    expect(theirs.genTime.getTime()).toBe(parseToken(token).info.genTime);
    expect(toHex(new Uint8Array(theirs.messageImprint.hashedMessage.valueBlock.valueHexView))).toBe(
      createHash('sha256').update('hello').digest('hex'),
    );
  });
});

test('a token as it should be is accepted by us and by openssl', async () => {
  const token = await makeToken(tsa.signer, MESSAGE, { genTime: T + 250, accuracy: 2, tsaName: name('tsa') });
  expect(await ask(token)).toMatchObject({ ok: true, time: { genTime: T + 250, latest: T + 2250 } });
  writeFileSync(join(dir, 'token.der'), token);
  writeFileSync(join(dir, 'message'), MESSAGE);
  writeFileSync(join(dir, 'root.pem'), printPem([{ label: 'CERTIFICATE', der: tsa.root.certificate.der }]));
  const args = [
    '-in',
    'token.der',
    '-token_in',
    '-data',
    'message',
    '-CAfile',
    'root.pem',
    '-attime',
    String(T / 1000),
  ];
  expect(execFileSync('openssl', ['ts', '-verify', ...args], { cwd: dir, stdio: 'pipe' }).toString()).toMatch(
    /OK/,
  );
});

describe('a token is refused when', () => {
  const at = { genTime: T };
  const by = (change: (w: Wish) => Wish) => async (): Promise<Uint8Array> =>
    makeToken(await issue(change(signerWish(tsa.root))), MESSAGE, at);
  const purposes = (critical: boolean, ...list: string[]) =>
    by((w) => ({ ...w, extensions: [{ oid: '2.5.29.37', critical, value: sequence(...list.map(oid)) }] }));
  const own = (wish: Partial<TokenWish>) => () => makeToken(tsa.signer, MESSAGE, { ...at, ...wish });
  const STAMPING = '1.3.6.1.5.5.7.3.8';
  const critical = sequence(
    sequence(oid('1.2.3.4'), tlv(1, Uint8Array.of(255)), tlv(4, Uint8Array.of(5, 0))),
  ).subarray(2);

  const rows: [string, () => Promise<Uint8Array>, TokenFault, Partial<TokenQuestion>?][] = [
    ['a certificate for TLS servers signed it', purposes(true, '1.3.6.1.5.5.7.3.1'), 'timestamp-purpose'],
    [
      'its certificate is for TLS servers as well',
      purposes(true, STAMPING, '1.3.6.1.5.5.7.3.1'),
      'timestamp-purpose',
    ],
    [
      'its certificate is for timestamps, but not critically so',
      purposes(false, STAMPING),
      'timestamp-purpose',
    ],
    ['its certificate names no purpose', by(({ extensions: _, ...w }) => w), 'timestamp-purpose'],
    ['its certificate is for anything', purposes(true, '2.5.29.37.0'), 'timestamp-purpose'],
    ['its certificate is a CA', by((w) => ({ ...w, ca: {}, keyUsage: 0x80 })), 'timestamp-usage'],
    ['its key may sign certificates', by((w) => ({ ...w, keyUsage: 0x84 })), 'timestamp-usage'],
    ['its key may encipher', by((w) => ({ ...w, keyUsage: 0xa0 })), 'timestamp-usage'],
    [
      'its certificate had expired',
      by((w) => ({ ...w, notAfter: T - 1000 })),
      'timestamp-path-not-valid-then',
    ],
    [
      'its certificate was not valid yet',
      by((w) => ({ ...w, notBefore: T + 1000 })),
      'timestamp-path-not-valid-then',
    ],
    [
      'its certificate has a critical extension that is not understood',
      by((w) => ({
        ...w,
        extensions: [...(w.extensions ?? []), { oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }],
      })),
      'timestamp-path-critical-extension',
    ],
    ['it names another authority than its certificate', own({ tsaName: name('another') }), 'timestamp-name'],
    ['the root is another', own({}), 'timestamp-path-issuer-missing', { authorities: [] }],
    [
      'it carries a certificate that is not on the path',
      async () =>
        makeToken(tsa.signer, MESSAGE, {
          ...at,
          certificates: [tsa.signer.certificate.der, (await issue({ subject: 'stray' })).certificate.der],
        }),
      'timestamp-certificates',
    ],
    ['the certificate of the signer is not at hand', own({ certificates: [] }), 'timestamp-signer-missing'],
    [
      'the signed attributes vouch for another certificate',
      async () => makeToken(tsa.signer, MESSAGE, { ...at, vouchedFor: tsa.root.certificate.der }),
      'timestamp-signing-certificate',
    ],
    [
      'the signed attributes vouch for none',
      own({ attributes: (l) => l.slice(0, 2) }),
      'timestamp-signing-certificate',
    ],
    ['the content type is not signed', own({ attributes: (l) => l.slice(1) }), 'timestamp-attributes'],
    [
      'the digest is not signed',
      own({ attributes: (l) => [l[0], l[2]] as Uint8Array[] }),
      'timestamp-attributes',
    ],
    [
      'the signed digest is another',
      own({
        attributes: (l) =>
          [
            l[0],
            sequence(oid('1.2.840.113549.1.9.4'), tlv(0x31, tlv(4, new Uint8Array(32)))),
            l[2],
          ] as Uint8Array[],
      }),
      'timestamp-digest',
    ],
    [
      'an attribute stands twice',
      own({ attributes: (l) => [l[0], ...l] as Uint8Array[] }),
      'timestamp-malformed',
    ],
    [
      'it has unsigned attributes',
      own({ unsigned: tlv(0xa1, sequence(oid('1.2.3'), tlv(0x31, tlv(5)))) }),
      'timestamp-malformed',
    ],
    [
      'the signature is by another key',
      async () => makeToken({ ...tsa.signer, keys: await keyPair() }, MESSAGE, at),
      'timestamp-signature',
    ],
    [
      'the signature is with SHA-1',
      own({ algorithm: sequence(oid('1.2.840.10045.4.1')) }),
      'timestamp-algorithm',
    ],
    ['it is over something else', own({ imprint: new Uint8Array(32) }), 'timestamp-imprint'],
    ['its content is no TSTInfo', own({ contentType: '1.2.840.113549.1.7.1' }), 'timestamp-malformed'],
    ['its content has a critical extension', own({ extensions: critical }), 'timestamp-critical-extension'],
    [
      'its content is of version 2',
      own({
        info: (i) => {
          const c = i.slice();
          c[4] = 2;
          return c;
        },
      }),
      'timestamp-malformed',
    ],
    [
      'it answers another request',
      own({ nonce: Uint8Array.of(1, 2) }),
      'timestamp-nonce',
      { nonce: Uint8Array.of(1, 3) },
    ],
    ['it answers no request of ours', own({}), 'timestamp-nonce', { nonce: Uint8Array.of(1, 3) }],
  ];
  test.each(rows)('%s', async (_, make, fault, over = {}) => {
    expect(await ask(await make(), over)).toMatchObject({ ok: false, fault });
  });

  const crl = async (issuer: Issued, entry?: { at: number; reason?: number }, thisUpdate = T + 1) => {
    const serial = tsa.signer.certificate.serial;
    return parseCrl(await makeCrl(issuer, entry === undefined ? [] : [{ serial, ...entry }], thisUpdate));
  };
  test('its certificate had been revoked; a later revocation for another reason leaves it', async () => {
    const token = await makeToken(tsa.signer, MESSAGE, at);
    const judged = async (entry: { at: number; reason?: number }) =>
      ask(token, { crls: [await crl(tsa.root, entry)] });
    expect(await judged({ at: T })).toMatchObject({ fault: 'timestamp-revoked' });
    expect(await judged({ at: T + 60_000, reason: 4 })).toMatchObject({ ok: true });
    expect(await judged({ at: T + 60_000, reason: 1 })).toMatchObject({ fault: 'timestamp-revoked' });
  });
  test('the period in which the auditor believes its authority is over, or has not begun', async () => {
    const token = await makeToken(tsa.signer, MESSAGE, at);
    const period = (more: Partial<TimestampAuthority>) =>
      ask(token, { authorities: [authority([tsa.root.certificate], more)] });
    expect(await period({ until: T - 1 })).toMatchObject({ fault: 'timestamp-period' });
    expect(await period({ from: T + 1 })).toMatchObject({ fault: 'timestamp-period' });
    expect(await period({ from: T, until: T })).toMatchObject({ ok: true });
  });
});

describe('bytes', () => {
  test('no byte of a token changes without its being refused', async () => {
    const token = await makeToken(tsa.signer, MESSAGE, {
      genTime: T + 250,
      accuracy: 2,
      nonce: Uint8Array.of(1, 2),
    });
    const { verify } = createMemo();
    expect(await ask(token, { verify })).toMatchObject({ ok: true });
    const passed: number[] = [];
    for (let i = 0; i < token.length; i++) {
      if ((await ask(flip(token, i), { verify })).ok) passed.push(i);
    }
    expect(passed).toEqual([]);
  });
  test('whatever the bytes, the verdict comes without a throw, and so do the readers of answers', () => {
    const seed = tokenOf('sigstage/response-sha256.tsr');
    const response = file('sigstage/response-sha256.tsr');
    const edits = fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 4 });
    return fc.assert(
      fc.asyncProperty(edits, fc.uint8Array({ maxLength: 120 }), async (list, noise) => {
        const changed = seed.slice();
        const answer = response.slice();
        for (const [i, v] of list) {
          changed[i] = v;
          answer[i] = v;
        }
        for (const bytes of [changed, noise]) await ask(bytes, { verify: async () => true });
        for (const bytes of [answer, noise]) {
          try {
            parseTimestampResponse(bytes);
          } catch (e) {
            if (!isAttestdError(e)) throw e;
          }
        }
      }),
      { numRuns: runs(500) },
    );
  });
  test('openssl reads the request that we write', () => {
    const digest = new Uint8Array(createHash('sha256').update(MESSAGE).digest());
    const nonce = timestampNonce(fromHex('ff000102030405060708090a0b0c0d0e'));
    writeFileSync(
      join(dir, 'request.der'),
      printTimestampRequest(digest, fromHex('ff000102030405060708090a0b0c0d0e')),
    );
    const text = execFileSync('openssl', ['ts', '-query', '-in', 'request.der', '-text'], {
      cwd: dir,
      stdio: 'pipe',
    }).toString();
    expect(text).toMatch(/Hash Algorithm: sha256/);
    expect(text).toMatch(/Certificate required: yes/);
    expect(text.toLowerCase()).toContain(`0x${toHex(nonce)}`);
  });
  test('an answer that grants nothing has no token', () => {
    const rejection = Uint8Array.of(0x30, 5, 0x30, 3, 2, 1, 2);
    expect(parseTimestampResponse(rejection)).toEqual({ status: 2 });
    expect(() => parseTimestampResponse(Uint8Array.of(0x30, 5, 0x30, 3, 2, 1, 0))).toThrow(/granted/);
  });
});
