/**
 * The firmware's measured-boot log (TCG PC Client Platform Firmware Profile 1.06 §10): the legacy SHA-1 form and the
 * crypto-agile form that its first event announces. Framing is strict and bounded; what an event means is not judged
 * here, and an event of unknown type keeps its place and is replayed like any other.
 */
import { fromUtf8 } from '../../core/bytes.ts';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { Cursor } from './cursor.ts';
import { type LogDefect, logDefects } from './defects.ts';
import { EV } from './eventtypes.ts';
import { endsAt, fillerOf } from './filler.ts';
import { extend, type HashName, SIZE, TPM_ALG } from './hashes.ts';

/** EV_NO_ACTION: carries facts, never extends a PCR. */
export const EV_NO_ACTION = EV.NO_ACTION;
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
  /**
   * Locality of TPM2_Startup when the log says so (0, 3 or 4), or 4 when an H-CRTM was measured before it; it is where
   * PCR 0 starts from.
   */
  readonly startupLocality: number | undefined;
  /** Bytes after the last event that are padding (all 0x00 or all 0xFF). */
  readonly padding: number;
  /** Bytes behind a mark of the end that are no padding: what lay in that memory before, most likely. */
  readonly trailing: number;
  /** What is odd about the log and no reason not to read it; a policy may mind. */
  readonly defects: readonly LogDefect[];
}

/** A log, and where its framing breaks if it does. */
export interface TcgReading {
  /** The events before the fault. */
  readonly log: TcgLog;
  readonly fault?: AttestdError;
}

/**
 * Parses a firmware log.
 * @throws TOO_LARGE over 16 MiB; MALFORMED naming the byte where the framing breaks
 */
export function parseTcgLog(bytes: Uint8Array): TcgLog {
  const { log, fault } = readTcgLog(bytes);
  if (fault !== undefined) throw fault;
  return log;
}

/**
 * Reads as much of a firmware log as is whole: of one that was cut off, or goes over into rubbish, the events before
 * that and the fault beside them. Such a log shows what was begun, and must not be believed complete.
 * @throws TOO_LARGE over 16 MiB
 */
export function readTcgLog(bytes: Uint8Array): TcgReading {
  if (bytes.length > MAX_LOG)
    throw new AttestdError('TOO_LARGE', `the firmware log has ${bytes.length} bytes`);
  const cursor = new Cursor(bytes, 'firmware log');
  const events: TcgEvent[] = [];
  const found: Found = {
    banks: [{ algorithm: TPM_ALG.sha1, size: 20 }],
    format: 'sha1',
    uncounted: 0,
    padding: 0,
    trailing: 0,
  };
  let fault: AttestdError | undefined;
  try {
    readEvents(cursor, events, found);
  } catch (e) {
    if (!isAttestdError(e)) throw e;
    fault = e;
  }
  const { format, banks, padding, trailing } = found;
  const log = { format, banks, events, startupLocality: localityOf(events), padding, trailing };
  const defects = logDefects({ ...log, uncounted: found.uncounted });
  return { log: { ...log, defects }, ...(fault === undefined ? {} : { fault }) };
}

interface Found {
  banks: readonly LogBank[];
  format: TcgLog['format'];
  uncounted: number;
  padding: number;
  trailing: number;
}

function readEvents(cursor: Cursor, events: TcgEvent[], found: Found): void {
  const { bytes } = cursor;
  const filler = fillerOf(bytes);
  while (cursor.at < bytes.length) {
    if (cursor.at >= filler) {
      found.padding = cursor.left;
      return;
    }
    if (endsAt(bytes, cursor.at)) {
      found.trailing = cursor.left;
      return;
    }
    if (events.length >= MAX_EVENTS) throw cursor.fail(`more than ${MAX_EVENTS} events`);
    const event =
      found.format === 'sha1'
        ? legacyEvent(cursor, events.length)
        : agileEvent(cursor, events.length, found.banks);
    events.push(event);
    if (event.type === EV_NO_ACTION && events.length === 1 && startsWith(event.data, SPEC_ID)) {
      const header = specId(event.data);
      found.banks = header.banks;
      found.format = 'crypto-agile';
      cursor.take(header.uncounted);
      found.uncounted = header.uncounted;
    }
  }
}

