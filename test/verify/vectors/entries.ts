/** Entries, their proofs and how they hang together. */
import { toBase64, utf8 } from '../../../src/core/bytes.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { jcsBytes } from '../../../src/core/json.ts';
import { makeDisclosure } from '../../../src/evidence/disclosure.ts';
import { makeEntry, parseEntry } from '../../../src/evidence/dsse.ts';
import { flip } from '../../kit/forge.ts';
import type { Hooks } from '../../kit/hooks.ts';

import type { Vector } from './vector.ts';

const OF_GENESIS = [
  'key-order',
  'key-succession',
  'key-attributes',
  'workload-key',
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

const OF_GOVERNANCE = [
  'grant-given',
  'grant-order',
  'grant-policy',
  'policy-signature',
  'approvals',
  'delegation',
  'grant-window',
  'grant-scope',
  'grant-caller',
  'grant-environment',
  'grant-revoked',
  'grant-uses',
  'completion',
];

/** Rewrites the statement of an entry, leaving everything around it valid. */
const restate =
  (index: number, change: (s: JsonObject) => JsonObject) =>
  (entry: Uint8Array, at: number): Uint8Array =>
    at === index ? makeEntry(jcsBytes(change(parseEntry(entry).json))) : entry;

export const ENTRIES_VECTORS: readonly Vector[] = [
  {
    id: 'statement',
    name: 'the first subject of a measurement does not bind its predicate',
    hooks: {
      entry: restate(3, (s) => ({
        ...s,
        predicate: { ...(s.predicate as JsonObject), prev: '3'.repeat(64) },
      })),
    },
    blocked: ['record-time', 'self-measured'],
  },
  {
    id: 'statement',
    name: 'the record has a member that its schema does not know',
    hooks: { entry: restate(7, (s) => ({ ...s, note: 'trust me' })) },
    blocked: [
      'boot-link',
      'lineage',
      'foreign-lineage',
      'foreign-checkpoint',
      'foreign-seal',
      'record-time',
      'disclosures',
      'import-record',
      ...OF_GOVERNANCE,
    ],
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
    id: 'genesis',
    name: 'a structure in genesis cannot be read',
    hooks: { genesis: (g) => ({ ...g, recordKey: { ...g.recordKey, attest: toBase64(utf8('no attest')) } }) },
    blocked: OF_GENESIS,
  },
  {
    id: 'boot-link',
    name: 'the record names another boot entry',
    hooks: { frame: (_, at) => (at === 7 ? { boot: '4'.repeat(64) } : {}) },
  },
  {
    id: 'measurements',
    name: 'a measurement is of another run',
    hooks: { frame: (_, at) => (at === 3 ? { boot: '4'.repeat(64) } : {}) },
    blocked: ['self-measured'],
  },
  {
    id: 'measurements',
    name: 'what stands among the measurements is none',
    hooks: { raw: (r) => ({ ...r, measurements: [...r.measurements, ...r.related] }) },
    blocked: ['self-measured'],
  },
  {
    id: 'lineage',
    name: 'an entry is given that the record does not name',
    hooks: { execution: ({ parents: _, ...x }) => x },
  },
  {
    id: 'record-time',
    name: 'the record says that it is older than its boot entry',
    hooks: { frame: (_, at) => (at === 7 ? { timeMs: Date.UTC(2026, 4, 1) } : {}) },
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
];
