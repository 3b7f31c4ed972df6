/** Entry bundles of C2SP tlog-tiles: each entry as big-endian u16 length, then its bytes; up to 256 in one. */
import { AttestdError } from '../core/errors.ts';
import { Reader } from '../core/reader.ts';
import { TILE_WIDTH } from './tile.ts';

/** The most bytes that one entry may have: what the u16 length holds. */
export const MAX_ENTRY_SIZE = 65_535;

/** The bytes of a bundle. @throws RECORD_TOO_LARGE for an entry over 65,535 bytes, MALFORMED for none or over 256 */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length < 1 || entries.length > TILE_WIDTH) {
    throw new AttestdError('MALFORMED', `a bundle has 1 to 256 entries, not ${entries.length}`);
  }
  let length = 0;
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_SIZE) {
      throw new AttestdError('RECORD_TOO_LARGE', `an entry of ${entry.length} bytes, at most 65535 allowed`);
    }
    length += 2 + entry.length;
  }
  const out = new Uint8Array(length);
  let at = 0;
  for (const entry of entries) {
    out[at++] = entry.length >> 8;
    out[at++] = entry.length & 255;
    out.set(entry, at);
    at += entry.length;
  }
  return out;
}

/**
 * The entries of a bundle, as copies.
 * @param width how many it must have, 1 to 256
 * @throws MALFORMED when it has fewer or more, or bytes are left over
 */
export function parseEntries(bundle: Uint8Array, width: number): Uint8Array[] {
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new AttestdError('MALFORMED', 'tile width: not an integer from 1 to 256');
  }
  const reader = new Reader(bundle, 'entry bundle');
  const entries = Array.from({ length: width }, () => reader.sized(MAX_ENTRY_SIZE));
  reader.end();
  return entries;
}
