/** The checkpoint note and the seal on it. */
import { utf8 } from '../../../src/core/bytes.ts';
import { freshExtraData } from '../../../src/evidence/binding.ts';
import { sealKeyId } from '../../../src/evidence/seal.ts';
import { ALG_SHA1 } from '../../../src/evidence/tpm/algorithm.ts';
import { ATTEST_NV } from '../../../src/evidence/tpm/attest.ts';
import { flip } from '../../kit/forge.ts';

import type { Vector } from './vector.ts';

const ENVIRONMENT = ['seal-selection', 'seal-pcr-digest', 'firmware-pcrs', 'pcr-allow-list', 'self-measured'];

export const SEAL_VECTORS: readonly Vector[] = [
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
    id: 'seal-age',
    name: 'the seal is older than the trust file allows',
    hooks: { trust: (t) => ({ ...t, maxAge: 60 }) },
    now: Date.UTC(2026, 6),
  },
];
