/**
 * The drop directory: `<epoch>/<size>-<seq>.<authority>.tst`, one token each, and `<epoch>/<size>-<seq>.<witness>.cosig`,
 * the key and the cosignature line of a witness. Written beside its place and renamed, so that the daemon never reads half
 * of one. Trusted? No: the daemon checks each token against its own log, and an
 * auditor checks it again; who can write here can only withhold timestamps.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A sealed checkpoint that is to be stamped. */
export interface Stampable {
  readonly epoch: string;
  readonly size: number;
  readonly seq: number;
  /** The seal: the signature of its note line without the key ID. */
  readonly seal: Uint8Array;
}

/** What is dropped: a token of an authority, or a cosignature of a witness. */
export type Dropped = 'tst' | 'cosig';
const NAME = /^(\d{1,16})-(\d{1,16})\.([a-z0-9-]{1,32})\.(tst|cosig)$/;

/** Puts it down. @throws what the file system throws */
export function drop(
  dir: string,
  s: Pick<Stampable, 'epoch' | 'size' | 'seq'>,
  by: string,
  kind: Dropped,
  bytes: Uint8Array,
): void {
  const folder = join(dir, s.epoch);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const path = join(folder, `${s.size}-${s.seq}.${by}.${kind}`);
  writeFileSync(`${path}.tmp`, bytes, { mode: 0o644, flush: true } as { mode: number });
  renameSync(`${path}.tmp`, path);
}

/** The newest checkpoint that this authority stamped, or this witness cosigned, in an epoch. */
export function newestDropped(
  dir: string,
  epoch: string,
  by: string,
  kind: Dropped,
): { size: number; seq: number } | undefined {
  return list(join(dir, epoch))
    .filter((t) => t.by === by && t.kind === kind)
    .at(-1);
}

/** Removes all but the newest `keep` of an epoch: the daemon has taken the others long ago. */
export function prune(dir: string, epoch: string, kind: Dropped, keep: number): void {
  const folder = join(dir, epoch);
  for (const t of list(folder)
    .filter((x) => x.kind === kind)
    .slice(0, -keep))
    rmSync(join(folder, t.name), { force: true });
}

function list(folder: string) {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
  }
  return names
    .flatMap((name) => {
      const m = NAME.exec(name);
      if (m === null) return [];
      const [, size, seq, by, kind] = m as unknown as [string, string, string, string, Dropped];
      return [{ name, size: Number(size), seq: Number(seq), by, kind }];
    })
    .sort((a, b) => a.size - b.size || a.seq - b.seq);
}
