/** What genesis says about keys, and what the TPM says about them. */
import { ATTEST_QUOTE } from '../../../src/evidence/tpm/attest.ts';
import { makeAttributes } from '../../../src/evidence/tpm/attributes.ts';
import { flip } from '../../kit/forge.ts';

import type { Vector } from './vector.ts';

export const KEYS_VECTORS: readonly Vector[] = [
  {
    id: 'ak-key',
    name: 'genesis names another key than the certificate',
    hooks: { akPublic: (p, w) => ({ ...p, x: w.other.spki.slice(-64, -32), y: w.other.spki.slice(-32) }) },
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
];
