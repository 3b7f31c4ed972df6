/**
 * The word that is left beside a log while entries are removed, `retention.json`, so that the next start goes on. It is
 * never believed: it says where in the log the tombstone stands that announced the removal, and that is asked.
 */
import { readFileSync } from 'node:fs';
import { parseJson } from '../../core/json.ts';
import { readStatement } from '../../evidence/statement.ts';
import { verifyInclusion } from '../../log/inclusion.ts';
import { leafHash } from '../../log/merkle.ts';
import type { Store } from '../../store/store.ts';
import { writeDurably } from '../layout.ts';

/** What is under way, or was done last. */
export interface Word {
  readonly before: number;
  /** Index of the tombstone that announced it. */
  readonly tombstone: number;
  readonly done: boolean;
}

/**
 * Whether the log itself says, under a seal, that everything below this bound may be gone. Who can write the file could
 * else have the daemon remove what nobody wanted removed. The seal is one of the run of the tombstone: what was written into
 * the disk while the daemon was down is sealed by the next run.
 */
export function isAnnounced(store: Store, { before, tombstone: index }: Word): boolean {
  const seal = store.sealCovering(index);
  if (seal === undefined || seal.bootIndex > index || before > index) return false;
  const entry = store.entry(index);
  const { kind, predicate } = readStatement(entry);
  if (kind !== 'tombstone' || !('retention' in predicate) || predicate.retention.before !== before)
    return false;
  const proof = store.inclusionProof(index, seal.size);
  return verifyInclusion({ index, size: seal.size, leafHash: leafHash(entry), proof }, seal.root);
}

export function writeWord(file: string, word: Word): void {
  writeDurably(file, `${JSON.stringify({ v: 1, ...word })}\n`);
}

const isIndex = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;

/** What was left; where that cannot be read it is the operator's to say it again. */
export function readWord(file: string): Word | undefined | 'unreadable' {
  try {
    const word = parseJson(readFileSync(file)) as { v?: unknown } & Partial<Word>;
    const { v, before, tombstone, done } = word;
    if (v !== 1 || !isIndex(before) || !isIndex(tombstone) || typeof done !== 'boolean') return 'unreadable';
    return { before, tombstone, done };
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'unreadable';
  }
}
