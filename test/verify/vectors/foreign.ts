/** Records of other logs that a record rests on: their bundles, given with it. */
import { toHex } from '../../../src/core/bytes.ts';
import { hostUri } from '../../../src/evidence/akprofile.ts';
import { recordDigest } from '../../../src/evidence/dsse.ts';
import type { RawEvidence } from '../../../src/verify/gather.ts';
import { bundleOf } from '../../kit/bundled.ts';
import { flip, forge } from '../../kit/forge.ts';
import { EPOCH, FLEET, type Hooks } from '../../kit/hooks.ts';
import type { Vector } from './vector.ts';

/** Another host under the same authority. */
export const OTHER_HOST = 'host-2';
export const OTHER_LOG = `${FLEET}/${OTHER_HOST}/${EPOCH}`;

export const otherHost = (more: Hooks = {}): Hooks => ({
  origin: OTHER_LOG,
  certificate: (c) => ({ ...c, uris: [hostUri(FLEET, OTHER_HOST)] }),
  ...more,
});

/** Both hosts are accepted. */
export const accepted: Pick<Hooks, 'trust'> = {
  trust: (t) => ({ ...t, hosts: [...(t.hosts as string[]), hostUri(FLEET, OTHER_HOST)] }),
};

/** Another history of the same log from the record on, as properly sealed. */
export const forked: Hooks = {
  execution: (x) => ({ ...x, action: { type: 'exec', name: 'another' } }),
};

export interface Wish {
  /** The other host’s evidence, changed. */
  readonly other?: Hooks;
  readonly edit?: (raw: RawEvidence) => RawEvidence;
  /** The log that the record names; the right one when absent. */
  readonly log?: string;
  /** Digest that the record names; the right one when absent. */
  readonly digest?: string;
  /** Whether the evidence stands in the bundle; it does when absent. */
  readonly given?: boolean;
}

/** A record that rests on one of another host, with the evidence of it. */
export async function resting(wish: Wish = {}): Promise<Hooks> {
  const { raw } = await forge(otherHost(wish.other));
  const edited = wish.edit?.(raw) ?? raw;
  const digest = wish.digest ?? toHex(recordDigest(raw.record.entry));
  const parent = { rel: 'derivedFrom', digest, log: wish.log ?? OTHER_LOG };
  return {
    ...accepted,
    execution: (x) => ({ ...x, parents: [...(x.parents as []), parent] }),
    ...(wish.given === false ? {} : { raw: (r) => ({ ...r, foreign: [bundleOf(edited)] }) }),
  };
}

/** The same, demanding that everything is given. */
export const closed = (hooks: Hooks): Hooks => ({
  ...hooks,
  trust: async (t, w) => ({ ...((await hooks.trust?.(t, w)) ?? t), closure: true }),
});

export const foreignVectors = async (): Promise<Vector[]> => [
  {
    id: 'foreign-lineage',
    name: 'the evidence of the other host is rejected: a byte of its seal’s quote is another',
    hooks: await resting({ other: { sealSignature: (s) => ('r' in s ? { ...s, r: flip(s.r, 5) } : s) } }),
  },
  {
    id: 'foreign-lineage',
    name: 'the parent is of a fork: the other host has another record there, properly sealed',
    hooks: await resting({ digest: toHex(recordDigest((await forge(otherHost(forked))).raw.record.entry)) }),
  },
  {
    id: 'foreign-lineage',
    name: 'the record names another log than the one whose evidence is given',
    hooks: await resting({ log: `${FLEET}/host-3/${EPOCH}` }),
  },
  {
    id: 'foreign-lineage',
    name: 'the other host is none that the auditor accepts',
    hooks: { ...(await resting()), trust: (t) => t },
  },
  {
    id: 'foreign-lineage',
    name: 'the evidence of the other host is not enough: its anchor is left out',
    status: 'unknown',
    hooks: await resting({ edit: ({ anchor: _, previousAnchor: __, ...r }) => r }),
  },
  {
    id: 'foreign-lineage',
    name: 'evidence is given that nothing rests on',
    hooks: { ...(await resting()), execution: (x) => x },
  },
  {
    id: 'closure',
    name: 'a parent in another log is not given',
    status: 'unknown',
    hooks: closed(await resting({ given: false })),
  },
  {
    id: 'closure',
    name: 'a parent in this log is not given',
    status: 'unknown',
    hooks: closed({ raw: (r) => ({ ...r, related: [] }) }),
  },
];
