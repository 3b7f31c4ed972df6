/**
 * Forged chains. Each row is evidence in which everything holds but one thing; it is rejected by one check alone, with
 * a code of its own: the id of the check and the word for the condition. What the enrolment authority refuses is in
 * test/ca/vectors, one code per condition.
 */
import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import { EKU_EK, POLICY_SOFTWARE_TPM } from '../../src/evidence/akprofile.ts';
import { judge } from '../../src/verify/judge.ts';
import { got } from '../../src/verify/outcome.ts';
import { parseTrust } from '../../src/verify/trust.ts';
import { ATTRIBUTE_ROWS, REQUEST_ROWS, RESPONSE_ROWS } from '../ca/vectors/rows.ts';
import { STEPS } from '../ca/vectors/steps.ts';
import {
  type Issued,
  issue,
  type Keys,
  keyPair,
  makeCrl,
  oid,
  sequence,
  tlv,
  type Wish,
} from '../kit/authority.ts';
import { forge } from '../kit/forge.ts';
import { type Hooks, T0, type World } from '../kit/hooks.ts';
import { makeToken, signerWish, type TokenWish } from '../kit/timestamp.ts';
import { believing, chained, STAMPED, stamped } from './vectors/timestamp.ts';

let sub: Keys;
let server: Keys;
let weak: Keys;
beforeAll(async () => {
  [sub, server] = await Promise.all([keyPair(), keyPair()]);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
  weak = { ...sub, spki: new Uint8Array(rsa.export({ format: 'der', type: 'spki' })) };
});

const serial = Uint8Array.of(0x61, 0x62);
const OF_PATH = ['ak-certificate-validity', 'ak-certificate-revocation', 'assurance'];
const OF_TIME = ['ak-certificate-validity'];

/** The intermediate otherwise than it should be; the leaf is signed by the same key. */
const between = (wish: (w: World) => Partial<Wish>): Hooks => ({
  chain: async ([leaf], w) => {
    const usual = { issuer: w.root, subject: 'middle', key: w.middle.keys, ca: {} };
    return [leaf as Uint8Array, (await issue({ ...usual, ...wish(w) })).certificate.der];
  },
});
const leaf = (wish: Partial<Wish>): Hooks => ({ certificate: (c) => ({ ...c, ...wish }) });
const extension = (id: string, value: Uint8Array) => ({ extensions: [{ oid: id, critical: true, value }] });
/** A bundle whose timestamp is made by another signer or otherwise. */
const token = (signer: (w: World) => Promise<Issued>, wish: Partial<TokenWish> = {}): Hooks => ({
  trust: believing,
  timestamps: async ({ seal }, w) => [
    { token: await makeToken(await signer(w), seal, { genTime: STAMPED, ...wish }) },
  ],
});
const signer = (wish: Partial<Wish>) => async (w: World) => issue({ ...signerWish(w.tsa.root), ...wish });
const later = (hooks: Hooks): Hooks => ({ ...chained, ...hooks });
const revoked = (entry: { at: number; reason?: number }): Hooks => ({
  ...leaf({ serial }),
  crls: async (l, w) => [await makeCrl(w.middle, [{ serial, ...entry }]), ...l.slice(1)],
});

