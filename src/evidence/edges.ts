/**
 * What a record rests on, as edges to other records: its `parents`, and the references that governed records carry in
 * fields of their own (the grant that was used, the use before, the policy in force, approvals). One reading for the
 * verifier's lineage, the bundle's closure and the graph that people see.
 */
import type { JsonObject } from '../core/json.ts';

/** An edge from a record to one before it. */
export interface Edge {
  /** How it rests on it: a `rel` of parents, or the name of the field. */
  readonly rel: string;
  /** Record digest in hexadecimal. */
  readonly digest: string;
  /** ULID, where the record names it. */
  readonly id?: string;
  /** Origin, where it is another log's. */
  readonly log?: string;
  /** Leaf hash in hexadecimal and tlog-proof, where it is known by a checkpoint of that log. */
  readonly leaf?: string;
  readonly proof?: string;
}

const REFERENCES: readonly (readonly [rel: string, ...path: string[]])[] = [
  ['authorizedBy', 'authorization', 'grant'],
  ['usedAfter', 'authorization', 'use', 'prev'],
  ['decidedBy', 'policy', 'change'],
  ['delegatedFrom', 'delegation', 'grant'],
  ['usedAfter', 'delegation', 'use', 'prev'],
  ['asksFor', 'requested', 'grant'],
  ['asksFor', 'requested', 'attempt'],
  ['approves', 'request'],
  ['revokes', 'grant'],
  ['follows', 'previous'],
];

/**
 * Every edge of a record whose predicate fits its schema; each (rel, digest) once, unless the record says of it twice
 * where it is: both must hold then.
 */
export function edgesOf(predicate: JsonObject): Edge[] {
  const out: Edge[] = [];
  const add = (rel: string, value: unknown): void => {
    const o = objectOf(value);
    if (o === undefined || typeof o.digest !== 'string') return;
    const { digest } = o;
    const where = {
      ...(typeof o.log === 'string' ? { log: o.log } : {}),
      ...(typeof o.leaf === 'string' ? { leaf: o.leaf } : {}),
      ...(typeof o.proof === 'string' ? { proof: o.proof } : {}),
    };
    if (out.some((e) => e.rel === rel && e.digest === digest && says(e, where))) return;
    out.push({ rel, digest, ...(typeof o.id === 'string' ? { id: o.id } : {}), ...where });
  };
  for (const [rel, ...path] of REFERENCES) {
    let at: unknown = predicate;
    for (const name of path) at = objectOf(at)?.[name];
    add(rel, at);
  }
  if (Array.isArray(predicate.approvals)) for (const a of predicate.approvals) add('approvedBy', a);
  if (Array.isArray(predicate.parents)) {
    for (const p of predicate.parents) {
      const rel = objectOf(p)?.rel;
      if (typeof rel === 'string') add(rel, p);
    }
  }
  // A tombstone names its record by digest alone.
  if (typeof predicate.record === 'string') add('erases', { digest: predicate.record });
  return out;
}

/** Whether an edge says all of this of where the record is. */
const says = (edge: Edge, { log, leaf, proof }: Pick<Edge, 'log' | 'leaf' | 'proof'>): boolean =>
  edge.log === log &&
  (leaf === undefined || edge.leaf === leaf) &&
  (proof === undefined || edge.proof === proof);

function objectOf(value: unknown): JsonObject | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined;
}
