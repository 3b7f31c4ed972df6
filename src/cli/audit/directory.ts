/** Feeds an audit from the frames of a log on disk. The daemon may be running. */
import { join } from 'node:path';
import { AttestdError, isAttestdError } from '../../core/errors.ts';
import { epochs } from '../../store/layout.ts';
import { type Cursor, type LogReader, readLog, START } from '../../store/reader.ts';
import { Audit } from '../../verify/audit/audit.ts';
import type { AuditReport } from '../../verify/audit/finding.ts';
import type { Progress } from '../progress.ts';
import { keepCursor, readCursor } from './cursor.ts';

export type AuditedLog = AuditReport;

export interface Watch {
  readonly progress: Progress;
  /** Whether the auditor wants to stop; the place is kept first. */
  interrupted(): boolean;
  /** File for the place; absent: an interruption loses it. */
  readonly cursor?: string;
}

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
  let from: Cursor = kept?.place ?? START;
  let lastNote: Uint8Array | undefined;
  let keptAt = performance.now();
  const broken: string[] = [];
  const keep = async () => {
    if (watch.cursor !== undefined) keepCursor(watch.cursor, log.origin, from, await audit.save());
    keptAt = performance.now();
  };
  try {
    for await (const frame of log.frames(from)) {
      if (frame.kind === 'entries') {
        for (let i = 0; i < frame.batch.count; i++) audit.entry(frame.batch.entry(i));
        const bytes = frame.next.place.ordinal * SEGMENT_BYTES + frame.next.place.offset;
        watch.progress.update(audit.size, Math.round((audit.size * log.segments * SEGMENT_BYTES) / bytes));
      } else if (frame.kind === 'seal') {
        lastNote = frame.sealed.note;
        await audit.seal(lastNote);
      }
      from = frame.next;
      if (watch.interrupted()) {
        await keep();
        throw new AttestdError('INTERRUPTED', `at entry ${audit.size} of ${log.origin}`);
      }
      if (performance.now() - keptAt > KEEP_EVERY_MS) await keep();
    }
    checkpointFault(log, audit.size, broken);
  } catch (e) {
    if (!isAttestdError(e, 'STORE_CORRUPT')) throw e;
    broken.push(e.message);
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
