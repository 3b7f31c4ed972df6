/**
 * `attestctl audit`: every entry, root, seal and anchor of every log in a state directory, or of a running daemon. An
 * interruption leaves a cursor from which the next run goes on.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AttestdError, ERRORS } from '../../core/errors.ts';
import { useSha256 } from '../../core/hash.ts';
import { sha256Of } from '../../store/hash.ts';
import { auditAuthority, reportAuthority } from '../audit/authority.ts';
import { type AuditedLog, auditDirectory } from '../audit/directory.ts';
import { auditSocket } from '../audit/socket.ts';
import { type Input, text } from '../command.ts';
import type { Io } from '../io.ts';
import { checkBackup, holdLogs, isBackup } from '../keeping/checkbackup.ts';
import { createProgress } from '../progress.ts';

export async function run(input: Input): Promise<number> {
  useSha256(sha256Of);
  const state = input.args[0];
  const socket = text(input, 'socket');
  if ((state === undefined) === (socket === undefined)) {
    throw new AttestdError('USAGE', 'audit either a state directory or, by --socket, a running daemon');
  }
  if (state !== undefined && existsSync(join(state, 'authority.json'))) {
    return reportAuthority(input.io, await auditAuthority(state, text(input, 'ca'), input.io));
  }
  // Before anything in it is believed: damage on the way here is told from damage before.
  const backup = state !== undefined && isBackup(state) ? await checkBackup(state) : undefined;
  const progress = createProgress(input.io, 'entries', text(input, 'progress'));
  const cursor = text(input, 'cursor');
  let interrupted = false;
  const stop = () => {
    interrupted = true;
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  let logs: AuditedLog[];
  try {
    const watch = { progress, interrupted: () => interrupted, ...(cursor === undefined ? {} : { cursor }) };
    logs =
      state === undefined ? await auditSocket(socket as string, watch) : await auditDirectory(state, watch);
  } finally {
    progress.end();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
  // What the log itself says comes first: a list is only as good as whoever wrote it.
  if (backup !== undefined && logs.every((l) => l.verdict !== 'rejected')) holdLogs(backup, logs);
  return report(input.io, logs);
}

function report(io: Io, logs: readonly AuditedLog[]): number {
  const verdicts = logs.map((l) => l.verdict);
  const verdict = verdicts.includes('rejected')
    ? 'rejected'
    : verdicts.length === 0 || verdicts.includes('indeterminate')
      ? 'indeterminate'
      : 'verified';
  const entries = logs.reduce((n, l) => n + l.entries, 0);
  if (io.json) {
    io.out(`${JSON.stringify({ schema: 'attestd.dev/audit/v1', verdict, entries, logs })}\n`);
  } else {
    for (const log of logs) {
      const kinds = Object.entries(log.kinds).map(([kind, n]) => `${n} ${kind}`);
      io.out(`${io.style('bold', log.origin)}  ${log.entries} entries: ${kinds.join(', ')}\n`);
      io.out(`  ${log.seals} seals up to size ${log.sealed}, ${log.anchors} anchors, ${log.runs} runs\n`);
      if (log.entries > log.sealed) io.out(`  ? ${log.entries - log.sealed} entries are not sealed yet\n`);
      if (log.recovered > 0)
        io.out(`  ? ${log.recovered} entries were sealed by a later run: environment unknown\n`);
      if (log.removed > 0)
        io.out(`  ? ${log.removed} entries were removed for their age: in their places, and not read\n`);
      for (const at of log.foreign)
        io.out(
          `  ? entry ${at}: somebody else extended or reset the register in which the daemon measures itself\n`,
        );
      for (const f of log.findings)
        io.out(`  ${io.style('red', '✗ fail')}  ${f.id} at ${f.at}: ${f.sentence}\n`);
    }
    const colour = { verified: 'green', rejected: 'red', indeterminate: 'yellow' } as const;
    io.out(`${io.style(colour[verdict], verdict.toUpperCase())}\n`);
  }
  if (verdict === 'verified') return 0;
  return ERRORS[verdict === 'rejected' ? 'REJECTED' : 'INDETERMINATE'].exit;
}
