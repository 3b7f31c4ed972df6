/**
 * Where things lie: `<state>/log/<epoch>/` with `wal/`, `checkpoint`, `tile/`, `index.mdb` and `lock`. Only the
 * segments in `wal/` are the log; `checkpoint` is the newest sealed note for whoever serves it, and a witness
 * against a shortened log; tiles and index are made from the segments and can be deleted.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import { parseSegmentName } from './segment.ts';

/** Paths of one log. */
export interface Layout {
  readonly dir: string;
  readonly wal: string;
  /** The segment that is kept allocated for the next need. */
  readonly spare: string;
  readonly checkpoint: string;
  readonly index: string;
  readonly lock: string;
}

export function layoutOf(dir: string): Layout {
  return {
    dir,
    wal: join(dir, 'wal'),
    spare: join(dir, 'wal', 'spare'),
    checkpoint: join(dir, 'checkpoint'),
    index: join(dir, 'index.mdb'),
    lock: join(dir, 'lock'),
  };
}

/** Directory of an epoch's log under the state directory. */
export function epochDir(stateDir: string, epoch: string): string {
  return join(stateDir, 'log', epoch);
}

/** The epochs that have a log under the state directory, unordered: no name says which came first. */
export function epochs(stateDir: string): string[] {
  try {
    return readdirSync(join(stateDir, 'log'), { withFileTypes: true })
      .filter((e) => e.isDirectory() && /^(?:0|[1-9][0-9]{0,19}|[0-9a-f]{32})$/.test(e.name))
      .map((e) => e.name);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}

/** A file of the log. */
export interface SegmentFile {
  readonly path: string;
  readonly ordinal: number;
  /** Entries in the log before it. */
  readonly first: number;
}

/**
 * The segments of a log, in order.
 * @throws NOT_FOUND when there is no log; STORE_CORRUPT when one is missing or out of order
 */
export function listSegments(layout: Layout): SegmentFile[] {
  let names: string[];
  try {
    names = readdirSync(layout.wal);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT')
      throw new AttestdError('NOT_FOUND', `there is no log in ${layout.dir}`);
    throw e;
  }
  const segments: SegmentFile[] = [];
  for (const name of names.sort()) {
    const parsed = parseSegmentName(name);
    if (parsed !== undefined) segments.push({ path: join(layout.wal, name), ...parsed });
  }
  if (segments.length === 0) throw new AttestdError('STORE_CORRUPT', `there is no segment in ${layout.wal}`);
  for (const [i, { ordinal }] of segments.entries()) {
    if (ordinal !== i) throw new AttestdError('STORE_CORRUPT', `segment ${i} is missing in ${layout.wal}`);
  }
  return segments;
}
