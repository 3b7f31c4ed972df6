/**
 * One rule broken at a time. Each vector names the one check that must not pass; all other checks either pass or are
 * named in `blocked`, because what they need is what the vector broke.
 */
import { toBase64, utf8 } from '../../src/core/bytes.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { jcsBytes } from '../../src/core/json.ts';
import { EKU_EK, POLICY_SOFTWARE_TPM } from '../../src/evidence/akprofile.ts';
import { freshExtraData } from '../../src/evidence/binding.ts';
import { makeDisclosure } from '../../src/evidence/disclosure.ts';
import { makeEntry, parseEntry } from '../../src/evidence/dsse.ts';
import { sealKeyId } from '../../src/evidence/seal.ts';
import { ALG_SHA1 } from '../../src/evidence/tpm/algorithm.ts';
import { ATTEST_NV, ATTEST_QUOTE } from '../../src/evidence/tpm/attest.ts';
import { makeAttributes } from '../../src/evidence/tpm/attributes.ts';
import { makeNvAttributes, NT_COUNTER, NT_ORDINARY } from '../../src/evidence/tpm/nv.ts';
import { issue, makeCrl } from '../kit/authority.ts';
import { flip, type Hooks, PCRS, pcrValue } from '../kit/forge.ts';

export interface Vector {
  readonly id: string;
  readonly name: string;
  /** `unknown` where the fault is that something is not shown. */
  readonly status?: 'unknown';
  /** Checks that cannot be judged because of the fault. */
  readonly blocked?: readonly string[];
  readonly hooks: Hooks;
  /** Time of verification. */
  readonly now?: number;
}

const ENVIRONMENT = ['seal-selection', 'seal-pcr-digest', 'firmware-pcrs', 'pcr-allow-list'];
const OF_GENESIS = [
  'note-shape',
  'note-signature',
  'ak-key',
  'assurance',
  'ak-attributes',
  'seal-signer',
  'record-key',
  'counter',
  'genesis-anchor',
  'anchor-certified',
  'anchor-step',
];
const OF_PATH = ['ak-certificate-validity', 'ak-certificate-revocation', 'assurance'];

/** Rewrites the statement of an entry, leaving everything around it valid. */
const restate =
  (index: number, change: (s: JsonObject) => JsonObject) =>
  (entry: Uint8Array, at: number): Uint8Array =>
    at === index ? makeEntry(jcsBytes(change(parseEntry(entry).json))) : entry;

const zeros = '0'.repeat(64);
const serial = Uint8Array.of(0x61, 0x62);