type Row = readonly [code: string, what: string, hooks: () => Hooks, blocked?: readonly string[]];
const ROWS: readonly Row[] = [
  [
    'ak-certificate-path/issuer-missing',
    'the intermediate is left out',
    () => ({ chain: (c) => c.slice(0, 1) }),
    OF_PATH,
  ],
  [
    'ak-certificate-path/bad-signature',
    'the certificate is signed by another key of the same name',
    () => ({ certificate: (c, w) => ({ ...c, issuer: { name: 'middle', keys: w.ak } }) }),
    OF_PATH,
  ],
  [
    'ak-certificate-path/issuer-not-ca',
    'an end-entity certificate issued it',
    () => between(() => ({ ca: undefined }) as unknown as Partial<Wish>),
    OF_PATH,
  ],
  [
    'ak-certificate-path/issuer-usage',
    'the issuer may sign lists only',
    () => between(() => ({ keyUsage: 0x02 })),
    OF_PATH,
  ],
  [
    'ak-certificate-path/issuer-purpose',
    'the issuer is an authority for TLS',
    () => between(() => ({ purposes: ['1.3.6.1.5.5.7.3.1'] })),
    OF_PATH,
  ],
  [
    'ak-certificate-path/path-length',
    'one authority more than the issuer may have below it',
    () => ({
      certificate: (c) => ({ ...c, issuer: { name: 'sub', keys: sub } }),
      chain: async (c, w) => [
        c[0] as Uint8Array,
        (await issue({ issuer: w.middle, subject: 'sub', key: sub, ca: {} })).certificate.der,
        c[1] as Uint8Array,
      ],
    }),
    OF_PATH,
  ],
  [
    'ak-certificate-path/critical-extension',
    'a critical extension that nobody understands',
    () => leaf(extension('1.2.3.4', Uint8Array.of(5, 0))),
    OF_PATH,
  ],
  [
    'ak-certificate-path/name-constraints',
    'the issuer may speak for another fleet only',
    () => between(() => extension('2.5.29.30', sequence(tlv(0xa0, sequence(tlv(0x86, utf8('other'))))))),
    OF_PATH,
  ],
  [
    'ak-certificate-path/weak-key',
    'the issuer has an RSA key of 1024 bits',
    () => between(() => ({ key: weak })),
    OF_PATH,
  ],
  [
    'ak-certificate-path/weak-signature',
    'the certificate is signed with SHA-1',
    () => leaf({ algorithm: sequence(oid('1.2.840.10045.4.1')) }),
    OF_PATH,
  ],
  [
    'ak-certificate-path/spare-certificate',
    'the bundle carries a certificate of no path',
    () => ({
      chain: async (c, w) => [
        ...c,
        (await issue({ issuer: w.root, subject: 'spare', ca: {} })).certificate.der,
      ],
    }),
  ],
  [
    'ak-certificate-encoding',
    'the certificate is not DER',
    () => leaf({ extensions: [{ oid: '2.5.29.31', value: Uint8Array.of(0x30, 0x81, 0) }] }),
  ],
  [
    'ak-certificate-validity/expired',
    'the certificate had expired when the seal was made',
    () => leaf({ notAfter: T0 - 1000 }),
  ],
  [
    'ak-certificate-validity/not-yet-valid',
    'the certificate was not valid yet',
    () => leaf({ notBefore: T0 + 3_600_000 }),
  ],
  [
    'ak-certificate-usage/extended-key-usage',
    'an endorsement certificate stands in its place',
    () => leaf({ purposes: [EKU_EK] }),
  ],
  ['ak-certificate-usage/key-usage', 'key usage is missing', () => leaf({ without: ['2.5.29.15'] })],
  [
    'ak-certificate-usage/basic-constraints',
    'the certificate is a CA',
    () => leaf({ ca: {}, keyUsage: 0x80 }),
  ],
  [
    'ak-certificate-usage/names-not-critical',
    'the subject is empty and the alternative names are not critical',
    () => leaf({ sanCritical: false }),
  ],
  [
    'ak-certificate-host/another-host',
    'the certificate is of another host',
    () => leaf({ uris: ['attestd://fleet/host-2'] }),
  ],
  [
    'ak-certificate-host/host-not-trusted',
    'the auditor names other hosts',
    () => ({ trust: (t) => ({ ...t, hosts: ['attestd://fleet/host-11'] }) }),
  ],
  ['ak-certificate-revocation/revoked', 'the certificate had been revoked', () => revoked({ at: T0 - 1000 })],
  [
    'ak-certificate-revocation/compromised',
    'its key was compromised later, and only the host says when the seal was made',
    () => revoked({ at: T0 + 86_400_000, reason: 1 }),
  ],
  [
    'ak-certificate-revocation/list-unsigned',
    'the list is signed by nobody on the path',
    () => ({ crls: async (l, w) => [...l, await makeCrl({ name: 'middle', keys: w.other }, [])] }),
  ],
  [
    'assurance/software-certificate',
    'a software root passed off as hardware',
    () => ({ certificate: (c) => ({ ...c, policies: [...(c.policies ?? []), POLICY_SOFTWARE_TPM] }) }),
  ],
  [
    'assurance/software-keys',
    'software keys under a root for hardware',
    () => ({ genesis: (g) => ({ ...g, assurance: 'software' }) }),
  ],
  [
    'path-keys',
    'keys of a kind that the auditor does not allow',
    () => ({ trust: (t) => ({ ...t, keys: ['EC P-384'] }) }),
  ],
  [
    'seal-signature',
    'the seal is signed by another key than the certified one',
    () => ({ sealKey: (_, w) => w.other }),
  ],
  [
    'timestamp/timestamp-purpose',
    'a certificate for TLS servers stamped it',
    () => token(signer({ key: server, ...extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))) })),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-usage',
    'the signer of the timestamp is a CA',
    () => token(signer({ ca: {}, keyUsage: 0x80 })),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-path-not-valid-then',
    'the signer of the timestamp had expired',
    () => token(signer({ notAfter: STAMPED - 1000 })),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-path-critical-extension',
    'the signer of the timestamp has an unknown critical extension',
    () =>
      token(async (w) =>
        issue({
          ...signerWish(w.tsa.root),
          extensions: [
            ...(signerWish(w.tsa.root).extensions ?? []),
            ...extension('1.2.3.4', Uint8Array.of(5, 0)).extensions,
          ],
        }),
      ),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-path-bad-signature',
    'the signer of the timestamp is certified by another key of the same name',
    () => token(async () => issue(signerWish({ ...(await issue({ subject: 'tsa root', ca: {} })) }))),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-path-issuer-missing',
    'the timestamp is of an authority that the auditor does not believe',
    () => token(async () => issue(signerWish(await issue({ subject: 'stranger', ca: {} })))),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-imprint',
    'the timestamp is over another seal',
    () => stamped({ imprint: new Uint8Array(32) }),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-digest',
    'the signed digest is not that of the content',
    () =>
      stamped({
        attributes: (l) =>
          [
            l[0],
            sequence(oid('1.2.840.113549.1.9.4'), tlv(0x31, tlv(4, new Uint8Array(32)))),
            l[2],
          ] as Uint8Array[],
      }),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-attributes',
    'the content type is not signed',
    () => stamped({ attributes: (l) => l.slice(1) }),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-signing-certificate',
    'the signer does not vouch for its certificate',
    () => stamped({ attributes: (l) => l.slice(0, 2) }),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-signer-missing',
    'the certificate of the signer is left out',
    () => stamped({ certificates: [] }),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-algorithm',
    'the timestamp is signed with SHA-1',
    () => stamped({ algorithm: sequence(oid('1.2.840.10045.4.1')) }),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-signature',
    'the timestamp is signed by another key',
    () => token(async (w) => ({ ...w.tsa.signer, keys: server })),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-malformed',
    'the timestamp has attributes that nobody signed',
    () => stamped({ unsigned: tlv(0xa1, sequence(oid('1.2.3'), tlv(0x31, tlv(5)))) }),
    OF_TIME,
  ],
  [
    'timestamp/timestamp-period',
    'the authority is believed for another time',
    () => ({
      ...stamped(),
      trust: (t, w) => {
        const b = believing(t, w);
        const root = toBase64(w.tsa.root.certificate.der);
        return {
          ...b,
          timestamps: { authorities: [{ root, until: '2026-05-01T00:00:00.000Z' }], required: 1 },
        };
      },
    }),
    OF_TIME,
  ],
  [
    'timestamp/later-seal-clock',
    'the stamped seal is older by the clock of the TPM',
    () => later({ laterQuote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, clock: 10n } }) }),
    OF_TIME,
  ],
  [
    'timestamp/later-seal-order',
    'the stamped seal has a smaller number',
    () => later({ laterHeader: (h) => ({ ...h, seq: 2 }) }),
    OF_TIME,
  ],
  [
    'timestamp/later-seal-quote',
    'the stamped seal is no quote',
    () => later({ laterQuote: (q) => ({ ...q, magic: 1 }) }),
    OF_TIME,
  ],
];

