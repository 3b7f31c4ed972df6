/** The log of a forged host: entries in a real tree, with their proofs under its last size. */
import { toHex } from '../../src/core/bytes.ts';
import { jcsBytes } from '../../src/core/json.ts';
import { recordDigest } from '../../src/evidence/dsse.ts';
import { type Body, type BuiltRecord, buildEntry, type Frame, framed } from '../../src/evidence/record.ts';
import type { Subject } from '../../src/evidence/statement.ts';
import { consistencyProof } from '../../src/log/consistency.ts';
import { inclusionProof } from '../../src/log/inclusion.ts';
import { leafHash, nodeHash } from '../../src/log/merkle.ts';
import { CompactRange } from '../../src/log/range.ts';
import type { RawAnchor, RawEntry } from '../../src/verify/gather.ts';
import { type Hooks, same, T0 } from './hooks.ts';

/** Index of an anchor entry, and the size that it anchors. */
export interface AnchorSeed {
  readonly at: number;
  readonly from: number;
}

/** An empty log; `add` appends a record built the usual way. */
export function createForgedLog(hooks: Hooks, origin: string) {
  const entries: Uint8Array[] = [];
  const digests: Uint8Array[] = [];
  const ids: string[] = [];
  const range = new CompactRange();
  const nodes = new Map<string, Uint8Array>();
  const frameAt = (at: number, boot?: Uint8Array): Frame => ({
    id: `01JABCDEFGHJKMNPQRSTVWXY${String(10 + at)}`,
    salt: new Uint8Array(16).fill(at),
    log: origin,
    timeMs: T0 + at * 1000,
    ...(boot === undefined ? {} : { boot: toHex(boot) }),
    ...(hooks.frame?.({}, at) as object),
  });
  const build = (
    kind: Parameters<typeof buildEntry>[0],
    body: unknown,
    boot?: Uint8Array,
    at = entries.length,
    artefacts: readonly Subject[] = [],
  ): BuiltRecord => buildEntry(kind as 'gap', body as Body<'gap'>, frameAt(at, boot), artefacts);
  const put = (built: BuiltRecord): number => {
    const at = entries.length;
    const entry = (hooks.entry ?? same)(built.entry, at);
    entries.push(entry);
    digests.push(recordDigest(entry));
    ids.push(built.id);
    range.append(leafHash(entry), (level, index, hash) => nodes.set(`${level}/${index}`, hash));
    return at;
  };
  const add = (kind: Parameters<typeof buildEntry>[0], body: unknown, boot?: Uint8Array): void => {
    put(build(kind, body, boot));
  };
  const node = (level: number, index: number): Uint8Array => {
    const found = nodes.get(`${level}/${index}`);
    return found ?? nodeHash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1));
  };

  const raw = async (at: number): Promise<RawEntry> => ({
    entry: entries[at] as Uint8Array,
    index: at,
    hashes: await inclusionProof(at, entries.length, node),
  });
  const rawAnchor = async (seed: AnchorSeed | undefined): Promise<RawAnchor | undefined> =>
    seed === undefined
      ? undefined
      : { ...(await raw(seed.at)), consistency: await consistencyProof(seed.from, entries.length, node) };
  /** Canonical predicate that a boot entry here would have. */
  const bootPredicate = (body: Body<'boot'>): Uint8Array => jcsBytes(framed(body, frameAt(entries.length)));
  return { add, bootPredicate, build, put, entries, digests, ids, range, raw, rawAnchor };
}
