/**
 * systemd's own measurement log, `/run/log/systemd/tpm2-measure.log`: what services extended after the kernel was up.
 * A JSON text sequence (RFC 7464: 0x1E, JSON, 0x0A) of records near to the TCG's CEL-JSON, without record numbers.
 * Other tools append records of their own to it: one of another content type is kept as it is and replayed like any
 * other. A register may already hold what the firmware or systemd-stub measured, so a replay begins at given values.
 */
import { fromHex, utf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { extend, type HashName, hashOf, isHashName, SIZE } from './hashes.ts';

/** Where systemd keeps it. */
export const SYSTEMD_LOG = '/run/log/systemd/tpm2-measure.log';
/** A log larger than this is refused unread. */
const MAX_LOG = 16 * 1024 * 1024;
const MAX_RECORD = 256 * 1024;
const MAX_RECORDS = 65_536;
const MAX_DIGESTS = 16;
const RECORD_SEPARATOR = 0x1e;
const NEWLINE = 0x0a;

export interface SystemdRecord {
  /** Its place, from 0. */
  readonly sequence: number;
  /** The register that was extended; absent where something else was instead. */
  readonly pcr?: number;
  /** The NV index that was extended (systemd 259 and later). */
  readonly nvIndex?: number;
  /** The measurement register of a confidential machine that was extended instead of either. */
  readonly rtmr?: number;
  /** Digest by the name of its hash (`sha256`, …). */
  readonly digests: ReadonlyMap<string, Uint8Array>;
  /** `systemd`, or what another tool writes; absent where the record has none. */
  readonly contentType?: string;
  /** All that the record says of itself, of any form. Only `text` can be bound to a digest, see `textHolds`. */
  readonly content?: Json;
  /** What systemd measured, as text, and its kind (`phase`, `filesystem`, `volume-key`, `machine-id`, …). */
  readonly text?: string;
  readonly eventType?: string;
  /** The kernel's boot id, 32 hexadecimal digits. */
  readonly bootId?: string;
  /** Microseconds since boot. */
  readonly timestamp?: number;
}

export interface SystemdLog {
  readonly records: readonly SystemdRecord[];
  /** Bytes of a last record that was not written whole; 0 where there is none. */
  readonly cutOff: number;
}

/**
 * Parses the log.
 * @throws TOO_LARGE over 16 MiB; MALFORMED naming the record. A last record that was cut off is no fault: systemd
 *   extends before it writes, so register and log may differ by one after a crash, and `cutOff` says so
 */
export function parseSystemdLog(bytes: Uint8Array): SystemdLog {
  if (bytes.length > MAX_LOG) {
    throw new AttestdError('TOO_LARGE', `the systemd log has ${bytes.length} bytes`);
  }
  const records: SystemdRecord[] = [];
  let at = 0;
  while (at < bytes.length) {
    const sequence = records.length;
    const fault = (why: string) => new AttestdError('MALFORMED', `systemd log: record ${sequence} ${why}`);
    if (bytes[at] !== RECORD_SEPARATOR) throw fault('does not begin with a record separator');
    if (sequence >= MAX_RECORDS) throw fault(`is one more than ${MAX_RECORDS}`);
    let end = bytes.indexOf(RECORD_SEPARATOR, at + 1);
    const last = end < 0;
    if (last) end = bytes.length;
    if (end - at > MAX_RECORD) throw fault(`has ${end - at} bytes, at most ${MAX_RECORD} allowed`);
    if (bytes[end - 1] !== NEWLINE) {
      if (last) return { records, cutOff: end - at };
      throw fault('does not end with a newline');
    }
    records.push(readRecord(bytes.subarray(at + 1, end - 1), sequence, fault));
    at = end;
  }
  return { records, cutOff: 0 };
}

function readRecord(text: Uint8Array, sequence: number, fault: (why: string) => AttestdError): SystemdRecord {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (e) {
    throw fault(`is not read: ${(e as Error).message}`);
  }
  if (!isObject(value)) throw fault('is no JSON object');
  const pcr = integer(value, 'pcr', 23, fault);
  const nvIndex = integer(value, 'nv_index', 0xffff_ffff, fault);
  const rtmr = integer(value, 'rtmr', 255, fault);
  // One that names none of them is of something that is not known yet, and extends no register.
  if ([pcr, nvIndex, rtmr].filter((n) => n !== undefined).length > 1) {
    throw fault('names more than one of pcr, nv_index and rtmr');
  }
  const contentType = string(value, 'content_type', fault);
  const content = value.content as Json | undefined;
  // What others put there has their own form.
  const own = contentType === 'systemd' && content !== undefined;
  if (own && !isObject(content)) throw fault('has a content that is no object');
  const systemd = own ? (content as JsonObject) : {};
  return {
    sequence,
    ...(pcr === undefined ? {} : { pcr }),
    ...(nvIndex === undefined ? {} : { nvIndex }),
    ...(rtmr === undefined ? {} : { rtmr }),
    digests: readDigests(value.digests, fault),
    ...(contentType === undefined ? {} : { contentType }),
    ...(content === undefined ? {} : { content }),
    ...optional('text', string(systemd, 'string', fault)),
    ...optional('eventType', string(systemd, 'eventType', fault)),
    ...optional('bootId', string(systemd, 'bootId', fault)),
    ...optional('timestamp', integer(systemd, 'timestamp', Number.MAX_SAFE_INTEGER, fault)),
  };
}

function readDigests(list: unknown, fault: (why: string) => AttestdError): Map<string, Uint8Array> {
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_DIGESTS) {
    throw fault(`has no list of 1 to ${MAX_DIGESTS} digests`);
  }
  const digests = new Map<string, Uint8Array>();
  for (const item of list as unknown[]) {
    if (!isObject(item)) throw fault('has a digest that is no object');
    const { hashAlg, digest } = item;
    if (typeof hashAlg !== 'string' || typeof digest !== 'string' || digest.length > 128) {
      throw fault('has a digest without hashAlg or digest');
    }
    if (digests.has(hashAlg)) throw fault(`has two digests of ${hashAlg}`);
    let value: Uint8Array;
    try {
      value = fromHex(digest);
    } catch {
      throw fault(`has a digest of ${hashAlg} that is not hexadecimal`);
    }
    if (isHashName(hashAlg) && value.length !== SIZE[hashAlg]) {
      throw fault(`has a digest of ${hashAlg} of ${value.length} bytes`);
    }
    digests.set(hashAlg, value);
  }
  return digests;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function string(of: JsonObject, name: string, fault: (why: string) => AttestdError): string | undefined {
  const value = of[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw fault(`has a ${name} that is no text`);
  return value;
}

function integer(
  of: JsonObject,
  name: string,
  most: number,
  fault: (why: string) => AttestdError,
): number | undefined {
  const value = of[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most) {
    throw fault(`has a ${name} that is no number up to ${most}`);
  }
  return value;
}

function optional<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [P in K]?: V };
}

