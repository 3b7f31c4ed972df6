/**
 * `measurements`: what is given as measurement of the run is one, of that run. `lineage`: every other entry beside the
 * record is named by it as a parent, or by such a parent; nothing else has a place in a bundle.
 */
import { toHex } from '../../core/bytes.ts';
import { edgesOf } from '../../evidence/edges.ts';
import type { EntryFacts } from '../evidence.ts';
import { blocked, type CheckDefinition, fail, pass, together } from '../outcome.ts';

export const measurements: CheckDefinition = {
  id: 'measurements',
  level: 1,
  run: (e) => {
    if (!e.boot.ok) return blocked(e.boot);
    const boot = toHex(e.boot.value.digest);
    let judged = 0;
    for (const { role, statement } of e.measurements) {
      // One that cannot be read is the fault of another check.
      if (!statement.ok) continue;
      if (statement.value.kind !== 'measurement') return fail(`What is given as ${role} is none.`);
      if (statement.value.predicate.boot !== boot)
        return fail(`The run of ${role} is another than that of the record.`);
      judged++;
    }
    return pass(`${judged} measurements of the run are given.`);
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
