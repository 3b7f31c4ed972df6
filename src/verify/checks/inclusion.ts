/**
 * `inclusion-record`, `-genesis`, `-boot`, `-keys`, `-related`, `-anchors`: the entries are in the tree under the sealed
 * checkpoint (RFC 9162 §2.1.3.2), all under the same one.
 */

import type { Checkpoint } from '../../log/checkpoint.ts';
import { verifyInclusion } from '../../log/inclusion.ts';
import { leafHash } from '../../log/merkle.ts';
import type { EntryFacts, Evidence } from '../evidence.ts';
import { blocked, type CheckDefinition, fail, type Outcome, type Part, pass, unknown } from '../outcome.ts';
import { orWitnessed } from './witness.ts';

function included(entry: EntryFacts, { size, root }: Checkpoint): boolean {
  const { index, hashes } = entry;
  return verifyInclusion({ index, size, leafHash: leafHash(entry.bytes), proof: hashes }, root);
}

function judge(e: Evidence, entries: readonly EntryFacts[], what: string): Outcome {
  if (!e.checkpoint.ok) return blocked(e.checkpoint);
  const checkpoint = e.checkpoint.value;
  const out = entries.find((entry) => !included(entry, checkpoint));
  return out === undefined
    ? pass(`${what} in the sealed tree of ${checkpoint.size} entries.`)
    : fail(`The proof of ${out.role} (index ${out.index}) does not lead to the sealed root.`);
}

const single = (id: string, what: string, part: (e: Evidence) => Part<EntryFacts>): CheckDefinition => ({
  id,
  level: 1,
  run: (e) => {
    const entry = part(e);
    return entry.ok ? judge(e, [entry.value], what) : blocked(entry);
  },
});

export const inclusionRecord = single('inclusion-record', 'The record is', (e) => e.record);
export const inclusionGenesis = single('inclusion-genesis', 'The genesis entry is', (e) => e.genesis);
export const inclusionBoot = single('inclusion-boot', 'The boot entry is', (e) => e.boot);

export const inclusionKeys: CheckDefinition = {
  id: 'inclusion-keys',
  level: 1,
  run: (e) => {
    if (!e.genesis.ok) return blocked(e.genesis);
    const none = 'No key change is given that would have to be';
    return judge(e, e.keyChanges, e.keyChanges.length === 0 ? none : 'The key changes are');
  },
};

export const inclusionRelated: CheckDefinition = {
  id: 'inclusion-related',
  level: 1,
  run: (e) => {
    if (!e.record.ok) return blocked(e.record);
    const others = [...e.measurements, ...e.related];
    return judge(
      e,
      others,
      others.length === 0 ? 'No other entry is given that would have to be' : 'The other entries are',
    );
  },
};

export const inclusionAnchors: CheckDefinition = {
  id: 'inclusion-anchors',
  level: 4,
  run: (e) => {
    if (!e.anchor.ok)
      return e.anchor.absent ? orWitnessed(e, unknown('No anchor is given.')) : blocked(e.anchor);
    const previous = e.previousAnchor.ok ? [e.previousAnchor.value.entry] : [];
    return judge(e, [...previous, e.anchor.value.entry], 'The anchors are');
  },
};
