/**
 * Putting a backup back. Nothing that is there is written over, and the log in use is named last, so an interruption
 * leaves a host that records nothing, and the same command goes on. Whether the restored log may go on is not for this
 * command to say: the counter in the TPM decides it at the next start (design §6, Rollback).
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { equal } from '../../core/bytes.ts';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import type { Config } from '../../daemon/config.ts';
import { epochOf, layoutOf } from '../../daemon/layout.ts';
import { readStatement } from '../../evidence/statement.ts';
import { parseOrigin } from '../../log/origin.ts';
import { roomy } from '../../store/copying.ts';
import { epochDir, epochs } from '../../store/layout.ts';
import { readLog } from '../../store/reader.ts';
import { auditDirectory } from '../audit/directory.ts';
import type { Progress } from '../progress.ts';
import { checkBackup, holdLogs, readListed } from './checkbackup.ts';
import { readPlain } from './files.ts';
import type { Manifest } from './manifest.ts';
import { type Owner, placeFile } from './place.ts';

/**
 * Holds a backup against its list, against itself and against the host that it is to be put back on.
 * @throws BACKUP_DAMAGED, BACKUP_FOREIGN, RESTORE_NEWER when this host has what the backup does not, EXISTS
 */
export async function judgeBackup(dir: string, config: Config, progress: Progress): Promise<Manifest> {
  const manifest = await checkBackup(dir);
  const { fleet, host } = config;
  for (const { origin } of manifest.logs) {
    const of = parseOrigin(origin);
    if (of.fleet !== fleet || of.host !== host)
      throw new AttestdError('BACKUP_FOREIGN', `it is of ${of.fleet}/${of.host}, this is ${fleet}/${host}`);
  }
  const reports = await auditDirectory(dir, { progress, interrupted: () => false });
  for (const { origin, verdict, findings } of reports) {
    const first = findings[0];
    if (verdict === 'rejected')
      throw new AttestdError(
        'BACKUP_DAMAGED',
        `${origin}: ${first?.sentence} (${first?.id} at ${first?.at})`,
      );
  }
  holdLogs(manifest, reports);
  await holdAgainstHost(manifest, config.state_dir);
  return manifest;
}

async function holdAgainstHost(manifest: Manifest, state: string): Promise<void> {
  for (const epoch of epochs(state)) {
    const listed = manifest.logs.find((l) => epochOf(l.origin) === epoch);
    const here = await sizeOf(epochDir(state, epoch));
    if (listed === undefined)
      throw new AttestdError('RESTORE_NEWER', `the log of epoch ${epoch} is here and not in the backup`);
    if (here !== undefined && here > listed.size)
      throw new AttestdError(
        'RESTORE_NEWER',
        `${listed.origin} has ${here} entries here, ${listed.size} in the backup`,
      );
  }
  const { current } = layoutOf(state);
  if (existsSync(current)) throw new AttestdError('EXISTS', `${current}: this host has a log in use`);
}

/** Entries of a log; undefined where it cannot be read: then it is no newer one that could be kept. */
async function sizeOf(dir: string): Promise<number | undefined> {
  try {
    let size = 0;
    for await (const frame of readLog(dir).frames()) size = frame.next.size;
    return size;
  } catch (e) {
    if (isAttestdError(e, 'STORE_CORRUPT') || isAttestdError(e, 'NOT_FOUND')) return undefined;
    throw e;
  }
}

/** What a log says of the counter: the value of its newest anchor, and values announced after it. */
export interface Counted {
  readonly last: bigint;
  readonly intents: readonly bigint[];
}

/** What the log in use of a backup says of the counter; undefined where it has none. */
export async function countedIn(dir: string, manifest: Manifest): Promise<Counted | undefined> {
  let last: bigint | undefined;
  let intents: bigint[] = [];
  for await (const frame of readLog(epochDir(dir, epochOf(manifest.current))).frames()) {
    if (frame.kind === 'intent' && frame.intent.kind === 'counter') intents = [frame.intent.counter + 1n];
    if (frame.kind !== 'entries') continue;
    const { batch } = frame;
    if (batch.first === 0) {
      const { kind, predicate } = readStatement(batch.entry(0));
      if (kind !== 'genesis' || predicate.counter === undefined) return undefined;
      last = BigInt(predicate.counter.value);
    }
    for (const { mark } of batch.metas()) if (mark?.kind === 'anchor') last = mark.counter;
  }
  return last === undefined ? undefined : { last, intents: intents.filter((i) => i === (last ?? 0n) + 1n) };
}

/**
 * Writes what the backup has below the state directory, the name of the log in use last.
 * @returns files that were not there yet
 * @throws EXISTS for a file that is there with other bytes; BACKUP_DAMAGED
 */
export async function restoreBackup(dir: string, manifest: Manifest, state: string): Promise<number> {
  const owner = ownerOf(state);
  const last = new Map<string, string>();
  for (const { path } of manifest.files)
    if (path.endsWith('.wal')) last.set(path.slice(0, path.lastIndexOf('/')), path);
  const rank = (path: string) => (path === 'current.json' ? 1 : 0);
  const files = [...manifest.files].sort((a, b) => rank(a.path) - rank(b.path));
  let written = 0;
  for (const file of files) {
    const { path } = file;
    const bytes = roomy(await readListed(dir, file), last.get(path.slice(0, path.lastIndexOf('/'))) === path);
    const there = await readPlain(join(state, path)).catch((e: NodeJS.ErrnoException) => {
      if (e.code === 'ENOENT') return undefined;
      throw e;
    });
    if (there === undefined) {
      await placeFile(state, path, bytes, owner);
      written++;
    } else if (!equal(there, bytes)) {
      throw new AttestdError('EXISTS', `${join(state, path)} is there already, and another`);
    }
  }
  return written;
}

/** Whose the state directory is, where root writes into it. */
function ownerOf(state: string): Owner | undefined {
  const s = statSync(state, { throwIfNoEntry: false });
  if (s === undefined)
    throw new AttestdError(
      'NOT_FOUND',
      `there is no ${state}: the package makes it; else make it, mode 0700, for the user of the daemon`,
    );
  return process.geteuid?.() === 0 ? { uid: s.uid, gid: s.gid } : undefined;
}
