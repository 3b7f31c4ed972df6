/**
 * The logs of the machine as evidence carries them: what the firmware, services and the kernel measured, each as far as
 * the registers of the quote bear it out. The same for the boot that runs, for boots before it, and without a daemon.
 */
import { toHex } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { printLogs } from '../../evidence/bundle.ts';
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import { parseTcgLog, replayTcgLog } from '../../evidence/eventlog/tcg.ts';
import { type LogsMember, MAX_FIRMWARE_LOG, type UserspaceEvent } from '../../evidence/schema/bundle.ts';
import { type Predicate, readStatement } from '../../evidence/statement.ts';
import { type BootLogFiles, createBootLogFiles } from '../bootlog.ts';
import type { Layout } from '../layout.ts';
import type { LogReader } from '../reader.ts';
import type { Snapshot } from './chunks.ts';
import type { ImaFollower } from './follower.ts';
import { createImaLists } from './lists.ts';
import { keptUserspace, provenEvents } from './userspace.ts';

/** PCR values of a quote, by index. */
export type QuotedValues = Readonly<Record<string, string>>;

export interface Shelf {
  readonly files: BootLogFiles;
  /**
   * The logs of the boot that a boot entry speaks of.
   * @param quoted values that the quote proves; absent where it came without
   * @param ima the IMA list too
   * @throws IMA_UNAVAILABLE where that is asked for and there is none
   */
  member(
    log: LogReader,
    bootIndex: number,
    quoted: QuotedValues | undefined,
    ima?: boolean,
  ): Promise<{ logs?: LogsMember }>;
  /** The attachment with this digest that a bundle named lately. */
  attachment(sha256: string): Snapshot | undefined;
}

const ZERO = '0'.repeat(64);

/** The boot that runs: its logs grow. */
export interface LiveLogs {
  readonly bootId: string;
  /** Absent where the kernel keeps no IMA list. */
  readonly follower?: ImaFollower;
  /** Keeps the log of services as it is now. Never throws. */
  readonly refresh: () => Promise<void>;
}

/** @param live absent where no daemon runs */
export function createShelf(layout: Layout, live?: LiveLogs): Shelf {
  const files = createBootLogFiles(layout.bootLogs);
  const lists = createImaLists(layout.ima, live);

  function firmwareOf({ firmwareLog }: Predicate<'boot'>): Uint8Array | undefined {
    if (typeof firmwareLog === 'string' || firmwareLog.size > MAX_FIRMWARE_LOG) return undefined;
    const firmware = files.find(firmwareLog.sha256);
    return firmware?.length === 0 ? undefined : firmware;
  }

  function userspaceOf(
    { bootId }: Predicate<'boot'>,
    firmware: Uint8Array | undefined,
    quoted: QuotedValues,
  ): UserspaceEvent[] {
    const log = keptUserspace(layout.bootLogs, bootId);
    if (log === undefined) return [];
    const booted = valuesAfter(firmware);
    return provenEvents(
      log,
      (pcr) => booted?.get(pcr) ?? ZERO,
      (pcr) => quoted[String(pcr)],
    );
  }

  return {
    files,
    async member(log, bootIndex, quoted, ima = false) {
      const boot = readStatement(log.entry(bootIndex)).predicate as Predicate<'boot'>;
      if (live?.bootId === boot.bootId) await live.refresh();
      const firmware = firmwareOf(boot);
      const userspace = quoted === undefined ? [] : userspaceOf(boot, firmware, quoted);
      const { logs } = printLogs({
        ...(firmware === undefined ? {} : { firmware }),
        ...(userspace.length === 0 ? {} : { userspace }),
      });
      if (!ima) return logs === undefined ? {} : { logs };
      const value = quoted?.[String(IMA_PCR)];
      if (value === undefined) {
        throw new AttestdError('IMA_UNAVAILABLE', `the seal proves no value of PCR ${IMA_PCR}`);
      }
      return { logs: { ...logs, ima: await lists.member(boot.bootId, value) } };
    },
    attachment: (sha256) => lists.attachment(sha256),
  };
}

/** Register values in hex after a firmware log; undefined where it cannot be read. */
function valuesAfter(firmware: Uint8Array | undefined): ReadonlyMap<number, string> | undefined {
  if (firmware === undefined) return undefined;
  try {
    const values = replayTcgLog(parseTcgLog(firmware), 'sha256');
    return new Map([...values].map(([pcr, value]) => [pcr, toHex(value)]));
  } catch {
    return undefined;
  }
}