export const VECTORS: readonly Vector[] = [
  {
    id: 'statement',
    name: 'the first subject of a measurement does not bind its predicate',
    hooks: {
      entry: restate(3, (s) => ({
        ...s,
        predicate: { ...(s.predicate as JsonObject), prev: '3'.repeat(64) },
      })),
    },
    blocked: ['record-time'],
  },
  {
    id: 'statement',
    name: 'the record has a member that its schema does not know',
    hooks: { entry: restate(5, (s) => ({ ...s, note: 'trust me' })) },
    blocked: ['boot-link', 'lineage', 'record-time', 'disclosures'],
  },
  {
    id: 'origin',
    name: 'an entry was moved here from another log',
    hooks: { frame: (_, at) => (at === 3 ? { log: 'fleet/host-2/7' } : {}) },
  },
  {
    id: 'origin',
    name: 'the origin has another epoch than genesis',
    hooks: {
      counterless: true,
      genesis: (g) => ({ ...g, epoch: '8' }),
      trust: (t) => ({ ...t, minimumLevel: 3 }),
    },
    blocked: [
      'counter',
      'genesis-anchor',
      'inclusion-anchors',
      'anchor-certified',
      'anchor-step',
      'anchor-consistency',
    ],
  },
  ...(['record', 'genesis', 'boot'] as const).map((part) => ({
    id: `inclusion-${part}`,
    name: 'a hash of the proof is another',
    hooks: {
      raw: (r) => ({
        ...r,
        [part]: { ...r[part], hashes: r[part].hashes.map((h, i) => (i === 0 ? flip(h, 0) : h)) },
      }),
    } satisfies Hooks,
  })),
  {
    id: 'inclusion-record',
    name: 'the record is given under the index of its neighbour',
    hooks: { raw: (r) => ({ ...r, record: { ...r.record, index: r.record.index + 1 } }) },
  },
  {
    id: 'inclusion-related',
    name: 'a measurement is not in the tree',
    hooks: { raw: (r) => ({ ...r, related: r.related.map((e) => ({ ...e, hashes: e.hashes.slice(1) })) }) },
  },
  {
    id: 'inclusion-anchors',
    name: 'an anchor is not in the tree',
    hooks: {
      raw: (r) => ({
        ...r,
        ...(r.anchor ? { anchor: { ...r.anchor, hashes: r.anchor.hashes.slice(1) } } : {}),
      }),
    },
  },
  {
    id: 'genesis',
    name: 'a structure in genesis cannot be read',
    hooks: { genesis: (g) => ({ ...g, recordKey: { ...g.recordKey, attest: toBase64(utf8('no attest')) } }) },
    blocked: OF_GENESIS,
  },
  {
    id: 'boot-link',
    name: 'the record names another boot entry',
    hooks: { frame: (_, at) => (at === 5 ? { boot: '4'.repeat(64) } : {}) },
  },
  {
    id: 'measurements',
    name: 'a measurement is of another run',
    hooks: { frame: (_, at) => (at === 3 ? { boot: '4'.repeat(64) } : {}) },
  },
  {
    id: 'measurements',
    name: 'what stands among the measurements is none',
    hooks: { raw: (r) => ({ ...r, measurements: [...r.measurements, ...r.related] }) },
  },
  {
    id: 'lineage',
    name: 'an entry is given that the record does not name',
    hooks: { execution: ({ parents: _, ...x }) => x },
  },
  {
    id: 'record-time',
    name: 'the record says that it is older than its boot entry',
    hooks: { frame: (_, at) => (at === 5 ? { timeMs: Date.UTC(2026, 4, 1) } : {}) },
  },
  {
    id: 'record-time',
    name: 'the seal says that it is older than the record',
    hooks: { header: (h) => ({ ...h, timeMs: Date.UTC(2026, 4, 1) }) },
  },
  {
    id: 'disclosures',
    name: 'an opening fits no digest of the record',
    hooks: {
      raw: (r) => ({ ...r, disclosures: [...r.disclosures, makeDisclosure(new Uint8Array(16), 'exit', 0)] }),
    },
  },
  {
    id: 'disclosures',
    name: 'an opening gives a plain member another value',
    hooks: { execution: (x) => ({ ...x, inputs: { ...(x.inputs as JsonObject), argv: ['true'] } }) },
  },
  {
    id: 'disclosures',
    name: 'an opening fits a digest that a caller put into a value of its own',
    hooks: {
      execution: ({ inputs, ...x }) => ({ ...x, parameters: { _sd: [], mine: inputs as JsonObject } }),
    },
  },
  {
    id: 'disclosures',
    name: 'an opening is given twice',
    hooks: { raw: (r) => ({ ...r, disclosures: [...r.disclosures, ...r.disclosures.slice(0, 1)] }) },
  },
  {
    id: 'note-shape',
    name: 'the note has a line of an unknown key',
    hooks: {
      lines: (l) => [
        ...l,
        { name: 'somebody', keyId: Uint8Array.of(1, 2, 3, 4), signature: utf8('trust me') },
      ],
    },
  },
  {
    id: 'note-shape',
    name: 'the line of the seal has the key ID of another key',
    hooks: {
      lines: ([seal, ...rest], w) =>
        seal === undefined ? rest : [{ ...seal, keyId: sealKeyId(seal.name, w.other.spki) }, ...rest],
    },
  },
  {
    id: 'note-shape',
    name: 'the line of the seal has another name than the origin',
    hooks: { lines: (l) => l.map((line, i) => (i === 0 ? { ...line, name: 'fleet/host-2/7' } : line)) },
  },
  {
    id: 'note-signature',
    name: 'the line of the record key is over something else',
    hooks: {
      lines: (l) => l.map((line, i) => (i === 1 ? { ...line, signature: flip(line.signature, -1) } : line)),
    },
  },
  {
    id: 'seal-magic',
    name: 'the signed structure was not made by a TPM',
    hooks: { quote: (q) => ({ ...q, magic: 0xff544346 }) },
  },
  {
    id: 'seal-type',
    name: 'the seal is a certified NV index',
    hooks: {
      quote: (q) => ({
        ...q,
        type: ATTEST_NV,
        attested: { kind: 'nv', indexName: new Uint8Array(34), offset: 0, contents: new Uint8Array(8) },
      }),
    },
    blocked: ENVIRONMENT,
  },
  {
    id: 'seal-extradata',
    name: 'the quote commits to something else',
    hooks: { quote: (q) => ({ ...q, extraData: flip(q.extraData, 0) }) },
  },
  {
    id: 'seal-extradata',
    name: 'the quote commits to nothing',
    hooks: { quote: (q) => ({ ...q, extraData: new Uint8Array() }) },
  },
  {
    id: 'seal-extradata',
    name: 'a fresh quote for a nonce of the attacker stands in for a seal',
    hooks: {
      quote: (q) => ({
        ...q,
        extraData: freshExtraData(q.extraData, new Uint8Array(32), 'fleet/host-1/7\n'),
      }),
    },
  },
  { id: 'seal-signature', name: 'another key signed', hooks: { sealKey: (_, w) => w.other } },
  {
    id: 'seal-signature',
    name: 'the signature says that it is over SHA-1',
    hooks: { sealSignature: (s) => ({ ...s, hash: ALG_SHA1 }) },
  },
  {
    id: 'seal-signature',
    name: 'the signature says that it is RSA',
    hooks: { sealSignature: (s) => ({ alg: 'rsassa', hash: s.hash, sig: new Uint8Array(256).fill(1) }) },
  },
  {
    id: 'ak-certificate-encoding',
    name: 'an extension of the certificate is not DER',
    hooks: {
      certificate: (c) => ({ ...c, extensions: [{ oid: '2.5.29.31', value: Uint8Array.of(0x30, 0x81, 0) }] }),
    },
  },
  {
    id: 'ak-certificate-encoding',
    name: 'what stands as certificate is none',
    hooks: { chain: (c) => [utf8('no certificate'), ...c.slice(1)] },
    blocked: [
      'note-shape',
      'seal-signature',
      'ak-certificate-path',
      'ak-certificate-validity',
      'ak-certificate-usage',
      'ak-certificate-host',
      'ak-certificate-revocation',
      'ak-key',
      'assurance',
      'ak-certificate-policies',
      'record-key',
      'genesis-anchor',
      'anchor-certified',
    ],
  },
  {
    id: 'ak-certificate-path',
    name: 'the root is another than that of the trust file',
    hooks: {
      trust: async (t) => {
        const stranger = await issue({ subject: 'root', ca: {} });
        return { ...t, roots: [{ certificate: toBase64(stranger.certificate.der), kind: 'hardware' }] };
      },
    },
    blocked: OF_PATH,
  },
  {
    id: 'ak-certificate-path',
    name: 'the intermediate is missing',
    hooks: { chain: (c) => c.slice(0, 1) },
    blocked: OF_PATH,
  },
  {
    id: 'ak-certificate-path',
    name: 'the certificate signed itself',
    hooks: { certificate: (c, w) => ({ ...c, issuer: { name: 'middle', keys: w.ak } }) },
    blocked: OF_PATH,
  },
  {
    id: 'ak-certificate-path',
    name: 'the bundle has a certificate that is not needed',
    hooks: {
      chain: async (c, w) => [
        ...c,
        (await issue({ issuer: w.root, subject: 'another', ca: {} })).certificate.der,
      ],
    },
  },
  {
    id: 'ak-certificate-path',
    name: 'a critical extension is not understood',
    hooks: {
      certificate: (c) => ({
        ...c,
        extensions: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }],
      }),
    },
    blocked: OF_PATH,
  },
  {
    id: 'ak-certificate-validity',
    name: 'the certificate had expired when the seal was made',
    hooks: { certificate: (c) => ({ ...c, notAfter: Date.UTC(2026, 4, 1) }) },
  },
  {
    id: 'ak-certificate-validity',
    name: 'the certificate was not yet valid when the seal was made',
    hooks: { certificate: (c) => ({ ...c, notBefore: Date.UTC(2026, 6, 1) }) },
  },
  {
    id: 'ak-certificate-validity',
    name: 'no time is proven and that of the host does not count',
    status: 'unknown',
    hooks: { trust: (t) => ({ ...t, acceptHostTime: false }) },
  },
  {
    id: 'ak-certificate-usage',
    name: 'it is an endorsement certificate',
    hooks: { certificate: (c) => ({ ...c, purposes: [EKU_EK] }) },
  },
  {
    id: 'ak-certificate-usage',
    name: 'it is for TLS as well',
    hooks: { certificate: (c) => ({ ...c, purposes: [...(c.purposes ?? []), '1.3.6.1.5.5.7.3.2'] }) },
  },
  {
    id: 'ak-certificate-usage',
    name: 'it has no purpose',
    hooks: { certificate: (c) => ({ ...c, without: ['2.5.29.37'] }) },
  },
  {
    id: 'ak-certificate-usage',
    name: 'it may encipher keys too',
    hooks: { certificate: (c) => ({ ...c, keyUsage: 0xa0 }) },
  },
  {
    id: 'ak-certificate-usage',
    name: 'key usage is not critical',
    hooks: { certificate: (c) => ({ ...c, uncritical: ['2.5.29.15'] }) },
  },
  {
    id: 'ak-certificate-usage',
    name: 'it is a CA',
    hooks: { certificate: (c) => ({ ...c, ca: {}, keyUsage: 0x80 }) },
  },
  {
    id: 'ak-certificate-usage',
    name: 'the subject is empty and the alternative names are not critical',
    hooks: { certificate: (c) => ({ ...c, sanCritical: false }) },
  },
  {
    id: 'ak-certificate-host',
    name: 'it is of another host',
    hooks: { certificate: (c) => ({ ...c, uris: ['attestd://fleet/host-2'] }) },
  },
  {
    id: 'ak-certificate-host',
    name: 'it is of two hosts',
    hooks: { certificate: (c) => ({ ...c, uris: ['attestd://fleet/host-1', 'attestd://fleet/host-2'] }) },
  },
  {
    id: 'ak-certificate-host',
    name: 'it names no host',
    hooks: { certificate: (c) => ({ ...c, uris: [] }) },
  },
  {
    id: 'ak-certificate-host',
    name: 'the trust file names other hosts',
    hooks: { trust: (t) => ({ ...t, hosts: ['attestd://fleet/host-11', 'attestd://fleet/host'] }) },
  },
  {
    id: 'ak-certificate-revocation',
    name: 'the certificate is revoked by the list in the bundle',
    hooks: {
      certificate: (c) => ({ ...c, serial }),
      crls: async (l, w) => [await makeCrl(w.middle, [{ serial, at: Date.UTC(2026, 2) }]), ...l.slice(1)],
    },
  },
  {
    id: 'ak-certificate-revocation',
    name: 'the certificate is revoked by a newer list in the trust file',
    hooks: {
      certificate: (c) => ({ ...c, serial }),
      trust: async (t, w) => ({
        ...t,
        crls: [toBase64(await makeCrl(w.middle, [{ serial, at: Date.UTC(2026, 2) }], Date.UTC(2026, 3)))],
      }),
    },
  },
  {
    id: 'ak-certificate-revocation',
    name: 'a list in the bundle is signed by nobody on the path',
    hooks: { crls: async (l, w) => [...l, await makeCrl({ name: 'middle', keys: w.other }, [])] },
  },
  {
    id: 'ak-certificate-revocation',
    name: 'there is no list of the issuer',
    status: 'unknown',
    hooks: { crls: (l) => l.slice(1) },
  },
  {
    id: 'ak-certificate-revocation',
    name: 'the list had run out when the seal was made',
    status: 'unknown',
    hooks: {
      crls: async (l, w) => [
        await makeCrl(w.middle, [], Date.UTC(2026, 1), Date.UTC(2026, 2)),
        ...l.slice(1),
      ],
    },
  },
  {
    id: 'ak-key',
    name: 'genesis names another key than the certificate',
    hooks: { akPublic: (p, w) => ({ ...p, x: w.other.spki.slice(-64, -32), y: w.other.spki.slice(-32) }) },
  },
  {
    id: 'assurance',
    name: 'a software TPM under a root trusted as hardware',
    hooks: { certificate: (c) => ({ ...c, policies: [...(c.policies ?? []), POLICY_SOFTWARE_TPM] }) },
  },
  {
    id: 'assurance',
    name: 'software keys under a root trusted as hardware',
    hooks: { genesis: (g) => ({ ...g, assurance: 'software' }) },
  },
  {
    id: 'seal-age',
    name: 'the seal is older than the trust file allows',
    hooks: { trust: (t) => ({ ...t, maxAge: 60 }) },
    now: Date.UTC(2026, 6),
  },
  {
    id: 'ak-certificate-policies',
    name: 'the authority did not verify that the key is in a TPM',
    status: 'unknown',
    hooks: { certificate: (c) => ({ ...c, without: ['2.5.29.32'] }) },
  },
  {
    id: 'ak-attributes',
    name: 'the key signs whatever it is given',
    hooks: {
      akPublic: (p) => ({
        ...p,
        attributes: makeAttributes(
          'fixedTPM',
          'fixedParent',
          'sensitiveDataOrigin',
          'userWithAuth',
          'noDA',
          'sign',
        ),
      }),
    },
  },
  {
    id: 'ak-attributes',
    name: 'the key can be moved to another TPM',
    hooks: {
      akPublic: (p) => ({
        ...p,
        attributes: makeAttributes('sensitiveDataOrigin', 'userWithAuth', 'noDA', 'restricted', 'sign'),
      }),
    },
  },
  {
    id: 'ak-attributes',
    name: 'the key has no scheme of its own',
    hooks: { akPublic: (p) => ({ ...p, scheme: null }) },
  },
  {
    id: 'ak-attributes',
    name: 'the parent can be duplicated',
    hooks: {
      storagePublic: (p) => ({
        ...p,
        attributes: makeAttributes('sensitiveDataOrigin', 'userWithAuth', 'noDA', 'restricted', 'decrypt'),
      }),
    },
  },
  {
    id: 'ak-attributes',
    name: 'the parent has a policy',
    hooks: { storagePublic: (p) => ({ ...p, authPolicy: new Uint8Array(32) }) },
  },
  {
    id: 'seal-signer',
    name: 'the TPM says that another key signed',
    hooks: { quote: (q) => ({ ...q, qualifiedSigner: flip(q.qualifiedSigner, -1) }) },
  },
  { id: 'record-key', name: 'certified with another magic', hooks: { certify: (a) => ({ ...a, magic: 0 }) } },
  {
    id: 'record-key',
    name: 'a quote stands in for the certification',
    hooks: {
      certify: (a) => ({
        ...a,
        type: ATTEST_QUOTE,
        attested: { kind: 'quote', selections: [], pcrDigest: new Uint8Array(32) },
      }),
    },
  },
  {
    id: 'record-key',
    name: 'certified for another role',
    hooks: { certify: (a) => ({ ...a, extraData: flip(a.extraData, 3) }) },
  },
  {
    id: 'record-key',
    name: 'certified by another key',
    hooks: { certify: (a) => ({ ...a, qualifiedSigner: flip(a.qualifiedSigner, 5) }) },
  },
  {
    id: 'record-key',
    name: 'another key was certified',
    hooks: {
      certify: (a) =>
        a.attested.kind === 'certify'
          ? { ...a, attested: { ...a.attested, name: flip(a.attested.name, 5) } }
          : a,
    },
  },
  {
    id: 'record-key',
    name: 'the key has another parent',
    hooks: {
      certify: (a) =>
        a.attested.kind === 'certify'
          ? { ...a, attested: { ...a.attested, qualifiedName: flip(a.attested.qualifiedName, 5) } }
          : a,
    },
  },
  {
    id: 'record-key',
    name: 'the key was not made in the TPM',
    hooks: {
      recordPublic: (p) => ({
        ...p,
        attributes: makeAttributes('fixedTPM', 'fixedParent', 'userWithAuth', 'noDA', 'sign'),
      }),
    },
  },
  {
    id: 'boot-run',
    name: 'the seal claims an earlier run',
    hooks: { header: (h) => ({ ...h, bootIndex: 0 }) },
  },
  {
    id: 'boot-run',
    name: 'the seal names a boot entry that is not in the tree',
    hooks: { header: (h) => ({ ...h, bootIndex: 900 }) },
  },
  {
    id: 'boot-run',
    name: 'the record was sealed by a later run',
    status: 'unknown',
    hooks: { header: (h) => ({ ...h, bootIndex: 6 }) },
  },
  {
    id: 'boot-run',
    name: 'the record names an older run',
    status: 'unknown',
    hooks: { header: (h) => ({ ...h, bootIndex: 4 }) },
  },
  {
    id: 'seal-clock',
    name: 'the TPM has fewer resets than at boot',
    hooks: { quote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, resetCount: 2 } }) },
  },
  {
    id: 'seal-clock',
    name: 'the clock of the TPM went back',
    hooks: { quote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, clock: 999n } }) },
  },
  {
    id: 'seal-clock',
    name: 'the machine was reset since',
    status: 'unknown',
    hooks: { quote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, resetCount: 4, restartCount: 0 } }) },
  },
  {
    id: 'seal-clock',
    name: 'the machine was suspended since',
    status: 'unknown',
    hooks: { quote: (q) => ({ ...q, clockInfo: { ...q.clockInfo, restartCount: 2 } }) },
  },
  {
    id: 'seal-selection',
    name: 'the run announced more registers than it quotes',
    hooks: { boot: (b) => ({ ...b, selection: [...PCRS, 15] }) },
  },
  {
    id: 'seal-pcr-digest',
    name: 'a value is another than the quoted one',
    hooks: { pcrs: (v) => ({ ...v, 14: 'ab'.repeat(32) }) },
    blocked: ['firmware-pcrs', 'pcr-allow-list'],
  },
  {
    id: 'seal-pcr-digest',
    name: 'a value is given that was not quoted',
    hooks: { pcrs: (v) => ({ ...v, 15: pcrValue(15) }) },
    blocked: ['firmware-pcrs', 'pcr-allow-list'],
  },
  {
    id: 'seal-pcr-digest',
    name: 'a quoted value is not given',
    hooks: { pcrs: ({ 14: _, ...v }) => v },
    blocked: ['firmware-pcrs', 'pcr-allow-list'],
  },
  {
    id: 'seal-pcr-digest',
    name: 'the seal comes without values',
    status: 'unknown',
    hooks: { raw: ({ pcrs: _, ...r }) => r },
    blocked: ['firmware-pcrs', 'pcr-allow-list'],
  },
  {
    id: 'firmware-pcrs',
    name: 'the firmware measured nothing, as in a fresh software TPM',
    hooks: {
      values: (v) => Object.fromEntries(Object.entries(v).map(([i, x]) => [i, Number(i) < 8 ? zeros : x])),
    },
  },
  {
    id: 'firmware-pcrs',
    name: 'one register of the firmware is empty',
    hooks: { values: (v) => ({ ...v, 4: zeros }) },
  },
  {
    id: 'pcr-allow-list',
    name: 'the machine is in another state',
    hooks: { trust: (t) => ({ ...t, pcrs: [{ name: 'other', sha256: { 0: ['ab'.repeat(32)] } }] }) },
  },
  {
    id: 'pcr-allow-list',
    name: 'the policy names a register that is not quoted',
    hooks: {
      trust: (t) => ({ ...t, pcrs: [{ name: 'ima', sha256: { 0: [pcrValue(0)], 10: ['ab'.repeat(32)] } }] }),
    },
  },
  {
    id: 'pcr-allow-list',
    name: 'no state fits as a whole, though each value is in one',
    hooks: {
      trust: (t) => ({
        ...t,
        pcrs: [
          { name: 'a', sha256: { 0: [pcrValue(0)], 1: [pcrValue(2)] } },
          { name: 'b', sha256: { 0: [pcrValue(2)], 1: [pcrValue(1)] } },
        ],
      }),
    },
  },
  {
    id: 'counter',
    name: 'the index can be set by its owner',
    hooks: {
      nvPublic: (p) => ({
        ...p,
        attributes: makeNvAttributes(NT_COUNTER, 'authWrite', 'ownerWrite', 'written'),
      }),
    },
  },
  {
    id: 'counter',
    name: 'the index is no counter',
    hooks: { nvPublic: (p) => ({ ...p, attributes: makeNvAttributes(NT_ORDINARY, 'authWrite', 'written') }) },
  },
  {
    id: 'counter',
    name: 'the index is orderly',
    hooks: {
      nvPublic: (p) => ({
        ...p,
        attributes: makeNvAttributes(NT_COUNTER, 'authWrite', 'orderly', 'written'),
      }),
    },
  },
  {
    id: 'genesis-anchor',
    name: 'the counter was certified over another log',
    hooks: { genesisCounter: (a) => ({ ...a, extraData: flip(a.extraData, 0) }) },
  },
  {
    id: 'genesis-anchor',
    name: 'the certified value is another than the one stated',
    hooks: {
      genesisCounter: (a) =>
        a.attested.kind === 'nv'
          ? { ...a, attested: { ...a.attested, contents: flip(a.attested.contents, -1) } }
          : a,
    },
  },
  {
    id: 'anchor-certified',
    name: 'the anchor is of another index',
    hooks: {
      anchorAttest: (a, which) =>
        which === 'covering' && a.attested.kind === 'nv'
          ? { ...a, attested: { ...a.attested, indexName: flip(a.attested.indexName, -1) } }
          : a,
    },
  },
  {
    id: 'anchor-certified',
    name: 'the anchor is of a part of the counter',
    hooks: {
      anchorAttest: (a, which) =>
        which === 'previous' && a.attested.kind === 'nv'
          ? { ...a, attested: { ...a.attested, offset: 1 } }
          : a,
    },
  },
  {
    id: 'anchor-certified',
    name: 'the anchor commits to another checkpoint',
    hooks: {
      anchorAttest: (a, which) => (which === 'covering' ? { ...a, extraData: flip(a.extraData, 0) } : a),
    },
  },
  {
    id: 'anchor-certified',
    name: 'the anchor names another predecessor',
    hooks: { anchor: (b, which) => (which === 'covering' ? { ...b, prev: '5'.repeat(64) } : b) },
  },
  {
    id: 'anchor-certified',
    name: 'no anchor is given',
    status: 'unknown',
    hooks: { raw: ({ anchor: _a, previousAnchor: _p, ...r }) => r },
    blocked: ['inclusion-anchors', 'anchor-step', 'anchor-consistency'],
  },
  {
    id: 'anchor-step',
    name: 'the counter went up by two',
    status: 'unknown',
    hooks: {
      anchorValue: (v, which) => (which === 'covering' ? v + 1n : v),
      header: (h) => ({ ...h, anchorCtr: h.anchorCtr + 1n }),
    },
  },
  {
    id: 'anchor-step',
    name: 'the counter did not go up',
    hooks: { anchorValue: (v, which) => (which === 'covering' ? v - 1n : v) },
  },
  {
    id: 'anchor-step',
    name: 'the seal does not know the anchor',
    hooks: { header: (h) => ({ ...h, anchorCtr: h.anchorCtr - 1n }) },
  },
  {
    id: 'anchor-consistency',
    name: 'the anchored tree is not the beginning of the sealed one',
    hooks: {
      raw: (r) => ({
        ...r,
        ...(r.anchor
          ? { anchor: { ...r.anchor, consistency: r.anchor.consistency.map((h) => flip(h, 0)) } }
          : {}),
      }),
    },
  },
];
