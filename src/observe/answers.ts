/** What each question is answered with: bytes as they are read, or the word that says why there are none. */
import { open } from 'node:fs/promises';
import type { ExecutableReader } from '../measure/executable.ts';
import {
  type LogName,
  MAX_PIECE,
  printReport,
  type Question,
  type Refusal,
} from '../measure/observer/protocol.ts';
import { readTsmReport } from '../measure/tee/configfs.ts';
import { executableOf } from './process.ts';

export interface Sources {
  readonly executables: ExecutableReader;
  /** Where each log is. */
  readonly logs: Readonly<Record<LogName, string>>;
  /** Root of configfs-tsm. */
  readonly tsm: string;
  readonly random: (n: number) => Uint8Array;
}

/** Longest log that is handed out: ten million lines of IMA. */
const MAX_LOG = 1 << 30;

/** Pieces of the answer. @returns why there is none, or no more of it */
export async function* answer(
  q: Question,
  sources: Sources,
): AsyncGenerator<Uint8Array, Refusal | undefined> {
  if (q.ask === 'exe') {
    const found = await executableOf(q.pid, q.startTicks, sources.executables);
    if (typeof found === 'string') return found;
    yield found;
    return undefined;
  }
  if (q.ask === 'tsm') {
    const report = await reportOver(q.data, sources);
    if (typeof report === 'string') return report;
    for (let at = 0; at < report.length; at += MAX_PIECE) yield report.subarray(at, at + MAX_PIECE);
    return undefined;
  }
  return yield* logAt(sources.logs[q.ask]);
}

async function reportOver(data: Uint8Array, { tsm, random }: Sources): Promise<Buffer | Refusal> {
  try {
    const report = await readTsmReport(tsm, data, random);
    return report === undefined ? 'absent' : printReport(report);
  } catch {
    return 'unreadable';
  }
}

/** A log from its beginning; securityfs states no sizes, so it is read to the end. */
async function* logAt(path: string): AsyncGenerator<Uint8Array, Refusal | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'ENOENT' ? 'absent' : 'unreadable';
  }
  try {
    const buffer = new Uint8Array(MAX_PIECE);
    for (let size = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return undefined;
      size += bytesRead;
      if (size > MAX_LOG) return 'long';
      yield buffer.slice(0, bytesRead);
    }
  } catch {
    return 'unreadable';
  } finally {
    await file.close();
  }
}