/** Where PCR 0 starts from: the first record that says so before the register was extended. */
function localityOf(events: readonly TcgEvent[]): number | undefined {
  for (const { type, pcr, data } of events) {
    if (type === EV_NO_ACTION) {
      if (data.length === 17 && startsWith(data, LOCALITY)) return data[16] as number;
    } else if (pcr === 0) return type === EV.EFI_HCRTM_EVENT ? 4 : undefined;
  }
  return undefined;
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
    if (digests.has(algorithm)) throw cursor.fail('two digests of one algorithm');
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
  const cursor = new Cursor(data, 'firmware log header');
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

/** Register values, and the events that had no digest of the bank. */
export interface TcgReplay {
  /** By PCR index, for every PCR that an event extends. */
  readonly values: ReadonlyMap<number, Uint8Array>;
  /** Sequence numbers of extending events without a digest of the bank: they are left out of the values. */
  readonly lacking: readonly number[];
}

/**
 * The PCR values to which a log's events lead.
 * @param bank the hash bank to replay
 * @returns value by PCR index, for every PCR that an event extends
 * @throws MALFORMED when an extending event has no digest of that bank
 */
export function replayTcgLog(log: TcgLog, bank: HashName): ReadonlyMap<number, Uint8Array> {
  const { values, lacking } = replayTcgBank(log, bank);
  if (lacking.length > 0) {
    throw new AttestdError('MALFORMED', `firmware log: event ${lacking[0]} has no ${bank} digest`);
  }
  return values;
}

/**
 * The PCR values to which the events lead that have a digest of the bank; firmware exists that announces a bank and
 * extends it only now and then.
 * @throws MALFORMED when the log does not announce the bank
 */
export function replayTcgBank(log: TcgLog, bank: HashName): TcgReplay {
  const algorithm = TPM_ALG[bank];
  const values = new Map<number, Uint8Array>();
  const lacking: number[] = [];
  let launched = false;
  const announced = log.banks.find((b) => b.algorithm === algorithm);
  if (announced === undefined) throw new AttestdError('MALFORMED', `firmware log: it has no ${bank} bank`);
  if (announced.size !== SIZE[bank]) {
    throw new AttestdError(
      'MALFORMED',
      `firmware log: a ${bank} bank with digests of ${announced.size} bytes`,
    );
  }
  if (log.startupLocality !== undefined) values.set(0, startValue(log, 0, announced.size));
  for (const event of log.events) {
    if (event.type === EV_NO_ACTION) continue;
    const digest = event.digests.get(algorithm);
    if (digest === undefined) {
      lacking.push(event.sequence);
      continue;
    }
    if (isLateLaunch(event)) {
      launched = true;
      for (let pcr = 17; pcr <= 22; pcr++) values.delete(pcr);
    }
    const old = values.get(event.pcr) ?? startValue(log, event.pcr, announced.size, launched);
    values.set(event.pcr, extend(bank, old, digest));
  }
  return { values, lacking };
}

/** EVTYPE_HASH_START of Intel's TXT (Software Development Guide, appendix F). */
const TXT_HASH_START = 0x402;

/** Whether a D-RTM began with this event: it sets the registers 17 to 22 to zeros and then extends the first of them. */
export function isLateLaunch({ pcr, type }: Pick<TcgEvent, 'pcr' | 'type'>): boolean {
  return pcr === 17 && type === TXT_HASH_START;
}

/** Zeros, but the locality of start-up in PCR 0 and ones in the DRTM registers (PC Client Platform TPM Profile §3.3). */
function startValue(log: TcgLog, pcr: number, size: number, launched = false): Uint8Array {
  const value = new Uint8Array(size).fill(!launched && pcr >= 17 && pcr <= 22 ? 0xff : 0);
  if (pcr === 0 && log.startupLocality !== undefined) value[size - 1] = log.startupLocality;
  return value;
}
