/** The picture of `attestctl top` for people: a screen of a terminal, or one line. */
import type { Io } from './io.ts';
import type { Picture } from './top.ts';

const absent = '–';
/** A style, or anything else that is shown in one place. */
const SHOWN = new RegExp(`(${'\x1b'}\\[[0-9;]*m)|.`, 'gu');

function short(n: number | null, unit = ''): string {
  return n === null ? absent : `${n.toLocaleString('en-US', { maximumFractionDigits: 1 })}${unit}`;
}

function bytes(n: number | null): string {
  if (n === null) return absent;
  const at = Math.min(4, Math.floor(Math.log2(Math.max(1, n)) / 10));
  return `${(n / 1024 ** at).toFixed(at === 0 ? 0 : 1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][at]}`;
}

function worst({ health }: Picture): [text: string, style: 'green' | 'yellow' | 'red'] {
  if (!health.canRecord) return ['does not record', 'red'];
  if (!health.canSeal) return ['records, does not seal', 'red'];
  return health.canBeTrusted
    ? ['records and seals', 'green']
    : ['seals, without a valid certificate', 'yellow'];
}

/** The lines of a screen. */
export function screenOf(p: Picture, socket: string, style: Io['style']): string[] {
  const [word, colour] = worst(p);
  const row = (name: string, ...parts: string[]): string =>
    `${style('dim', name.padEnd(10))}${parts.join('   ')}`;
  const { queue, totals } = p;
  return [
    `${style('bold', 'attestd')}  ${style(colour, word)}  ${style('dim', socket)}`,
    '',
    row('records', `${short(p.recordsPerSecond)}/s`, `durable in ${short(p.durableMs, ' ms')}`),
    row(
      'seals',
      `${short(p.sealsPerSecond)}/s`,
      `made in ${short(p.sealMs, ' ms')}`,
      `newest ${short(p.sealAgeSeconds, ' s')} old`,
    ),
    row('log', `${short(p.entries)} entries`, `${short(p.unsealed)} unsealed`, bytes(p.logBytes)),
    row('witness', p.witnessLag === null ? 'none' : `${short(p.witnessLag)} entries behind`),
    row(
      'queue',
      `${short(queue.records)} requests`,
      bytes(queue.bytes),
      `${short(queue.sealWaiters)} wait for a seal`,
      `${short(queue.tpmOperations)} for the TPM`,
      `${short(queue.connections)} connections`,
    ),
    row(
      'refused',
      `${short(p.refusalsPerSecond)}/s`,
      `${short(totals.refusals)} in all`,
      `${short(totals.denials)} denials`,
      `${short(totals.limitsHit)} by limits`,
    ),
    row(
      'TPM',
      `${short(totals.tpmErrors)} errors`,
      `${short(totals.sealFailures)} failed seals`,
      `${short(totals.nvIncrements)} increments`,
    ),
    row('process', bytes(p.residentBytes), `${short(totals.runs)} runs`, `${short(totals.gaps)} gaps`),
    '',
    ...p.recent.map(({ what, count }) => style('yellow', `+${count} ${what}`)),
    style('dim', 'q ends'),
  ];
}

/** What of the lines a terminal has room for, the first before the last: blank ones go first, and no line goes on in the next. */
export function fitted(lines: readonly string[], columns: number, rows: number): string[] {
  const shown = lines.length > rows ? lines.filter((l) => l !== '') : lines;
  return shown.slice(0, rows).map((line) => {
    let room = columns;
    // Styles take no room, and the one that ends them has to stay.
    return line.replace(SHOWN, (c, style) => (style !== undefined || room-- > 0 ? c : ''));
  });
}

/** One line, for a file or a pipe. */
export function lineOf(p: Picture): string {
  return [
    worst(p)[0],
    `${short(p.entries)} entries`,
    `${short(p.unsealed)} unsealed`,
    `${short(p.recordsPerSecond)} records/s`,
    `durable ${short(p.durableMs, ' ms')}`,
    `seal ${short(p.sealMs, ' ms')}`,
    `newest seal ${short(p.sealAgeSeconds, ' s')} old`,
    `${short(p.totals.refusals)} refused`,
    `${short(p.totals.tpmErrors)} TPM errors`,
    bytes(p.residentBytes),
  ].join(', ');
}
