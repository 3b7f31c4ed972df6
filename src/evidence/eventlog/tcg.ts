/**
 * The firmware's measured-boot log (TCG PC Client Platform Firmware Profile 1.06 §10): the legacy SHA-1 form and the
 * crypto-agile form that its first event announces. Framing is strict and bounded; what an event means is not judged
 * here, and an event of unknown type keeps its place and is replayed like any other.
 */
import { fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type HashName, hashOf, TPM_ALG } from './hashes.ts';

/** EV_NO_ACTION: carries facts, never extends a PCR. */
export const EV_NO_ACTION = 0x00000003;
/** A log larger than this is refused unread. */
export const MAX_LOG = 16 * 1024 * 1024;
const MAX_EVENT = 4 * 1024 * 1024;
const MAX_EVENTS = 65_536;
const MAX_BANKS = 16;
const SPEC_ID = 'Spec ID Event03\0';
const LOCALITY = 'StartupLocality\0';

/** A bank that the log's header announces. */
export interface LogBank {
  /** TPM_ALG_ID. */
  readonly algorithm: number;
  /** Bytes of a digest. */
  readonly size: number;
}

export interface TcgEvent {
  /** Its place, from 0; the header event of a crypto-agile log counts. */
  readonly sequence: number;
  readonly pcr: number;
  /** Not covered by the digest: never the ground of a verdict. */
  readonly type: number;
  /** Digest for each TPM_ALG_ID. */
  readonly digests: ReadonlyMap<number, Uint8Array>;
  readonly data: Uint8Array;
}

export interface TcgLog {
  readonly format: 'sha1' | 'crypto-agile';
  readonly banks: readonly LogBank[];
  readonly events: readonly TcgEvent[];
  /** Locality of TPM2_Startup when the log says so (0, 3 or 4); it is where PCR 0 starts from. */
  readonly startupLocality: number | undefined;
  /** Bytes after the last event that are padding (all 0x00 or all 0xFF). */
  readonly padding: number;
}

/** Little-endian, unlike everything of the TPM itself. */
class Cursor {
  at = 0;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  fail(why: string): AttestdError {
    return new AttestdError('MALFORMED', `firmware log: ${why} at byte ${this.at}`);
  }
  take(n: number): number {
    if (n > this.bytes.length - this.at)
      throw this.fail(`${n} bytes wanted, ${this.bytes.length - this.at} left`);
    const at = this.at;
    this.at += n;
    return at;
  }
  u8(): number {
    return this.view.getUint8(this.take(1));
  }
  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }
  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }
  slice(n: number): Uint8Array {
    const at = this.take(n);
    return this.bytes.slice(at, at + n);
  }
}

/**
 * Parses a firmware log.
 * @throws TOO_LARGE over 16 MiB; MALFORMED naming the byte where the framing breaks
 */
export function parseTcgLog(bytes: Uint8Array): TcgLog {
  if (bytes.length > MAX_LOG)
    throw new AttestdError('TOO_LARGE', `the firmware log has ${bytes.length} bytes`);
  const cursor = new Cursor(bytes);
  const events: TcgEvent[] = [];
  let banks: LogBank[] = [{ algorithm: TPM_ALG.sha1, size: 20 }];
  let format: TcgLog['format'] = 'sha1';
  let startupLocality: number | undefined;
  let padding = 0;
  while (cursor.at < bytes.length) {
    padding = paddingAt(bytes, cursor.at);
    if (padding > 0) break;
    if (events.length >= MAX_EVENTS) throw cursor.fail(`more than ${MAX_EVENTS} events`);
    const event =
      format === 'sha1' ? legacyEvent(cursor, events.length) : agileEvent(cursor, events.length, banks);
    events.push(event);
    if (event.type !== EV_NO_ACTION) continue;
    if (events.length === 1 && startsWith(event.data, SPEC_ID)) {
      const header = specId(event.data);
      banks = header.banks;
      cursor.take(header.uncounted);
      format = 'crypto-agile';
    } else if (event.data.length === 17 && startsWith(event.data, LOCALITY)) {
      startupLocality = event.data[16] as number;
    }
  }
  return { format, banks, events, startupLocality, padding };
}

function legacyEvent(cursor: Cursor, sequence: number): TcgEvent {
  const pcr = cursor.u32();
  const type = cursor.u32();
  const digests = new Map([[TPM_ALG.sha1 as number, cursor.slice(20)]]);
  return { sequence, pcr, type, digests, data: eventData(cursor) };
}

