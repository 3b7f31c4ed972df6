/**
 * Where things lie below the state directory. The name of the log in use is written last by `attestctl init` and
 * `recover`, with fsync and rename, so a half-made host has none and a start never makes one.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';

export interface Layout {
  /** Key blobs, their auth values (0600), certificate chain and CRL. */
  readonly identity: string;
  /** Which log is in use. */
  readonly current: string;
  /** PCR values by the digest that a quote signs. */
  readonly pcrs: string;
  /** Directory of one epoch's log. */
  log(epoch: string): string;
}

/** Paths below a state directory; touches nothing. */
export function layoutOf(stateDir: string): Layout {
  return {
    identity: join(stateDir, 'identity'),
    current: join(stateDir, 'current.json'),
    pcrs: join(stateDir, 'pcrs'),
    log: (epoch) => join(stateDir, 'log', epoch),
  };
}

/** Writes a file so that after a crash there is the old content or the new: temp file, fsync, rename, fsync of the directory. */
export function writeDurably(path: string, content: Uint8Array | string, mode = 0o600): void {
  const dir = dirname(path);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const temp = `${path}.tmp`;
  const bytes = typeof content === 'string' ? utf8(content) : content;
  const fd = openSync(temp, 'w', mode);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temp, path);
  const d = openSync(dir, 'r');
  try {
    fsyncSync(d);
  } finally {
    closeSync(d);
  }
}

/** Names the log in use. */
export function writeCurrent(layout: Layout, origin: string): void {
  writeDurably(layout.current, `${JSON.stringify({ v: 1, origin })}\n`);
}

/** Origin of the log in use. @throws NOT_INITIALISED where there is none, STORE_CORRUPT where it is unreadable */
export function readCurrent(layout: Layout): string {
  let text: string;
  try {
    text = readFileSync(layout.current, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new AttestdError('NOT_INITIALISED', 'this host has no log yet');
    }
    throw new AttestdError('STORAGE_UNAVAILABLE', `current.json: ${(e as Error).message}`, { cause: e });
  }
  const value = parseJson(text);
  const origin =
    value !== null && typeof value === 'object' && !Array.isArray(value) ? value.origin : undefined;
  if (typeof origin !== 'string' || !/^[a-z0-9.-]+\/[a-z0-9.-]+\/[a-z0-9.-]+$/.test(origin)) {
    throw new AttestdError('STORE_CORRUPT', 'current.json does not name a log');
  }
  return origin;
}

/** Last segment of an origin `<fleet>/<host>/<epoch>`. */
export function epochOf(origin: string): string {
  return origin.slice(origin.lastIndexOf('/') + 1);
}
