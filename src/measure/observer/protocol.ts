/**
 * What attestd and its root helper say to each other: one question on a connection, one line of ASCII, and an answer in
 * pieces. There is one spelling of everything and a bound on everything; what is spelt in any other way ends the
 * connection. Both sides read by this file, so they cannot disagree.
 *
 *   exe <pid> <start ticks> | firmware | ima | systemd | tsm <64 bytes in hex>      the question, then a newline
 *   +<length> \n <bytes> … . \n                                                     pieces of the answer, then the end
 *   -gone | -absent | -unreadable | -long                                           instead of the next piece
 */
import { fromHex, fromUtf8, toHex } from '../../core/bytes.ts';

/** Logs that the kernel or systemd show to root. */
export const LOGS = ['firmware', 'ima', 'systemd'] as const;
export type LogName = (typeof LOGS)[number];

export type Question =
  | { readonly ask: 'exe'; readonly pid: number; readonly startTicks: number }
  | { readonly ask: LogName }
  | { readonly ask: 'tsm'; readonly data: Uint8Array };

/** Why there is no answer: the process is another or none, there is no such thing, it may not be read, it is too long. */
export const REFUSALS = ['gone', 'absent', 'unreadable', 'long'] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Longest question, with its newline. */
export const MAX_QUESTION = 160;
/** Longest piece of an answer. */
export const MAX_PIECE = 65_536;
/** Bytes of report data. */
const REPORT_DATA = 64;
/** Longest line before a piece, without its newline. */
const MAX_HEAD = 12;

const EXE = /^exe ([1-9][0-9]{0,9}) ([1-9][0-9]{0,15})$/;
const TSM = /^tsm ([0-9a-f]{128})$/;

/** The line of a question, with its newline. */
export function printQuestion(q: Question): string {
  if (q.ask === 'exe') return `exe ${q.pid} ${q.startTicks}\n`;
  return q.ask === 'tsm' ? `tsm ${toHex(q.data)}\n` : `${q.ask}\n`;
}

/** The question in a line without its newline; undefined where it is none. */
export function parseQuestion(line: string): Question | undefined {
  const log = LOGS.find((name) => name === line);
  if (log !== undefined) return { ask: log };
  const exe = EXE.exec(line);
  if (exe !== null) {
    const pid = Number(exe[1]);
    const startTicks = Number(exe[2]);
    return pid > 0x7fffffff || !Number.isSafeInteger(startTicks)
      ? undefined
      : { ask: 'exe', pid, startTicks };
  }
  const tsm = TSM.exec(line);
  if (tsm === null) return undefined;
  const data = fromHex(tsm[1] as string);
  return data.length === REPORT_DATA ? { ask: 'tsm', data } : undefined;
}

export const printPiece = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`+${bytes.length}\n`, 'latin1'), bytes]);
export const END = '.\n';
export const printRefusal = (why: Refusal): string => `-${why}\n`;

/** What an answer that is over came to. */
export type Ended = 'whole' | Refusal;

/** Reads an answer as it arrives. */
export interface AnswerReader {
  /**
   * Takes bytes; hands pieces to `onBytes` as far as they have come.
   * @returns how the answer ended, once it has
   * @throws Error where the bytes are no answer, or go on after its end
   */
  take(chunk: Uint8Array): Ended | undefined;
}

export function createAnswerReader(onBytes: (bytes: Uint8Array) => void): AnswerReader {
  let head = '';
  let left = 0;
  let ended = false;
  const fault = (what: string) => new Error(`the answer of attestd-observe ${what}`);

  function headed(): Ended | undefined {
    if (head === '.') return 'whole';
    const refusal = REFUSALS.find((r) => head === `-${r}`);
    if (refusal !== undefined) return refusal;
    const length = /^\+([1-9][0-9]{0,4})$/.exec(head);
    left = length === null ? 0 : Number(length[1]);
    if (left === 0 || left > MAX_PIECE) throw fault('is not one');
    head = '';
    return undefined;
  }

  return {
    take(chunk) {
      for (let at = 0; at < chunk.length; ) {
        if (ended) throw fault('goes on after its end');
        if (left > 0) {
          const piece = chunk.subarray(at, at + left);
          onBytes(piece);
          left -= piece.length;
          at += piece.length;
          continue;
        }
        const byte = chunk[at++] as number;
        if (byte !== 0x0a) {
          head += String.fromCharCode(byte);
          if (head.length > MAX_HEAD) throw fault('is not one');
          continue;
        }
        const end = headed();
        if (end === undefined) continue;
        ended = true;
        if (at < chunk.length) throw fault('goes on after its end');
        return end;
      }
      return undefined;
    },
  };
}

/** Digest and path of an executable, as one answer holds them. */
export const printExecutable = (sha256: string, path: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${sha256} `, 'latin1'), path]);

/** @throws where it is no such answer, or the path is not UTF-8 */
export function parseExecutable(bytes: Uint8Array): { readonly path: string; readonly sha256: string } {
  const text = fromUtf8(bytes);
  if (!/^[0-9a-f]{64} [^\0]+$/s.test(text)) throw new Error('the answer names no executable');
  return { sha256: text.slice(0, 64), path: text.slice(65) };
}

/** A report with what the host adds. */
export interface ReportAnswer {
  readonly platform: 'sev-snp' | 'tdx';
  readonly report: Uint8Array;
  readonly auxiliary: Uint8Array;
}

export const printReport = ({ platform, report, auxiliary }: ReportAnswer): Buffer =>
  Buffer.concat([Buffer.from(`${platform} ${report.length}\n`, 'latin1'), report, auxiliary]);

/** @throws where it is no such answer */
export function parseReport(bytes: Uint8Array): ReportAnswer {
  const end = bytes.indexOf(0x0a);
  const head = /^(sev-snp|tdx) ([1-9][0-9]{0,5})$/.exec(
    String.fromCharCode(...bytes.subarray(0, Math.min(end, 32))),
  );
  const length = Number(head?.[2]);
  if (head === null || end < 0 || bytes.length < end + 1 + length) throw new Error('the answer is no report');
  const report = Uint8Array.from(bytes.subarray(end + 1, end + 1 + length));
  const platform = head[1] === 'tdx' ? 'tdx' : 'sev-snp';
  return { platform, report, auxiliary: Uint8Array.from(bytes.subarray(end + 1 + length)) };
}
