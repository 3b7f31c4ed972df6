/**
 * The file in which an interrupted audit keeps its place; replaced whole, by rename. Its digest is in it: an audit that went on
 * from a damaged place would say of a log what is not so.
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fromHex, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import type { Cursor } from '../../store/reader.ts';
import type { AuditCursor } from '../../verify/audit/cursor.ts';

interface Kept {
  readonly origin: string;
  /** In a directory: the frame to go on with. */
  readonly place?: {
    readonly ordinal: number;
    readonly offset: number;
    readonly size: number;
    readonly chain: string;
  };
  /** Through a socket: how many seals are done. */
  readonly seals?: number;
  readonly audit: AuditCursor;
}

/** What is kept for this log; nothing when the file is not there or is about another log. @throws USAGE, MALFORMED */
function readKept(file: string, origin: string, which: 'place' | 'seals'): Kept | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new AttestdError('USAGE', `${file}: ${(e as NodeJS.ErrnoException).code}`);
  }
  const none = (cause?: unknown) =>
    new AttestdError('MALFORMED', `${file} is not the cursor of such an audit; remove it to begin anew`, {
      cause,
    });
  try {
    const { sha256, kept } = JSON.parse(text) as { sha256: unknown; kept: Kept };
    if (digestOf(kept) !== sha256 || typeof kept.origin !== 'string' || typeof kept.audit !== 'object')
      throw none();
    if (kept.origin !== origin) return undefined;
    if (kept[which] === undefined) throw none();
    return kept;
  } catch (cause) {
    throw cause instanceof AttestdError ? cause : none(cause);
  }
}

const digestOf = (kept: Kept): string => createHash('sha256').update(JSON.stringify(kept)).digest('hex');

function write(file: string, kept: Kept): void {
  writeFileSync(`${file}.tmp`, JSON.stringify({ sha256: digestOf(kept), kept }), { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

/** The place kept for a log in a directory. @throws USAGE, MALFORMED */
export function readCursor(file: string, origin: string): { place: Cursor; audit: AuditCursor } | undefined {
  const kept = readKept(file, origin, 'place');
  if (kept?.place === undefined) return undefined;
  const { ordinal, offset, size, chain } = kept.place;
  return { place: { place: { ordinal, offset }, size, chain: fromHex(chain) }, audit: kept.audit };
}

/** Keeps the place in a directory. */
export function keepCursor(file: string, origin: string, at: Cursor, audit: AuditCursor): void {
  write(file, { origin, place: { ...at.place, size: at.size, chain: toHex(at.chain) }, audit });
}

/** What is kept for a log that is read through a socket. @throws USAGE, MALFORMED */
export function readSocketCursor(
  file: string,
  origin: string,
): { seals: number; audit: AuditCursor } | undefined {
  const kept = readKept(file, origin, 'seals');
  return kept?.seals === undefined ? undefined : { seals: kept.seals, audit: kept.audit };
}

/** Keeps how far an audit through a socket has come. */
export function keepSocketCursor(file: string, origin: string, seals: number, audit: AuditCursor): void {
  write(file, { origin, seals, audit });
}
