/** Feeds an audit from the frames of a log on disk. The daemon may be running. */
import { join } from 'node:path';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { epochs } from '../../store/layout.ts';
import { type Cursor, type LogReader, readLog, START } from '../../store/reader.ts';
import { Audit } from '../../verify/audit/audit.ts';
import type { AuditReport } from '../../verify/audit/finding.ts';
import type { Progress } from '../progress.ts';
import { keepCursor, readCursor } from './cursor.ts';
import { createLine } from './line.ts';
import { startReaders } from './readers.ts';

export type AuditedLog = AuditReport;

export interface Watch {
  readonly progress: Progress;
  /** Whether the auditor wants to stop; the place is kept first. */
  interrupted(): boolean;
  /** File for the place; absent: an interruption loses it. */
  readonly cursor?: string;
}

/** From its sources this runs in tests only, where Node cannot start a thread. */
const RUNS_BUILT = import.meta.url.endsWith('.js');
const KEEP_EVERY_MS = 5000;
const SEGMENT_BYTES = 16 * 1024 * 1024;

/** Audits every epoch under a state directory, the lowest number first. @throws NOT_FOUND, INTERRUPTED */
export async function auditDirectory(state: string, watch: Watch): Promise<AuditedLog[]> {
  const names = epochs(state).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  if (names.length === 0) throw new AttestdError('NOT_FOUND', `there is no log under ${state}`);
  const logs: AuditedLog[] = [];
  for (const name of names) logs.push(await auditLog(readLog(join(state, 'log', name)), watch));
  return logs;
}

async function auditLog(log: LogReader, watch: Watch): Promise<AuditedLog> {
  const kept = watch.cursor === undefined ? undefined : readCursor(watch.cursor, log.origin);
  const audit = kept === undefined ? new Audit() : Audit.restore(kept.audit);
  const line = createLine(audit, log.segments > 1 && RUNS_BUILT ? startReaders() : undefined);
  let keptAt = performance.now();
  const broken: string[] = [];
  const keep = async (at: Cursor) => {
    if (watch.cursor !== undefined) keepCursor(watch.cursor, log.origin, at, await audit.save());
    keptAt = performance.now();
  };
  try {
    for await (const frame of log.frames(kept?.place ?? START)) {
      const done = await line.take(frame);
      if (done !== undefined) {
        const bytes = done.place.ordinal * SEGMENT_BYTES + done.place.offset;
        watch.progress.update(audit.size, Math.round((audit.size * log.segments * SEGMENT_BYTES) / bytes));
      }
      const interrupted = watch.interrupted();
      if (!interrupted && performance.now() - keptAt <= KEEP_EVERY_MS) continue;
      await line.drain();
      await keep(frame.next);
      if (interrupted) throw new AttestdError('INTERRUPTED', `at entry ${audit.size} of ${log.origin}`);
    }
    await line.drain();
    checkpointFault(log, audit.size, broken);
  } catch (e) {
    if (!isAttestdError(e, 'STORE_CORRUPT')) throw e;
    await line.drain();
    broken.push(e.message);
  } finally {
    await line.close();
  }
  const report = await audit.finish();
  if (broken.length === 0) return report;
  const findings = [
    ...report.findings,
    ...broken.map((sentence) => ({ id: 'log-frames', at: audit.size, sentence })),
  ];
  return { ...report, verdict: 'rejected', findings };
}

/** The published checkpoint may not know more than the log holds. */
function checkpointFault(log: LogReader, size: number, broken: string[]): void {
  const published = log.checkpoint();
  if (published !== undefined && published.size > size) {
    broken.push(`a head of ${published.size} entries was published, the log holds ${size}`);
  }
}