function agileEvent(cursor: Cursor, sequence: number, banks: readonly LogBank[]): TcgEvent {
  const pcr = cursor.u32();
  const type = cursor.u32();
  const count = cursor.u32();
  if (count > MAX_BANKS) throw cursor.fail(`an event with ${count} digests`);
  const digests = new Map<number, Uint8Array>();
  for (let i = 0; i < count; i++) {
    const algorithm = cursor.u16();
    const bank = banks.find((b) => b.algorithm === algorithm);
    if (bank === undefined)
      throw cursor.fail(`a digest of algorithm 0x${algorithm.toString(16)}, not announced`);
    digests.set(algorithm, cursor.slice(bank.size));
  }
  return { sequence, pcr, type, digests, data: eventData(cursor) };
}

function eventData(cursor: Cursor): Uint8Array {
  const size = cursor.u32();
  if (size > MAX_EVENT) throw cursor.fail(`an event of ${size} bytes`);
  return cursor.slice(size);
}

/** TCG_EfiSpecIdEvent; `uncounted` is vendor information that some firmware leaves out of eventSize. */
function specId(data: Uint8Array): { banks: LogBank[]; uncounted: number } {
  const cursor = new Cursor(data);
  cursor.take(SPEC_ID.length + 4 + 1 + 1 + 1 + 1);
  const count = cursor.u32();
  if (count === 0 || count > MAX_BANKS) throw cursor.fail(`a header with ${count} algorithms`);
  const banks: LogBank[] = [];
  for (let i = 0; i < count; i++) {
    const algorithm = cursor.u16();
    const size = cursor.u16();
    if (size === 0 || size > 64) throw cursor.fail(`a digest size of ${size}`);
    if (banks.some((b) => b.algorithm === algorithm)) throw cursor.fail('an algorithm announced twice');
    banks.push({ algorithm, size });
  }
  const vendorInfo = cursor.u8();
  return { banks, uncounted: vendorInfo > 0 && cursor.at === data.length ? vendorInfo : 0 };
}

function startsWith(data: Uint8Array, text: string): boolean {
  if (data.length < text.length) return false;
  try {
    return fromUtf8(data.subarray(0, text.length)) === text;
  } catch {
    return false;
  }
}

/** How many bytes from `at` to the end are one repeated filler byte; 0 when they are not. */
function paddingAt(bytes: Uint8Array, at: number): number {
  const filler = bytes[at];
  if (filler !== 0xff && filler !== 0x00) return 0;
  for (let i = at; i < bytes.length; i++) if (bytes[i] !== filler) return 0;
  return bytes.length - at;
}

/**
 * The PCR values to which a log's events lead.
 * @param bank the hash bank to replay
 * @returns value by PCR index, for every PCR that an event extends
 * @throws MALFORMED when an extending event has no digest of that bank
 */
export function replayTcgLog(log: TcgLog, bank: HashName): ReadonlyMap<number, Uint8Array> {
  const algorithm = TPM_ALG[bank];
  const hash = hashOf(bank);
  const values = new Map<number, Uint8Array>();
  const size = log.banks.find((b) => b.algorithm === algorithm)?.size;
  if (size === undefined) throw new AttestdError('MALFORMED', `firmware log: it has no ${bank} bank`);
  if (log.startupLocality !== undefined) values.set(0, startValue(log, 0, size));
  for (const event of log.events) {
    if (event.type === EV_NO_ACTION) continue;
    const digest = event.digests.get(algorithm);
    if (digest === undefined) {
      throw new AttestdError('MALFORMED', `firmware log: event ${event.sequence} has no ${bank} digest`);
    }
    const old = values.get(event.pcr) ?? startValue(log, event.pcr, size);
    const both = new Uint8Array(old.length + digest.length);
    both.set(old);
    both.set(digest, old.length);
    values.set(event.pcr, hash(both));
  }
  return values;
}

/** Zeros, but the locality of start-up in PCR 0 and ones in the DRTM registers (PC Client Platform TPM Profile §3.3). */
function startValue(log: TcgLog, pcr: number, size: number): Uint8Array {
  const value = new Uint8Array(size).fill(pcr >= 17 && pcr <= 22 ? 0xff : 0);
  if (pcr === 0 && log.startupLocality !== undefined) value[size - 1] = log.startupLocality;
  return value;
}
