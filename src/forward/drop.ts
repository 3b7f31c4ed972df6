/**
 * The drop directory: `<epoch>/<size>-<seq>.<authority>.tst`, one token each, written beside its place and renamed, so
 * that the daemon never reads half of one. Trusted? No: the daemon checks each token against its own log, and an
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

const NAME = /^(\d{1,16})-(\d{1,16})\.([a-z0-9-]{1,32})\.tst$/;

/** Puts a token down. @throws what the file system throws */
export function dropToken(dir: string, s: Stampable, authority: string, token: Uint8Array): void {
  const folder = join(dir, s.epoch);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const path = join(folder, `${s.size}-${s.seq}.${authority}.tst`);
  writeFileSync(`${path}.tmp`, token, { mode: 0o644, flush: true } as { mode: number });
  renameSync(`${path}.tmp`, path);
}

/** The newest seal that this authority stamped in an epoch. */
export function newestDropped(
  dir: string,
  epoch: string,
  authority: string,
): { size: number; seq: number } | undefined {
  return list(join(dir, epoch))
    .filter((t) => t.authority === authority)
    .at(-1);
}

/** Removes all but the newest `keep` tokens of an epoch: the daemon has taken the others long ago. */
export function prune(dir: string, epoch: string, keep: number): void {
  const folder = join(dir, epoch);
  for (const t of list(folder).slice(0, -keep)) rmSync(join(folder, t.name), { force: true });
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
      return m === null ? [] : [{ name, size: Number(m[1]), seq: Number(m[2]), authority: m[3] as string }];
    })
    .sort((a, b) => a.size - b.size || a.seq - b.seq);
}