describe('each is rejected by one check alone, with its own code', () => {
  const rows = ROWS.map(([code, what, hooks, blocked = []]) => [code, what, hooks, blocked] as const);
  test.each(rows)('%s: %s', async (code, _, hooks, blocked) => {
    const { raw, trust } = await forge(hooks());
    const report = await judge(got(raw), parseTrust(utf8(JSON.stringify(trust))));
    const failed = report.checks.filter((c) => c.status === 'fail');
    const said = report.checks.filter((c) => c.status !== 'pass').map((c) => `${c.id}: ${c.sentence}`);
    const codes = failed.map((c) => (c.fault === undefined ? c.id : `${c.id}/${c.fault}`));
    expect(codes, said.join('\n')).toEqual([code]);
    const unknown = report.checks.filter((c) => c.status === 'unknown').map((c) => c.id);
    expect(unknown.sort(), said.join('\n')).toEqual([...blocked].sort());
    expect(report.verdict).toBe('rejected');
  });
});

/** What the authority refuses, by the one code that each must have; test/ca runs every row, and takes no other for it. */
const AUTHORITY: readonly string[] = [
  'ek-certificate-key',
  'ek-certificate-missing',
  'ek-certificate-malformed',
  'ek-certificate-purpose',
  'ek-certificate-usage',
  'ek-certificate-ca',
  'ek-chain',
  'ek-revoked',
  'ek-auth-policy',
  'ek-scheme',
  'software-tpm',
  'ak-kind',
  'ak-scheme',
  'ak-name-algorithm',
  'ak-auth-policy',
  'creation-name',
  'creation-parent',
  'creation-hierarchy',
  'creation-signature',
  'creation-extra-data',
  'response-mac',
  'response-request',
  'challenge-unknown',
  'CHALLENGE_USED',
  'CHALLENGE_EXPIRED',
  'quote-signature',
  'quote-signer',
  'quote-extra-data',
  'quote-pcrs',
  'ek-has-live-ak',
  'ek-bound-to-other-host',
  'name-has-other-ek',
];

test('there are forty of them, no two with one code, and the authority refuses its own', () => {
  const codes = ROWS.map(([code]) => code);
  expect(new Set(codes).size).toBe(codes.length);
  expect(codes.length).toBeGreaterThanOrEqual(40);
  const refused = new Set<string>([
    ...[...REQUEST_ROWS, ...RESPONSE_ROWS].map(([, , condition]) => condition),
    ...STEPS.map(({ code }) => code),
  ]);
  expect(AUTHORITY.filter((code) => !refused.has(code))).toEqual([]);
  // And each attribute of each key: the AK without any one that it must have, or with one that it must not.
  const attributes = ATTRIBUTE_ROWS.map(([, , condition]) => condition);
  expect(new Set(attributes).size).toBe(attributes.length);
  for (const a of [
    'fixedTPM',
    'fixedParent',
    'sensitiveDataOrigin',
    'userWithAuth',
    'noDA',
    'restricted',
    'sign',
  ])
    expect(attributes).toContain(`ak-attributes.${a}`);
});
