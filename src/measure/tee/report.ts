/**
 * The report that a boot entry carries (design: TEE): from configfs-tsm or from a Nitro module, whichever the machine
 * has. Nothing here may keep a daemon from starting, so what there is and does not work is `unreadable`, and the
 * auditor sees that.
 */
import { toBase64 } from '../../core/bytes.ts';
import type { Predicate } from '../../evidence/statement.ts';
import type { Observer } from '../observer/observer.ts';
import { readTsmReport, type TsmTree } from './configfs.ts';
import { openNsm, readNsmDocument } from './nsm.ts';

/** As the boot predicate has it. */
export type TeeEvidence = Predicate<'boot'>['tee'];

/** Bounds of the boot predicate, in bytes. */
const MAX_REPORT = 16_384;
const MAX_CERTIFICATES = 24_576;

export interface TeeSources {
  /** Root of configfs-tsm. */
  readonly path: string;
  /** Device of the Nitro module. */
  readonly nsm: string;
  readonly random: (n: number) => Uint8Array;
  /** Time after which the report is given up, in milliseconds. */
  readonly deadlineMs: number;
  /** Says why there is none. */
  readonly onTrouble: (e: Error) => void;
  readonly tree?: TsmTree;
  /** Asked where the kernel gives reports to root only. */
  readonly observer?: Observer | undefined;
}

/**
 * The report over 64 bytes. Never throws.
 * @returns undefined where this is no confidential machine
 */
export async function readTeeEvidence(reportData: Uint8Array, sources: TeeSources): Promise<TeeEvidence> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = new Error(`no report of the confidential machine within ${sources.deadlineMs} ms`);
    timer = setTimeout(() => reject(why), sources.deadlineMs);
  });
  try {
    return await Promise.race([read(reportData, sources), late]);
  } catch (e) {
    sources.onTrouble(e as Error);
    return 'unreadable';
  } finally {
    clearTimeout(timer);
  }
}

async function read(reportData: Uint8Array, sources: TeeSources): Promise<TeeEvidence> {
  const { path, nsm, random, tree, observer } = sources;
  const tsm = await readTsmReport(path, reportData, random, tree).catch((e: NodeJS.ErrnoException) => {
    if (observer === undefined || (e.code !== 'EACCES' && e.code !== 'EPERM')) throw e;
    return observer.report(reportData);
  });
  if (tsm !== undefined) {
    // The auditor can have the certificates elsewhere, from AMD's key service; the report only from here.
    const { length } = tsm.auxiliary;
    const keep = tsm.platform === 'sev-snp' && length > 0 && length <= MAX_CERTIFICATES;
    return {
      platform: tsm.platform,
      report: bounded(tsm.report),
      ...(keep ? { certificates: toBase64(tsm.auxiliary) } : {}),
    };
  }
  const exchange = openNsm(nsm);
  if (exchange === undefined) return undefined;
  return { platform: 'nitro', report: bounded(readNsmDocument(exchange, reportData)) };
}

function bounded(report: Uint8Array): string {
  if (report.length > MAX_REPORT)
    throw new Error(`a report of ${report.length} bytes is longer than an entry takes`);
  return toBase64(report);
}
