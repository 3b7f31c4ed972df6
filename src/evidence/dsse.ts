/**
 * Entries: the DSSE pre-authentication encoding of a statement. An entry is hashed as stored and never made again to
 * be verified; so reading one is the strict inverse of PAE, and its payload must be RFC 8785 canonical. DSSE v1.0.2
 * (protocol.md); in-toto Statement v1.
 */
import { concat, equal, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { type JsonObject, jcsBytes, parseJson } from '../core/json.ts';
import { PAYLOAD_TYPE } from '../core/namespace.ts';

/** Largest entry in bytes: what the 16-bit length of a tlog-tiles entry bundle can say. */
export const MAX_ENTRY = 65_535;

const PREFIX = utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} `);

/** PAE: `DSSEv1 SP len(type) SP type SP len(payload) SP payload`, lengths of the UTF-8 bytes in decimal. */
export function pae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType);
  return concat(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload);
}

/** The entry of a statement's bytes. @throws RECORD_TOO_LARGE over 65,535 bytes */
export function makeEntry(payload: Uint8Array): Uint8Array {
  const entry = pae(PAYLOAD_TYPE, payload);
  if (entry.length > MAX_ENTRY) {
    throw new AttestdError(
      'RECORD_TOO_LARGE',
      `the record would be ${entry.length} bytes, ${MAX_ENTRY} allowed`,
    );
  }
  return entry;
}

/** SHA-256(entry), the one identity of a record; 32 bytes. */
export function recordDigest(entry: Uint8Array): Uint8Array {
  return sha256(entry);
}

/** The statement in an entry: its bytes as signed and what they say. */
export interface EntryContent {
  readonly payload: Uint8Array;
  readonly json: JsonObject;
}

/** Takes an entry apart; what is accepted encodes back to the same bytes. @throws MALFORMED, TOO_LARGE */
export function parseEntry(entry: Uint8Array): EntryContent {
  if (entry.length > MAX_ENTRY) {
    throw new AttestdError('TOO_LARGE', `an entry of ${entry.length} bytes, ${MAX_ENTRY} allowed`);
  }
  if (!equal(entry.subarray(0, PREFIX.length), PREFIX)) {
    throw new AttestdError('MALFORMED', `the entry is not the PAE of ${PAYLOAD_TYPE}`);
  }
  const at = entry.indexOf(0x20, PREFIX.length);
  const payload = entry.slice(at + 1);
  const length = utf8(String(payload.length));
  if (at < 0 || !equal(entry.subarray(PREFIX.length, at), length)) {
    throw new AttestdError('MALFORMED', 'the length in the entry is not that of its payload');
  }
  const json = parseJson(payload);
  if (json === null || typeof json !== 'object' || Array.isArray(json)) {
    throw new AttestdError('MALFORMED', 'the payload of the entry is not a JSON object');
  }
  if (!equal(jcsBytes(json), payload)) {
    throw new AttestdError('MALFORMED', 'the payload of the entry is not canonical (RFC 8785)');
  }
  return { payload, json };
}
