/** What the authority refuses, one row per fault of a file: everything else that the host shows holds. */
import type { Condition } from '../../../src/ca/condition.ts';
import { ALG_SHA384 } from '../../../src/evidence/tpm/algorithm.ts';
import { type AttributeName, readAttributes } from '../../../src/evidence/tpm/attributes.ts';
import type { TpmPublic } from '../../../src/evidence/tpm/public.ts';
import { xorLast } from '../desk.ts';
import { NOW, type Wishes } from '../fakehost.ts';

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

export type Row = readonly [what: string, wishes: Wishes, condition: Condition];

/** Each attribute of each key the other way. */
export const ATTRIBUTE_ROWS: readonly Row[] = (['ek', 'storage', 'ak'] as const).flatMap((key) => [
  ...ATTRIBUTES.filter((a) => key !== 'ek' || a !== 'userWithAuth').map(
    (a): Row => [`${key}: ${a} the other way`, { [key]: flip(a) }, `${key}-attributes.${a}`],
  ),
  [`${key}: a reserved bit`, { [key]: reserved }, `${key}-attributes.reserved`],
]);

const area = (key: 'ek' | 'storage' | 'ak', change: (p: TpmPublic) => TpmPublic): Wishes => ({
  [key]: change,
});

/** Faults of a request. */
export const REQUEST_ROWS: readonly Row[] = [
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
    'the EK certificate has no purpose, and its key may sign as well',
    { ekCertificate: { without: ['2.5.29.37'], keyUsage: 0xa0 } },
    'ek-certificate-purpose',
  ],
  [
    'the EK certificate has no purpose, and its key usage is not critical',
    { ekCertificate: { without: ['2.5.29.37'], uncritical: ['2.5.29.15'] } },
    'ek-certificate-purpose',
  ],
  [
    'the EK certificate has no key usage',
    { ekCertificate: { without: ['2.5.29.15'] } },
    'ek-certificate-usage',
  ],
  [
    'the EK certificate is of a key that signs, as a certificate of an AK is',
    { ekCertificate: { keyUsage: 0x80 } },
    'ek-certificate-usage',
  ],
  [
    'bytes that are no padding follow the EK certificate',
    {
      request: (r) => ({
        ...r,
        ek: { ...r.ek, certificate: Uint8Array.of(...(r.ek.certificate ?? []), 0xff, 0x01) },
      }),
    },
    'ek-certificate-malformed',
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

/** Faults of a response to a good challenge. */
export const RESPONSE_ROWS: readonly Row[] = [
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
