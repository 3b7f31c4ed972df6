/**
 * `foreign-lineage`: every bundle of another log that is given is of a record that something here names, in the log that
 * it names, and is verified under the same trust file. `closure`, where the auditor demands it: everything that the record
 * rests on is given, and everything that those rest on, in this log and in others.
 */
import { toHex } from '../../core/bytes.ts';
import { type Edge, edgesOf } from '../../evidence/edges.ts';
import type { Evidence } from '../evidence.ts';
import { blocked, type CheckDefinition, fail, pass, unknown } from '../outcome.ts';

/** What the record and the entries beside it rest on. The policy before a policy says nothing of a record. */
export function edgesIn(e: Evidence): Edge[] {
  const entries = [...(e.record.ok ? [e.record.value] : []), ...e.related];
  return entries
    .flatMap(({ statement }) => (statement.ok ? edgesOf(statement.value.predicate) : []))
    .filter((edge) => edge.rel !== 'follows');
}

/** The log of the record; undefined where it cannot be read. */
function ownLog(e: Evidence): string | undefined {
  const statement = e.record.ok ? e.record.value.statement : undefined;
  const log = statement?.ok === true ? statement.value.predicate.log : undefined;
  return typeof log === 'string' ? log : undefined;
}

const isForeign = (edge: Edge, own: string | undefined): boolean =>
  edge.log !== undefined && edge.log !== own;

export const foreignLineage: CheckDefinition = {
  id: 'foreign-lineage',
  level: 1,
  run: (e) => {
    if (!e.record.ok) return blocked(e.record);
    if (!e.record.value.statement.ok) return blocked(e.record.value.statement);
    const own = ownLog(e);
    const edges = edgesIn(e).filter((edge) => isForeign(edge, own));
    for (const { digest, log, verdict, why } of e.foreign) {
      if (verdict === 'rejected') return fail(`The evidence of ${log ?? 'another log'} is rejected: ${why}`);
      if (!edges.some((edge) => edge.digest === digest && edge.log === log))
        return fail(`Nothing here names the record of ${log ?? 'another log'} whose evidence is given.`);
    }
    const open = e.foreign.find((f) => f.verdict !== 'verified');
    if (open !== undefined) return unknown(`The evidence of ${open.log} is not verified: ${open.why}`);
    const named = new Set(edges.map((edge) => edge.digest)).size;
    if (named === 0) return pass('The record rests on no record of another log.');
    return pass(
      `Of ${named} records of other logs, the evidence of ${e.foreign.length} is given, and verified.`,
    );
  },
};

export const closure: CheckDefinition = {
  id: 'closure',
  level: 1,
  appliesTo: (trust) => trust.closure === true,
  run: (e) => {
    if (!e.record.ok) return blocked(e.record);
    if (!e.record.value.statement.ok) return blocked(e.record.value.statement);
    const own = ownLog(e);
    const beside = [e.record, e.genesis, e.boot].flatMap((p) => (p.ok ? [p.value] : []));
    const here = new Set([...beside, ...e.related].map((x) => toHex(x.digest)));
    const there = new Set(e.foreign.map((f) => f.digest));
    const edges = edgesIn(e);
    const missing = edges.find((edge) => !(isForeign(edge, own) ? there : here).has(edge.digest));
    if (missing === undefined) return pass(`All ${edges.length} edges lead to records that are given.`);
    const where = isForeign(missing, own) ? ` in ${missing.log}` : '';
    if (missing.proof !== undefined)
      return unknown(
        `The record ${missing.digest.slice(0, 16)}${where} (${missing.rel}) is known by a checkpoint, and not given.`,
      );
    return unknown(`The record ${missing.digest.slice(0, 16)}${where} (${missing.rel}) is not given.`);
  },
};
