/**
 * Where records wait while the daemon is away: a directory of the caller's own, a file for each execution, in it one
 * line of JSON for each record of it. The file is the interface: every client of attestd reads and writes the same one.
 *
 *   <directory>/<13 digits ms>-<6 digits n>-<pid>-<16 hex>.spool          mode 0600, directory 0700
 *   {"v":1,"key":K,"body":B}                     B: the request, verbatim as it will be sent, under Idempotency-Key K
 *   {"v":1,"key":K,"body":B,"hole":H}            H stands in later bodies of the file for this record's digest
 *
 * A line counts once its newline is synced; a torn last line was never acknowledged. What the daemon refuses for good
 * is renamed to `.refused` and stays. Names sort as the records came; a file is its writer's while that process lives.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { AttestdError } from '../core/errors.ts';

/** One record that waits. */
export interface SpoolLine {
  readonly key: string;
  readonly body: string;
  /** 64 hexadecimal digits in the bodies after it that stand for this record's digest. */
  readonly hole?: string;
}

export interface SpoolOptions {
  /** Absent: ATTESTD_SPOOL, else `attestd-spool` in XDG_STATE_HOME, else in ~/.local/state. */
  readonly directory?: string;
  /** Most that all files together may hold; 16 MiB when absent. */
  readonly maxBytes?: number;
}

export interface Spool {
  readonly directory: string;
  /** Writes a new file and syncs it. @returns its name @throws SPOOL_FULL, SPOOL_UNAVAILABLE */
  create(lines: readonly SpoolLine[]): string;
  /** Adds a line to a file and syncs it; false when somebody has taken the file away. @throws as `create` */
  append(name: string, line: SpoolLine): boolean;
  /** Names of the files that may be taken, the oldest first: all but those of other processes that live. */
  names(): string[];
  /** The whole lines of a file, or nothing when it is gone. @throws SPOOL_UNAVAILABLE when it is no spool file */
  read(name: string): SpoolLine[] | undefined;
  remove(name: string): void;
  /** Puts a file aside whose records the daemon refuses. @returns its new path */
  refuse(name: string): string;
}

const NAME = /^[0-9]{13}-[0-9]{6}-([1-9][0-9]{0,9})-[0-9a-f]{16}\.spool$/;
const DEFAULT_MAX = 16 * 1024 * 1024;
/** Two bodies of the largest size, as JSON text within JSON text. */
const MAX_FILE = 4 * 1024 * 1024;

/** The spool that options and environment name; nothing is made before something is written. */
export function openSpool(
  { directory, maxBytes = DEFAULT_MAX }: SpoolOptions,
  env: NodeJS.ProcessEnv,
): Spool {
  const state = env.XDG_STATE_HOME ?? join(homedir(), '.local/state');
  const dir = directory ?? env.ATTESTD_SPOOL ?? join(state, 'attestd-spool');
  let held: number | undefined;
  let count = 0;

  function guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof AttestdError) throw cause;
      throw new AttestdError('SPOOL_UNAVAILABLE', `${dir}: ${(cause as Error).message}`, { cause });
    }
  }
  const measure = (): number =>
    readdirSync(dir).reduce(
      (sum, f) => sum + (statSync(join(dir, f), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
  /** Takes room for a text. Another process may have emptied the spool meanwhile, so it is measured again when full. */
  function take(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (held === undefined || held + bytes > maxBytes) held = measure();
    if (held + bytes > maxBytes)
      throw new AttestdError('SPOOL_FULL', `${dir} holds ${held} bytes, at most ${maxBytes} may wait`);
    held += bytes;
  }
  function put(file: string, flags: number, text: string): void {
    const fd = openSync(file, flags, 0o600);
    try {
      const before = fstatSync(fd).size;
      try {
        writeFileSync(fd, text);
        fsyncSync(fd);
      } catch (e) {
        // Half a line must not become the beginning of the next one.
        ftruncateSync(fd, before);
        throw e;
      }
    } finally {
      closeSync(fd);
    }
  }
  const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const print = ({ key, body, hole }: SpoolLine) =>
    `${JSON.stringify({ v: 1, key, body, ...(hole === undefined ? {} : { hole }) })}\n`;

  return {
    directory: dir,
    create: (lines) =>
      guarded(() => {
        mkdirSync(dir, { recursive: true, mode: 0o700 });
        own(dir);
        const text = lines.map(print).join('');
        take(text);
        const n = String(count++ % 1_000_000).padStart(6, '0');
        const name = `${String(Date.now()).padStart(13, '0')}-${n}-${process.pid}-${randomBytes(8).toString('hex')}.spool`;
        put(join(dir, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, text);
        const fd = openSync(dir, constants.O_RDONLY);
        try {
          fsyncSync(fd);
        } finally {
          closeSync(fd);
        }
        return name;
      }),
    append: (name, line) =>
      guarded(() => {
        const text = print(line);
        take(text);
        try {
          put(join(dir, name), O_WRONLY | O_APPEND | O_NOFOLLOW, text);
          return true;
        } catch (e) {
          if ((e as NodeJS.ErrnoException).code === 'ENOENT') return false;
          throw e;
        }
      }),
    names: () =>
      guarded(() => {
        if (statSync(dir, { throwIfNoEntry: false }) === undefined) return [];
        own(dir);
        return readdirSync(dir)
          .filter((name) => {
            const pid = Number(NAME.exec(name)?.[1] ?? 0);
            return pid !== 0 && (pid === process.pid || !alive(pid));
          })
          .sort();
      }),
    read: (name) =>
      guarded(() => {
        const size = statSync(join(dir, name), { throwIfNoEntry: false })?.size;
        if (size === undefined) return undefined;
        if (size > MAX_FILE)
          throw new AttestdError('SPOOL_UNAVAILABLE', `${name} is larger than ${MAX_FILE} bytes`);
        return readFileSync(join(dir, name), 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((text) => parse(text, name));
      }),
    remove: (name) =>
      guarded(() => {
        held = undefined;
        unlinkIfThere(join(dir, name));
      }),
    refuse: (name) =>
      guarded(() => {
        const aside = join(dir, name.replace(/\.spool$/, '.refused'));
        renameSync(join(dir, name), aside);
        return aside;
      }),
  };
}

/** @throws SPOOL_UNAVAILABLE unless the directory is this user's alone: who can write it can put words in our mouth */
function own(dir: string): void {
  const found = lstatSync(dir);
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0)
    throw new AttestdError('SPOOL_UNAVAILABLE', `${dir} is not a directory of this user alone`);
}

function parse(text: string, name: string): SpoolLine {
  let line: Partial<Record<'v' | 'key' | 'body' | 'hole', unknown>> | null;
  try {
    line = JSON.parse(text);
  } catch {
    line = null;
  }
  const { v, key, body, hole } = line ?? {};
  if (v !== 1 || typeof key !== 'string' || typeof body !== 'string' || !isHole(hole))
    throw new AttestdError('SPOOL_UNAVAILABLE', `${name} holds a line that is none of a spool`);
  return { key, body, ...(hole === undefined ? {} : { hole }) };
}

const isHole = (hole: unknown): hole is string | undefined =>
  hole === undefined || (typeof hole === 'string' && /^[0-9a-f]{64}$/.test(hole));

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
  }
}
