/**
 * What Intel's provisioning certification service says about versions (PCS API v4: `tcbInfo` of a family of platforms,
 * `enclaveIdentity` of the quoting enclave). The signature covers the exact bytes of the inner object, so the document
 * is taken apart as text, and nothing is ever serialised again.
 */
import { fromHex, fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Json, type JsonObject, parseJson } from '../../core/json.ts';

/** Largest document that is read, in bytes. */
export const MAX_PCS = 131_072;

/** A signed document of Intel's service. */
export interface PcsDocument {
  /** What the signature is over. */
  readonly signed: Uint8Array;
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array;
  readonly body: JsonObject;
  /** Milliseconds since 1970. */
  readonly issued: number;
  readonly nextUpdate: number;
}

/** One level of versions: components that must be reached, and what Intel calls a platform that does. */
export interface TcbLevel {
  readonly tcb: JsonObject;
  readonly status: string;
}

const malformed = (why: string) => new AttestdError('MALFORMED', `PCS document: ${why}`);

/**
 * Reads an answer of the service: `{"<name>":{…},"signature":"<hex>"}` and nothing else.
 * @throws MALFORMED, TOO_LARGE
 */
export function parsePcs(bytes: Uint8Array, name: 'tcbInfo' | 'enclaveIdentity'): PcsDocument {
  if (bytes.length > MAX_PCS) throw new AttestdError('TOO_LARGE', `a PCS document over ${MAX_PCS} bytes`);
  const text = fromUtf8(bytes).trimEnd();
  const head = `{"${name}":`;
  const tail = /,"signature":"([0-9a-fA-F]{128})"\}$/.exec(text);
  if (!text.startsWith(head) || tail === null) throw malformed(`not one of ${name}`);
  const signed = new TextEncoder().encode(text.slice(head.length, tail.index));
  const body = objectIn(parseJson(signed), name);
  return {
    signed,
    signature: fromHex((tail[1] as string).toLowerCase()),
    body,
    issued: dateIn(body, 'issueDate'),
    nextUpdate: dateIn(body, 'nextUpdate'),
  };
}

/** A member that is an object. @throws MALFORMED */
export function objectIn(value: Json | undefined, what: string): JsonObject {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw malformed(`${what} is no object`);
  return value;
}

/** The members of a list, each an object. @throws MALFORMED */
export function listIn(value: Json | undefined, what: string): JsonObject[] {
  if (!Array.isArray(value) || value.length > 1024) throw malformed(`${what} is no list`);
  return value.map((v) => objectIn(v, what));
}

/** Hexadecimal in whichever case Intel writes it. @throws MALFORMED */
export function hexIn(o: JsonObject, name: string, size: number): Uint8Array {
  const value = o[name];
  if (typeof value !== 'string' || value.length !== 2 * size) throw malformed(`${name} is not ${size} bytes`);
  return fromHex(value.toLowerCase());
}

/** A whole number from 0 to 65,535. @throws MALFORMED */
export function versionIn(o: JsonObject, name: string): number {
  const value = o[name];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 65_535) {
    throw malformed(`${name} is no version`);
  }
  return value;
}

/** The levels of a list, in Intel's order: highest first. @throws MALFORMED */
export function levelsIn(o: JsonObject): TcbLevel[] {
  return listIn(o.tcbLevels, 'tcbLevels').map((level) => {
    const status = level.tcbStatus;
    if (typeof status !== 'string') throw malformed('a level has no status');
    return { tcb: objectIn(level.tcb, 'tcb'), status };
  });
}

function dateIn(o: JsonObject, name: string): number {
  const value = o[name];
  const ms =
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)
      ? Date.parse(value)
      : Number.NaN;
  if (Number.isNaN(ms)) throw malformed(`${name} is no time`);
  return ms;
}
