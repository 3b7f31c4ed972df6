/**
 * What real firmware does to its log: each fault that does not stop the reading has a name and a sentence, so that an
 * auditor sees it as that fault and a policy can refuse it. A fault in the framing is an error of the parser instead.
 */
import { EV } from './eventtypes.ts';
import type { LogBank, TcgEvent } from './tcg.ts';

export type LogDefectKind =
  /** There is no event at all. */
  | 'empty'
  /** Filler bytes stand after the last event. */
  | 'padding'
  /** Something that is no event stands behind the end of the log. */
  | 'trailing'
  /** The header's eventSize leaves out its vendor information. */
  | 'vendor-info-uncounted'
  /** An extending event has no digest of a bank that the header announces. */
  | 'digest-missing'
  /** An event of a register that no TPM has; Windows ends its log with one that extends nothing. */
  | 'register-unknown'
  /** A start-up locality that is none of 0, 3 and 4. */
  | 'locality-unknown'
  /** A start-up locality after PCR 0 was extended, or a second one: it is not used. */
  | 'locality-late'
  /** Start-up at locality 4 is inferred from an H-CRTM event; no record says so. */
  | 'locality-inferred'
  /** A register of 0 to 7 that was extended and has no separator: the log ends before the firmware handed over. */
  | 'separator-missing'
  /** A register was closed twice. */
  | 'separator-twice';

export interface LogDefect {
  readonly kind: LogDefectKind;
  /** Sequence number of the event, where it is one. */
  readonly event?: number;
  readonly detail: string;
}

/** One kind is told at most so many times. */
const MAX_EACH = 16;
/** Registers that the firmware closes with a separator before it hands over. */
const CLOSED = [0, 1, 2, 3, 4, 5, 6, 7];

interface Parts {
  readonly format: 'sha1' | 'crypto-agile';
  readonly banks: readonly LogBank[];
  readonly events: readonly TcgEvent[];
  readonly startupLocality: number | undefined;
  readonly padding: number;
  readonly trailing: number;
  /** Bytes of vendor information beyond the header's size. */
  readonly uncounted: number;
}

/** The defects of a log, in the order of its events, those of the whole first. */
export function logDefects(parts: Parts): LogDefect[] {
  const { banks, events, startupLocality, padding, trailing, uncounted } = parts;
  const found: LogDefect[] = [];
  const counted = new Map<LogDefectKind, number>();
  const add = (kind: LogDefectKind, detail: string, event?: number) => {
    const n = (counted.get(kind) ?? 0) + 1;
    counted.set(kind, n);
    if (n <= MAX_EACH) found.push({ kind, detail, ...(event === undefined ? {} : { event }) });
  };
  if (events.length === 0) add('empty', 'the log has no events');
  if (padding > 0) add('padding', `${padding} filler bytes after the last event`);
  if (trailing > 0) add('trailing', `${trailing} bytes behind the end of the log are no events`);
  if (uncounted > 0)
    add('vendor-info-uncounted', `${uncounted} bytes of vendor information are not in eventSize`, 0);
  let extended = false;
  let stated = false;
  const closed = new Set<number>();
  const touched = new Set<number>();
  for (const { sequence, pcr, type, digests, data } of events) {
    if (pcr > 23) add('register-unknown', `event ${sequence} is of register 0x${pcr.toString(16)}`, sequence);
    if (type === EV.NO_ACTION) {
      const locality = localityIn(data);
      if (locality === undefined) continue;
      if (extended || stated)
        add('locality-late', `event ${sequence} states a start-up locality too late`, sequence);
      else if (![0, 3, 4].includes(locality))
        add('locality-unknown', `start-up locality ${locality}`, sequence);
      stated = true;
      continue;
    }
    touched.add(pcr);
    if (pcr === 0) extended = true;
    const missing = banks.filter(({ algorithm }) => !digests.has(algorithm));
    if (missing.length > 0) {
      const names = missing.map(({ algorithm }) => `0x${algorithm.toString(16).padStart(4, '0')}`).join(', ');
      add('digest-missing', `event ${sequence} has no digest of ${names}`, sequence);
    }
    if (type !== EV.SEPARATOR) continue;
    if (closed.has(pcr)) add('separator-twice', `event ${sequence} closes register ${pcr} again`, sequence);
    closed.add(pcr);
  }
  if (!stated && startupLocality !== undefined) {
    add('locality-inferred', `start-up at locality ${startupLocality} follows from an H-CRTM event`);
  }
  const open = CLOSED.filter((pcr) => touched.has(pcr) && !closed.has(pcr));
  if (open.length > 0) add('separator-missing', `no separator in registers ${open.join(', ')}`);
  return found;
}

const LOCALITY = 'StartupLocality\0';

function localityIn(data: Uint8Array): number | undefined {
  if (data.length !== 17) return undefined;
  for (let i = 0; i < LOCALITY.length; i++) if (data[i] !== LOCALITY.charCodeAt(i)) return undefined;
  return data[16];
}
