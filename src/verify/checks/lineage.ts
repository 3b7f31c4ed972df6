/**
 * `measurements`: what is given as measurement is one, of the record's run or of an earlier one; what they lead to is
 * for `self-measured`. `lineage`: every other entry beside the record is named by it as a parent, or by such a parent;
 * nothing else has a place in a bundle.
 */
import { toHex } from '../../core/bytes.ts';
import { edgesOf } from '../../evidence/edges.ts';
import type { EntryFacts } from '../evidence.ts';
import { strangerIn } from '../measured.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';

export const measurements: CheckDefinition = {
  id: 'measurements',
  level: 1,
  run: (e) => {
    if (!e.boot.ok) return blocked(e.boot);
    const why = strangerIn(e, e.boot.value);
    if (why !== undefined) return fail(why);
    const bootIndex = e.boot.value.index;
    const earlier = e.measurements.filter((m) => m.index < bootIndex).length;
    const own = e.measurements.length - earlier;
    const before = earlier === 0 ? '' : ` and ${earlier} of earlier runs`;
    return pass(`${own} measurements of the run${before} are given.`);
  },
};

export const lineage: CheckDefinition = {
  id: 'lineage',
  level: 1,
  run: (e) => {
    const parts = together({ record: e.record });
    if (!parts.ok) return blocked(parts);
    const { record } = parts.value;
    if (!record.statement.ok) return blocked(record.statement);
    const byDigest = new Map(e.related.map((r) => [toHex(r.digest), r]));
    const reached = new Set<EntryFacts>();
    const open: EntryFacts[] = [record];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const digest of parentsOf(next)) {
        const parent = byDigest.get(digest);
        if (parent === undefined || reached.has(parent)) continue;
        reached.add(parent);
        open.push(parent);
      }
    }
    const stray = e.related.find((r) => !reached.has(r));
    return stray === undefined
      ? pass(`${reached.size} entries that the record rests on are given.`)
      : fail(`Neither the record nor a parent of it names ${stray.role}.`);
  },
};

/** Record digests, in hex, of what an entry rests on. */
function parentsOf({ statement }: EntryFacts): string[] {
  return statement.ok ? edgesOf(statement.value.predicate).map((e) => e.digest) : [];
}
