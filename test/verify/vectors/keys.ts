/** What genesis says about keys, and what the TPM says about them. */
import { ATTEST_QUOTE } from '../../../src/evidence/tpm/attest.ts';
import { makeAttributes } from '../../../src/evidence/tpm/attributes.ts';
import { flip } from '../../kit/forge.ts';

import type { Hooks } from '../../kit/hooks.ts';
import type { Vector } from './vector.ts';

const BOUND_NAMES = ['fixedTPM', 'fixedParent', 'sensitiveDataOrigin', 'noDA', 'sign'] as const;
const BOUND = makeAttributes(...BOUND_NAMES);
const POLICY = new Uint8Array(32).fill(0xa5);

/** A record key that is bound to a policy, as `record-key` accepts it. */
export const BOUND_RECORD_KEY: Hooks = {
  recordPublic: (p) => ({ ...p, attributes: BOUND, authPolicy: POLICY }),
};

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
  {
    id: 'record-key',
    name: 'the key can be used by a policy beside its auth value',
    hooks: { recordPublic: (p) => ({ ...p, authPolicy: POLICY }) },
  },
  {
    id: 'record-key',
    name: 'the key has no use: neither its auth value nor a policy',
    hooks: { recordPublic: (p) => ({ ...p, attributes: BOUND }) },
  },
  {
    id: 'record-key',
    name: 'the auditor accepts other policies than that of a bound key',
    hooks: { ...BOUND_RECORD_KEY, trust: (t) => ({ ...t, recordKeyPolicies: ['5a'.repeat(32)] }) },
  },
  {
    id: 'record-key',
    name: 'the auditor asks for a policy, and the key is used by its auth value',
    hooks: { trust: (t) => ({ ...t, recordKeyPolicies: ['a5'.repeat(32)] }) },
  },
  {
    id: 'record-key',
    name: 'the policy of a bound key is of another hash',
    hooks: { recordPublic: (p) => ({ ...p, attributes: BOUND, authPolicy: new Uint8Array(20).fill(1) }) },
  },
  {
    id: 'record-key',
    name: 'a bound key can leave the TPM',
    hooks: {
      recordPublic: (p) => ({
        ...p,
        attributes: makeAttributes('sensitiveDataOrigin', 'noDA', 'sign'),
        authPolicy: POLICY,
      }),
    },
  },
  {
    id: 'record-key',
    name: 'the policy of a bound key is asked for certifications too',
    hooks: {
      recordPublic: (p) => ({
        ...p,
        attributes: makeAttributes(...BOUND_NAMES, 'adminWithPolicy'),
        authPolicy: POLICY,
      }),
    },
  },
  {
    id: 'ak-attributes',
    name: 'the attestation key is bound to states',
    hooks: {
      akPublic: (p) => ({
        ...p,
        attributes: makeAttributes(...BOUND_NAMES, 'restricted'),
        authPolicy: POLICY,
      }),
    },
  },
];
