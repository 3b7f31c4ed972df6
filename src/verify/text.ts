/** A report for a terminal: one line per check with a mark and a word, so that colour is never what tells them apart. */
import { printable } from '../core/printable.ts';
import type { Report, ReportedCheck } from './report.ts';
import type { Status } from './verdict.ts';

export interface TextOptions {
  /** Dresses a piece of text, for terminals that take colour; absent: plain. */
  readonly paint?: (text: string, status: Status) => string;
  /** Also the expected and actual values of checks that did not pass. */
  readonly details?: boolean;
  /** Also each measured file, with how far it can be believed. */
  readonly files?: boolean;
}

const MARK: Readonly<Record<Status, string>> = { pass: '✓ pass   ', fail: '✗ fail   ', unknown: '? unknown' };
const STATUS: Readonly<Record<Report['verdict'], Status>> = {
  verified: 'pass',
  rejected: 'fail',
  indeterminate: 'unknown',
};

/** The lines of a report, each with its newline. */
export function printText(report: Report, options: TextOptions = {}): string {
  const paint = options.paint ?? ((text: string) => text);
  const width = Math.max(...report.checks.map((c) => c.id.length), 1);
  const lines: string[] = [];
  for (const c of report.checks) {
    lines.push(
      `${paint(MARK[c.status], c.status)}  ${c.id.padEnd(width)}  ${printable(c.sentence)}${aside(c)}`,
    );
    if (options.details === true && c.status !== 'pass') {
      if (c.expected !== undefined) lines.push(`${' '.repeat(11)}expected: ${printable(c.expected)}`);
      if (c.actual !== undefined) lines.push(`${' '.repeat(11)}actual:   ${printable(c.actual)}`);
    }
  }
  if (report.confidential !== undefined) {
    const { platform, measurement } = report.confidential;
    lines.push(
      '',
      `The TPM key lives inside a confidential machine (${platform}), launched as "${printable(measurement)}".`,
    );
  }
  lines.push(...softwareLines(report, options.files === true));
  const simulated = report.simulated ? ', simulated (software TPM)' : '';
  const verdict = report.malformed ? 'REJECTED (malformed)' : report.verdict.toUpperCase();
  const level = `level ${report.level} reached, ${report.minimumLevel} required${simulated}`;
  lines.push('', `${paint(verdict, STATUS[report.verdict])}: ${level}`);
  return `${lines.join('\n')}\n`;
}

/** Which software the record was made under; file by file where that is wanted. */
function softwareLines({ software }: Report, files: boolean): string[] {
  if (software === undefined) return [];
  const { daemon, register, items, gaps, resettable } = software;
  const weak = resettable ? ', a register that any process can reset' : '';
  const corroborated = items.filter((i) => i.credence === 'IMA-corroborated').length;
  const how =
    corroborated === 0
      ? 'self-reported'
      : `${corroborated} of them IMA-corroborated, the others self-reported`;
  const broken = gaps === 0 ? '' : `; ${gaps} times somebody else extended it`;
  const lines = [
    '',
    `Made under attestd ${printable(daemon.version)} on node ${printable(daemon.node)}: ${items.length} files and settings in PCR ${register}${weak}, ${how}${broken}.`,
  ];
  if (files)
    for (const { type, name, sha256, credence, doubt } of items) {
      const why = doubt === undefined ? credence : `${credence}: ${doubt}`;
      lines.push(`  ${type.padEnd(6)} ${sha256 ?? 'unreadable'.padEnd(64)}  ${printable(name)}  (${why})`);
    }
  return lines;
}

const aside = (c: ReportedCheck): string => (c.status !== 'pass' && !c.required ? ' (not required)' : '');
