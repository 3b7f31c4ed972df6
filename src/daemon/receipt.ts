/**
 * What a caller gets back, as JSON text. Written by hand because thousands a second are, and every member is of an
 * alphabet that needs no escape: ULID, hexadecimal, numbers, an origin, base64.
 */
import type { ServerResponse } from 'node:http';
import { fromUtf8, toHex } from '../core/bytes.ts';
import { leafHash } from '../log/merkle.ts';
import type { Sealed } from '../store/seal.ts';

/** A record that is durable. */
export interface Place {
  readonly id: string;
  /** Record digest in hex. */
  readonly digest: string;
  readonly index: number;
  /** Origin of the log. */
  readonly log: string;
  /** Hashed only where the receipt has a proof, which leads from its leaf hash. */
  readonly entry: Uint8Array;
}

function head({ id, digest, index, log }: Omit<Place, 'entry'>): string {
  return `{"id":"${id}","digest":"${digest}","index":${index},"log":"${log}"`;
}

/** Receipt of a durable record. */
export function durableReceipt(place: Omit<Place, 'entry'>): string {
  return `${head(place)},"strength":"durable"}`;
}

/**
 * Receipt of a record whose run ended before it was sealed: it is in the log and covered, but no seal speaks for the
 * environment in which it was made.
 */
export function recoveredReceipt(place: Place): string {
  return `${head(place)},"strength":"durable","recovered":true}`;
}

/** Receipt of a sealed record; `hashes` is its inclusion proof in the tree of the seal. */
export function sealedReceipt(place: Place, seal: Sealed, hashes: readonly Uint8Array[]): string {
  let proof = `c2sp.org/tlog-proof@v1\\nindex ${place.index}\\n`;
  for (const h of hashes) proof += `${base64(h)}\\n`;
  const leaf = toHex(leafHash(place.entry));
  return `${head(place)},"strength":"sealed","leaf":"${leaf}","proof":"${proof}\\n${escapedNote(seal)}"}`;
}

/** One seal answers many records: its note is escaped once. */
const escaped = new WeakMap<Sealed, string>();
function escapedNote(seal: Sealed): string {
  let text = escaped.get(seal);
  if (text === undefined) {
    text = JSON.stringify(fromUtf8(seal.note)).slice(1, -1);
    escaped.set(seal, text);
  }
  return text;
}

function base64(h: Uint8Array): string {
  return Buffer.from(h.buffer, h.byteOffset, h.byteLength).toString('base64');
}

/** One receipt, in one write. */
export function sendReceipt(response: ServerResponse, status: number, receipt: string): void {
  response.writeHead(status, [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(receipt)),
  ]);
  response.end(receipt);
}
