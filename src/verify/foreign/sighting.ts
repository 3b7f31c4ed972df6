/**
 * What one file shows of logs under seals of their hosts, whichever way it comes to be in it: the entries of a bundle, of
 * bundles that stand in it at whatever depth, and records that are known by a checkpoint in any of them. All of it is
 * held against all of it, so that a fork is found wherever its two sides stand.
 */
import { toHex } from '../../core/bytes.ts';
import { recordDigest } from '../../evidence/dsse.ts';
import type { Edge } from '../../evidence/edges.ts';
import { contradiction } from '../../log/agreement.ts';
import { parseCheckpoint } from '../../log/checkpoint.ts';
import { type Inclusion, verifyInclusion } from '../../log/inclusion.ts';
import { leafHash } from '../../log/merkle.ts';
import { parseNote } from '../../log/note.ts';
import type { RawEvidence } from '../gather.ts';
import { attempt } from '../outcome.ts';

/** An entry of a log that a seal of its host covers. */
export interface Sighting {
  readonly log: string;
  readonly inclusion: Inclusion;
  /** Record digest, in hexadecimal; absent where the entry itself is not here. */
  readonly digest?: string;
}

/** The entries of a bundle under its one checkpoint; of a proof that does not lead there, another check speaks. */
export function sightingsOf(raw: RawEvidence): Sighting[] {
  const head = attempt(() => parseCheckpoint(parseNote(raw.note).text));
  if (!head.ok) return [];
  const { origin, size, root } = head.value;
  const anchors = [raw.previousAnchor, raw.anchor].flatMap((a) => (a === undefined ? [] : [a]));
  const beside = [...(raw.keyChanges ?? []), ...raw.measurements, ...raw.related, ...anchors];
  return [raw.record, raw.genesis, raw.boot, ...beside]
    .map(({ entry, index, hashes }) => ({
      log: origin,
      inclusion: { index, size, leafHash: leafHash(entry), proof: hashes },
      digest: toHex(recordDigest(entry)),
    }))
    .filter(({ inclusion }) => verifyInclusion(inclusion, root));
}

/**
 * The edge that names a record by the leaf of another one, where either of them is in the file. Both are hashes of the
 * entry, and a proof shows the leaf only: that the digest belongs to it can be told where the entry is at hand.
 */
export function misnamed(edges: readonly Edge[], sightings: readonly Sighting[]): Edge | undefined {
  const leaves = new Map<string, string>();
  const digests = new Map<string, string>();
  for (const { digest, inclusion } of sightings) {
    if (digest === undefined) continue;
    leaves.set(digest, toHex(inclusion.leafHash));
    digests.set(toHex(inclusion.leafHash), digest);
  }
  return edges.find(
    ({ digest, leaf }) =>
      leaf !== undefined &&
      ((leaves.get(digest) ?? leaf) !== leaf || (digests.get(leaf) ?? digest) !== digest),
  );
}

/** A log of which two sightings give one stretch of entries two hashes. */
export function forkedLog(sightings: readonly Sighting[]): string | undefined {
  const byLog = new Map<string, Inclusion[]>();
  for (const { log, inclusion } of sightings) {
    const known = byLog.get(log);
    if (known === undefined) byLog.set(log, [inclusion]);
    else known.push(inclusion);
  }
  for (const [log, inclusions] of byLog) if (contradiction(inclusions) !== undefined) return log;
  return undefined;
}
