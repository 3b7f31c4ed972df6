/** The certificate of the attestation key, its path and its revocation. */
import { toBase64, utf8 } from '../../../src/core/bytes.ts';
import { EKU_EK, POLICY_SOFTWARE_TPM } from '../../../src/evidence/akprofile.ts';
import { issue, makeCrl } from '../../kit/authority.ts';

import type { Vector } from './vector.ts';

const OF_PATH = ['ak-certificate-validity', 'ak-certificate-revocation', 'assurance'];

const serial = Uint8Array.of(0x61, 0x62);

export const CERTIFICATE_VECTORS: readonly Vector[] = [
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
      'key-succession',
      'workload-key',
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
    id: 'ak-certificate-policies',
    name: 'the authority did not verify that the key is in a TPM',
    status: 'unknown',
    hooks: { certificate: (c) => ({ ...c, without: ['2.5.29.32'] }) },
  },
];
