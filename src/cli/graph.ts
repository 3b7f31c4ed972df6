/** The graph of what records rest on, in the forms that people and tools read. */
import { toHex, utf8 } from '../core/bytes.ts';
import type { JsonObject } from '../core/json.ts';
import { printable, printableJson } from '../core/printable.ts';
import { recordDigest } from '../evidence/dsse.ts';
import { type Edge, edgesOf } from '../evidence/edges.ts';
import { readStatement } from '../evidence/statement.ts';
import { parseProof } from '../log/proof.ts';

/** A record in the graph. */
export interface Node {
  readonly digest: string;
  readonly id: string;
  readonly kind: string;
  /** A few words about it. */
  readonly what: string;
  /** Of an execution. */
  readonly phase?: string;
  readonly time: string;
  readonly edges: readonly Edge[];
}

/** The record in an entry. @throws MALFORMED */
export function nodeOf(entry: Uint8Array): Node {
  const statement = readStatement(entry);
  const { kind } = statement;
  const { id, time } = statement.predicate;
  const edges = edgesOf(statement.predicate as unknown as JsonObject);
  const phase = kind === 'execution' ? { phase: statement.predicate.phase } : {};
  return { digest: toHex(recordDigest(entry)), id, kind, what: words(statement), ...phase, time, edges };
}

function words(s: ReturnType<typeof readStatement>): string {
  if (s.kind === 'denial') return s.predicate.reason;
  if (s.kind === 'policychange') return s.predicate.policy.id;
  if (s.kind !== 'execution') return '';
  const { type, name, target } = s.predicate.action;
  return [s.predicate.phase, type, name, target].filter((t) => t !== undefined).join(' ');
}

/** Where an edge says that its record stands in the other log. */
function checkpointOf({ proof }: Edge): { readonly index: number; readonly size: number } | undefined {
  if (proof === undefined) return undefined;
  const { index, checkpoint } = parseProof(utf8(proof));
  return { index, size: checkpoint.size };
}

function underCheckpoint(edge: Edge): string {
  const known = checkpointOf(edge);
  return known === undefined ? '' : `, entry ${known.index} under its checkpoint of ${known.size}`;
}

const label = (n: Node): string => printable(`${n.kind} ${n.id}${n.what === '' ? '' : ` ${n.what}`}`);

/** A tree in text, the first record on top; what was drawn above is named again, not drawn again. */
export function asText(nodes: readonly Node[]): string {
  const byDigest = new Map(nodes.map((n) => [n.digest, n]));
  const drawn = new Set<string>();
  const lines: string[] = [];
  const [first] = nodes;
  const open = first === undefined ? [] : [{ edge: { digest: first.digest, rel: '' } as Edge, depth: 0 }];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { digest, rel, log } = at.edge;
    const node = byDigest.get(digest);
    const start = `${'  '.repeat(at.depth)}${rel === '' ? '' : `${rel}: `}`;
    if (node === undefined) {
      const where = log === undefined ? 'not given' : `of ${log}${underCheckpoint(at.edge)}`;
      lines.push(`${start}${digest.slice(0, 16)} ${where}`);
      continue;
    }
    const where = log === undefined ? '' : ` of ${log}`;
    lines.push(`${start}${label(node)}${where}${drawn.has(digest) ? ' (above)' : ''}`);
    if (drawn.has(digest)) continue;
    drawn.add(digest);
    for (const edge of [...node.edges].reverse()) open.push({ edge, depth: at.depth + 1 });
  }
  return `${lines.join('\n')}\n`;
}

/** Graphviz. */
export function asDot(nodes: readonly Node[]): string {
  const q = JSON.stringify;
  const rows = nodes.flatMap((n) => [
    `  ${q(n.digest)} [label=${q(label(n))}];`,
    ...n.edges.map((e) => `  ${q(n.digest)} -> ${q(e.digest)} [label=${q(e.rel)}];`),
  ]);
  for (const e of strangers(nodes)) {
    const text = `${e.digest.slice(0, 16)} of ${e.log}${underCheckpoint(e)}`;
    rows.push(`  ${q(e.digest)} [label=${q(text)}, style=dashed];`);
  }
  return `digraph lineage {\n${rows.join('\n')}\n}\n`;
}

/** Edges to records of other logs that are known by a checkpoint alone, each record once. */
function strangers(nodes: readonly Node[]): Edge[] {
  const given = new Set(nodes.map((n) => n.digest));
  const edges = nodes.flatMap((n) => n.edges).filter((e) => e.proof !== undefined && !given.has(e.digest));
  return [...new Map(edges.map((e) => [e.digest, e])).values()];
}

export const asJson = (nodes: readonly Node[]): string =>
  `${printableJson({
    schema: 'attestd.dev/lineage/v1',
    records: nodes.map((n) => ({
      ...n,
      edges: n.edges.map(({ leaf: _leaf, proof: _proof, ...e }) => ({
        ...e,
        ...(_proof === undefined ? {} : { checkpoint: checkpointOf({ ...e, proof: _proof }) }),
      })),
    })),
  })}\n`;

/** W3C PROV-JSON: executions are activities, all else is an entity that they used or were derived from. */
export function asProv(nodes: readonly Node[]): string {
  const name = (digest: string): string => `attestd:${digest}`;
  const executions = new Set(nodes.filter((n) => n.kind === 'execution').map((n) => n.digest));
  const out = {
    prefix: { attestd: 'https://attestd.dev/record/', prov: 'http://www.w3.org/ns/prov#' },
    activity: {} as Record<string, unknown>,
    entity: {} as Record<string, unknown>,
    used: {} as Record<string, unknown>,
    wasInformedBy: {} as Record<string, unknown>,
    wasDerivedFrom: {} as Record<string, unknown>,
  };
  let count = 0;
  for (const n of nodes) {
    const acts = executions.has(n.digest);
    const time = n.phase === 'attempted' ? 'prov:startTime' : 'prov:endTime';
    const facts = { 'prov:label': label(n), 'attestd:id': n.id, 'attestd:kind': n.kind };
    if (acts) out.activity[name(n.digest)] = { ...facts, [time]: n.time };
    else out.entity[name(n.digest)] = { ...facts, 'prov:generatedAtTime': n.time };
    for (const e of n.edges) {
      const id = `_:e${++count}`;
      const [a, b] = [name(n.digest), name(e.digest)];
      // PROV-DM has roles of usage alone, of these relations.
      const rel = { 'attestd:rel': e.rel };
      if (!acts) out.wasDerivedFrom[id] = { 'prov:generatedEntity': a, 'prov:usedEntity': b, ...rel };
      else if (executions.has(e.digest))
        out.wasInformedBy[id] = { 'prov:informed': a, 'prov:informant': b, ...rel };
      else out.used[id] = { 'prov:activity': a, 'prov:entity': b, 'prov:role': e.rel, ...rel };
    }
  }
  for (const e of strangers(nodes)) {
    const facts = { 'prov:label': `${e.digest.slice(0, 16)} of ${e.log}`, 'attestd:log': e.log };
    out.entity[name(e.digest)] = { ...facts, 'attestd:checkpoint': JSON.stringify(checkpointOf(e)) };
  }
  return `${printableJson(out)}\n`;
}
