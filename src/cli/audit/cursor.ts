/** The file in which an interrupted audit keeps its place; replaced whole, by rename. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fromHex, toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import type { Cursor } from '../../store/reader.ts';
import type { AuditCursor } from '../../verify/audit/cursor.ts';

interface Kept {
  readonly origin: string;
  readonly place: {
    readonly ordinal: number;
    readonly offset: number;
    readonly size: number;
    readonly chain: string;
  };
  readonly audit: AuditCursor;
}

/** The place kept for this log; nothing when the file is not there or is about another log. @throws MALFORMED */
export function readCursor(file: string, origin: string): { place: Cursor; audit: AuditCursor } | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new AttestdError('USAGE', `${file}: ${(e as NodeJS.ErrnoException).code}`);
  }
  let kept: Kept;
  try {
    kept = JSON.parse(text) as Kept;
    if (kept.origin !== origin) return undefined;
    const { ordinal, offset, size, chain } = kept.place;
    return { place: { place: { ordinal, offset }, size, chain: fromHex(chain) }, audit: kept.audit };
  } catch (cause) {
    throw new AttestdError('MALFORMED', `${file} is not the cursor of an audit; remove it to begin anew`, {
      cause,
    });
  }
}

/** Keeps the place. */
export function keepCursor(file: string, origin: string, at: Cursor, audit: AuditCursor): void {
  const kept: Kept = { origin, place: { ...at.place, size: at.size, chain: toHex(at.chain) }, audit };
  writeFileSync(`${file}.tmp`, JSON.stringify(kept), { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}
