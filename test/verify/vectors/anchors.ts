/** The counter and its anchors. */
import { makeNvAttributes, NT_COUNTER, NT_ORDINARY } from '../../../src/evidence/tpm/nv.ts';
import { flip } from '../../kit/forge.ts';

import type { Vector } from './vector.ts';

export const ANCHORS_VECTORS: readonly Vector[] = [
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
