/**
 * The registry as a log that others can check: every line is an entry (evidence/authoritylog.ts) of a C2SP tlog-tiles
 * directory, under a checkpoint that the authority's key signs (line type 0x02, ECDSA with SHA-256). The registry is
 * the truth and is durable first; the log is made from it whenever the key is at hand, and never signs a registry that
 * lost or changed what the last checkpoint covered.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { concat, equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { authorityOrigin, printAuthorityEntry } from '../evidence/authoritylog.ts';
import { ecdsaDer } from '../evidence/x509/signature.ts';
import { type Checkpoint, parseCheckpoint, printCheckpoint } from '../log/checkpoint.ts';
import { encodeEntries } from '../log/entries.ts';
import { ecdsaKeyId } from '../log/keys.ts';
import { EMPTY_ROOT, leafHash } from '../log/merkle.ts';
import { parseNote, printNote } from '../log/note.ts';
import { CompactRange } from '../log/range.ts';
import { printTilePath, TILE_WIDTH, type Tile, tilesBetween } from '../log/tile.ts';
import { type Authority, holdSigner } from './authority.ts';
import { readIfThere, withLock, writeDurably } from './folder.ts';
import { type RegistryLine, readRegistry } from './registry.ts';
import type { Signer } from './signer.ts';

/** The folder of tiles and checkpoint. */
export const logFolder = (dir: string): string => join(dir, 'log');

/** The tree over the lines so far, kept between checkpoints so that each line is hashed once. */
interface Tree {
  readonly lines: RegistryLine[];
  readonly entries: Uint8Array[];
  readonly range: CompactRange;
  /** Of level L: the roots of perfect subtrees of 256^L entries. */
  readonly levels: Uint8Array[][];
  /** Root after each number of entries. */
  readonly roots: Uint8Array[];
}

/** Writes the log of one authority. */
export interface AuditLog {
  /**
   * Brings tiles and checkpoint up to the registry; does nothing where they are.
   * @returns the newest checkpoint
   * @throws AUTHORITY_CORRUPT when the registry is not a continuation of what was signed, AUTHORITY_LOCKED
   */
  sign(signer: Signer): Promise<Checkpoint>;
}

export function createAuditLog(authority: Authority): AuditLog {
  const { dir } = authority;
  const origin = authorityOrigin(authority.certificate.spki);
  const empty = (): Tree => ({
    lines: [],
    entries: [],
    range: new CompactRange(),
    levels: [[]],
    roots: [EMPTY_ROOT],
  });
  let tree = empty();

  function grow(lines: readonly RegistryLine[]): void {
    // Lines are frozen in their order by `prev`: the same last line means the same lines before it.
    const known = tree.lines.length;
    if (known > lines.length || (known > 0 && lines[known - 1]?.prev !== tree.lines[known - 1]?.prev)) {
      tree = empty();
    }
    for (let index = tree.lines.length; index < lines.length; index++) {
      const line = lines[index] as RegistryLine;
      const entry = printAuthorityEntry({ log: origin, index, line });
      tree.lines.push(line);
      tree.entries.push(entry);
      tree.range.append(leafHash(entry), (level, _, hash) => {
        if (level % 8 === 0) {
          const at = level / 8;
          tree.levels[at] ??= [];
          tree.levels[at].push(hash);
        }
      });
      tree.roots.push(tree.range.root());
    }
  }

  function bytesOf({ level, n, width }: Tile): Uint8Array {
    const from = n * TILE_WIDTH;
    if (level === 'entries') return encodeEntries(tree.entries.slice(from, from + width));
    return concat(...(tree.levels[level] ?? []).slice(from, from + width));
  }

  async function writeTile(tile: Tile): Promise<void> {
    const path = join(logFolder(dir), printTilePath(tile));
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeDurably(path, bytesOf(tile));
    await dropNarrower(path, tile);
  }

  return {
    async sign(signer) {
      holdSigner(authority, signer);
      return withLock(dir, async () => {
        const before = await readCheckpoint(dir);
        grow(await readRegistry(dir));
        const size = tree.entries.length;
        if (before !== undefined) {
          const root = tree.roots[before.size];
          if (before.origin !== origin || root === undefined || !equal(root, before.root)) {
            throw new AttestdError(
              'AUTHORITY_CORRUPT',
              `the registry is not a continuation of the ${before.size} lines that were signed`,
            );
          }
          if (before.size === size) return before;
        }
        await mkdir(logFolder(dir), { recursive: true, mode: 0o700 });
        for (const tile of tilesBetween(before?.size ?? 0, size)) await writeTile(tile);
        const checkpoint = { origin, size, root: tree.range.root() };
        await writeDurably(join(logFolder(dir), 'checkpoint'), await signNote(checkpoint, signer));
        return checkpoint;
      });
    },
  };
}

async function signNote(checkpoint: Checkpoint, signer: Signer): Promise<string> {
  const text = printCheckpoint(checkpoint);
  const raw = await signer.engine.sign(
    { name: 'ECDSA', hash: { name: 'SHA-256' } } as never,
    signer.privateKey as never,
    Uint8Array.from(Buffer.from(text)),
  );
  const signature = ecdsaDer(new Uint8Array(raw));
  return printNote({
    text,
    signatures: [{ name: checkpoint.origin, keyId: ecdsaKeyId(signer.spki), signature }],
  });
}

/** The newest checkpoint; undefined before the first. @throws AUTHORITY_CORRUPT */
export async function readCheckpoint(dir: string): Promise<Checkpoint | undefined> {
  const file = await readIfThere(join(logFolder(dir), 'checkpoint'));
  if (file === undefined) return undefined;
  try {
    return parseCheckpoint(parseNote(file).text);
  } catch (cause) {
    throw new AttestdError('AUTHORITY_CORRUPT', `checkpoint: ${(cause as Error).message}`, { cause });
  }
}

/** A partial tile stands in for all narrower ones of its place, a full tile for the partial ones. */
async function dropNarrower(path: string, { width }: Tile): Promise<void> {
  if (width === TILE_WIDTH) {
    await rm(`${path}.p`, { recursive: true, force: true });
    return;
  }
  for (const name of await readdir(dirname(path))) {
    if (Number(name) < width) await rm(join(dirname(path), name), { force: true });
  }
}
