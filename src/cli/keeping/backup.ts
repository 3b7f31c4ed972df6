/**
 * Making a backup: a directory of the layout of a state directory, with a list of what is in it. The daemon may run. It
 * is whole or not there: everything is written and synced under another name, and the list last.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { formatTime } from '../../core/time.ts';
import { layoutOf, readCurrent } from '../../daemon/layout.ts';
import { copyLog } from '../../store/copying.ts';
import { syncDirectory } from '../../store/disk.ts';
import { sha256Of } from '../../store/hash.ts';
import { epochDir, epochs } from '../../store/layout.ts';
import { VERSION } from '../version.ts';
import { listFiles, readPlain } from './files.ts';
import { belongs, MANIFEST, type Manifest, printManifest } from './manifest.ts';
import { placeFile } from './place.ts';

export interface BackupInput {
  readonly state: string;
  /** SHA-256 of the configuration, hex. */
  readonly config: string;
  readonly openings: boolean;
  readonly keys: boolean;
  readonly now: number;
  readonly progress?: (entries: number) => void;
}

/**
 * Makes the backup `to`, which must not exist.
 * @throws EXISTS, NOT_INITIALISED, STORE_CORRUPT; STORAGE_UNAVAILABLE when it cannot be written
 */
export async function makeBackup(to: string, input: BackupInput): Promise<Manifest> {
  const dir = resolve(to);
  if (existsSync(dir)) throw new AttestdError('EXISTS', `${to} is there already`);
  // Before the logs: the log that it names is among them then.
  const current = await readPlain(layoutOf(input.state).current).catch(() => undefined);
  const { origin } = readCurrent(layoutOf(input.state));
  // Under a name that nobody had: what is there already is somebody's, and only what was made here is deleted.
  let half: string | undefined;
  try {
    await mkdir(dirname(dir), { recursive: true, mode: 0o700 });
    half = await mkdtemp(`${dir}.unfinished-`);
    const logs = await copyLogs(half, input);
    // After the logs: what their seals speak of was on the disk before them.
    for (const path of listFiles(input.state, false)) {
      if (path.startsWith('log/') || path === 'current.json' || !belongs(path, input.keys)) continue;
      const bytes = await readPlain(join(input.state, path)).catch((e: NodeJS.ErrnoException) => {
        // Taken away since it was listed: what is short of a full chunk is replaced by the chunk.
        if (e.code === 'ENOENT') return undefined;
        throw e;
      });
      if (bytes !== undefined) await placeFile(half, path, bytes);
    }
    if (current !== undefined) await placeFile(half, 'current.json', current);
    const files: Manifest['files'] = [];
    for (const path of listFiles(half, true)) {
      const bytes = await readPlain(join(half, path));
      files.push({ path, bytes: bytes.length, sha256: toHex(sha256Of(bytes)) });
    }
    const { openings, keys, config } = input;
    const made = formatTime(input.now);
    const schema = 'attestd.dev/backup/v1';
    const manifest = { schema, made, version: VERSION, config, current: origin, logs, openings, keys, files };
    await placeFile(half, MANIFEST, printManifest(manifest as Manifest));
    await rename(half, dir);
    await syncDirectory(dirname(dir));
    return manifest as Manifest;
  } catch (cause) {
    if (half !== undefined) await rm(half, { recursive: true, force: true }).catch(() => undefined);
    if (cause instanceof AttestdError) throw cause;
    throw new AttestdError('STORAGE_UNAVAILABLE', `the backup: ${(cause as Error).message}`, { cause });
  }
}

async function copyLogs(half: string, input: BackupInput): Promise<Manifest['logs']> {
  const logs: Manifest['logs'] = [];
  for (const epoch of epochs(input.state).sort()) {
    const copied = await copyLog(epochDir(input.state, epoch), epochDir(half, epoch), input);
    const { origin, size, seal } = copied;
    logs.push({
      origin,
      size,
      ...(seal === undefined ? {} : { seal: { size: seal.size, seq: seal.seq, digest: toHex(seal.digest) } }),
    });
  }
  return logs;
}