/**
 * Whether every digest that we can compute is that of the record's text, so that the text is what the register holds.
 * Absent where that cannot be known: another content type, no text, no known hash, or a `volume-key`, which is an HMAC
 * under the key itself.
 */
export function textHolds(record: SystemdRecord): boolean | undefined {
  const { text, eventType } = record;
  if (text === undefined || eventType === 'volume-key') return undefined;
  let known: boolean | undefined;
  for (const [name, digest] of record.digests) {
    if (!isHashName(name)) continue;
    const computed = hashOf(name)(utf8(text));
    known = (known ?? true) && computed.every((b, i) => b === digest[i]);
  }
  return known;
}

/**
 * The register values to which the records lead, NV indices left out.
 * @param start values before the first record; a register that is not in it starts from zeros
 * @returns value by register, for every register that a record extends
 * @throws MALFORMED when a record has no digest of that bank
 */
export function replaySystemdLog(
  records: readonly SystemdRecord[],
  bank: HashName,
  start: ReadonlyMap<number, Uint8Array> = new Map(),
): Map<number, Uint8Array> {
  const values = new Map<number, Uint8Array>();
  for (const { pcr, digests, sequence } of records) {
    if (pcr === undefined) continue;
    const digest = digests.get(bank);
    if (digest === undefined) {
      throw new AttestdError('MALFORMED', `systemd log: record ${sequence} has no ${bank} digest`);
    }
    const old = values.get(pcr) ?? start.get(pcr) ?? new Uint8Array(SIZE[bank]);
    values.set(pcr, extend(bank, old, digest));
  }
  return values;
}
