/**
 * Where things lie below the state directory. The name of the log in use is written last by `attestctl init` and
 * `recover`, with fsync and rename, so a half-made host has none and a start never makes one.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Type } from 'typebox';
import { Check } from 'typebox/value';
import { utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';

export interface Layout {
  /** Key blobs, their auth values (0600), certificate chain and CRL. */
  readonly identity: string;
  /** Which log is in use. */
  readonly current: string;
  /** Keys of callers, a file each (0600). */
  readonly keys: string;
  /** PCR values by the digest that a quote signs. */
  readonly pcrs: string;
  /** Decisions that wait for the log. */
  readonly late: string;
  /** Timestamps of seals, by epoch. */
  readonly timestamps: string;
  /** Logs of boots by their digest. */
  readonly bootLogs: string;
  /** IMA lists, a directory for each boot. */
  readonly ima: string;
  /** Places of measurements in one epoch's log. */
  measured(epoch: string): string;
  /** Directory of one epoch's log. */
  log(epoch: string): string;
}

/** Paths below a state directory; touches nothing. */
export function layoutOf(stateDir: string): Layout {
  return {
    identity: join(stateDir, 'identity'),
    current: join(stateDir, 'current.json'),
    keys: join(stateDir, 'keys'),
    pcrs: join(stateDir, 'pcrs'),
    late: join(stateDir, 'decisions.late'),
    timestamps: join(stateDir, 'timestamps'),
    bootLogs: join(stateDir, 'boot-logs'),
    ima: join(stateDir, 'ima'),
    measured: (epoch) => join(stateDir, 'log', epoch, 'measured'),
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

/** What a recovery lost, to be recorded in the first run of the new epoch. */
export interface Gap {
  readonly reason: string;
  readonly from?: number;
  readonly to?: number;
  readonly detail: string;
}

const Current = Type.Object(
  {
    v: Type.Literal(1),
    origin: Type.String({ pattern: '^[a-z0-9.-]+/[a-z0-9.-]+/[a-z0-9.-]+$', maxLength: 255 }),
    gap: Type.Optional(
      Type.Object(
        {
          reason: Type.String(),
          from: Type.Optional(Type.Integer({ minimum: 0 })),
          to: Type.Optional(Type.Integer({ minimum: 0 })),
          detail: Type.String(),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

/** Which log is in use, and what was lost when it was begun. */
export interface CurrentLog {
  readonly origin: string;
  readonly gap?: Gap;
}

/** Names the log in use. */
export function writeCurrent(layout: Layout, { origin, gap }: CurrentLog): void {
  const content = { v: 1, origin, ...(gap === undefined ? {} : { gap }) };
  writeDurably(layout.current, `${JSON.stringify(content)}\n`);
}

/** The log in use. @throws NOT_INITIALISED where there is none, STORE_CORRUPT where the file is not ours */
export function readCurrent(layout: Layout): CurrentLog {
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
  if (!Check(Current, value)) throw new AttestdError('STORE_CORRUPT', 'current.json does not name a log');
  return value;
}

/** Last segment of an origin `<fleet>/<host>/<epoch>`. */
export function epochOf(origin: string): string {
  return origin.slice(origin.lastIndexOf('/') + 1);
}
