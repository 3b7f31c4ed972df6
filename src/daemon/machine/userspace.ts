/**
 * What services extended, as systemd's log tells it, for bundles: kept by boot, because the log is gone after the next,
 * and cut to what the quoted registers bear out, because it grows between a quote and a bundle and no event travels that
 * a register does not hold.
 *
 * Trusted? No: an attacker who can modify a file can only make events miss the quoted registers; they are then left out.
 */
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../core/bytes.ts';
import { extend } from '../../evidence/eventlog/hashes.ts';
import {
  parseSystemdLog,
  SYSTEMD_LOG,
  type SystemdRecord,
  textHolds,
} from '../../evidence/eventlog/systemd.ts';
import { MAX_USERSPACE_EVENTS, type UserspaceEvent } from '../../evidence/schema/bundle.ts';
import type { Observer } from '../../measure/observer/observer.ts';
import { writeDurably } from '../layout.ts';

const MAX_LOG = 16 * 1024 * 1024;
/** Longest text that an event of a bundle holds. */
const MAX_CONTENT = 4096;
const REGISTERS = 24;

export interface UserspaceLogs {
  /** Keeps what the log of this boot says now, where it can be read and says more than before. Never throws. */
  take(): Promise<void>;
  /** The log of a boot as it was kept; undefined where it was not. */
  find(bootId: string): Uint8Array | undefined;
}

export interface UserspaceInput {
  readonly dir: string;
  /** The boot that runs. */
  readonly bootId: string;
  readonly path?: string;
  readonly observer?: Observer | undefined;
  readonly onTrouble: (e: Error) => void;
}

const fileOf = (dir: string, bootId: string): string => join(dir, `${bootId}.systemd`);

/** @param input.dir made when the first log is kept */
export function createUserspaceLogs({
  dir,
  bootId,
  path = SYSTEMD_LOG,
  observer,
  onTrouble,
}: UserspaceInput): UserspaceLogs {
  let seen = -1;
  return {
    async take() {
      try {
        const { size, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0, mtimeMs: 0 };
        const mark = size + mtimeMs;
        if (size === 0 || size > MAX_LOG || mark === seen) return;
        const bytes = await readLog(path, observer);
        if (bytes === undefined || bytes.length === 0) return;
        writeDurably(fileOf(dir, bootId), bytes);
        seen = mark;
      } catch (e) {
        onTrouble(e as Error);
      }
    },
    find: (boot) => keptUserspace(dir, boot),
  };
}

/** The log of a boot as it was kept. */
export function keptUserspace(dir: string, bootId: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(fileOf(dir, bootId)));
  } catch {
    return undefined;
  }
}

async function readLog(path: string, observer: Observer | undefined): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'EACCES') throw e;
    const found = await observer?.log('systemd', MAX_LOG);
    return typeof found === 'string' ? undefined : found;
  }
}

/**
 * The events that lead from where the firmware left the registers to their quoted values.
 * @param start value in hex in front of the first event, by register
 * @param quoted value in hex, by register
 */
export function provenEvents(
  log: Uint8Array,
  start: (pcr: number) => string | undefined,
  quoted: (pcr: number) => string | undefined,
): UserspaceEvent[] {
  let records: readonly SystemdRecord[];
  try {
    ({ records } = parseSystemdLog(log));
  } catch {
    return [];
  }
  const limits = new Map<number, number>();
  for (let pcr = 0; pcr < REGISTERS; pcr++) {
    const [from, to] = [start(pcr), quoted(pcr)];
    if (from !== undefined && to !== undefined) limits.set(pcr, leading(records, pcr, from, to));
  }
  const out: UserspaceEvent[] = [];
  for (const record of records) {
    const { pcr, text } = record;
    const sha256 = record.digests.get('sha256');
    const left = pcr === undefined ? 0 : (limits.get(pcr) ?? 0);
    if (pcr === undefined || sha256 === undefined || left === 0) continue;
    limits.set(pcr, left - 1);
    const said =
      text !== undefined && text !== '' && text.length <= MAX_CONTENT && textHolds(record) === true;
    out.push({ pcr, sha256: toHex(sha256), ...(said ? { content: text } : {}) });
  }
  return out.length > MAX_USERSPACE_EVENTS ? [] : out;
}

/** How many of a register's events lead to the value; 0 where no number does. */
function leading(records: readonly SystemdRecord[], pcr: number, from: string, to: string): number {
  let value = new Uint8Array(Buffer.from(from, 'hex'));
  let n = 0;
  for (const record of records) {
    if (record.pcr !== pcr) continue;
    const digest = record.digests.get('sha256');
    if (digest === undefined) return 0;
    value = new Uint8Array(extend('sha256', value, digest));
    n++;
    if (toHex(value) === to) return n;
  }
  return 0;
}
