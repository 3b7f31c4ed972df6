/**
 * The page of `attestctl report`: one file that needs nothing else, loads nothing, runs nothing, and prints well. It is
 * for reading; what proves is in the bundles, and the page says so. Every text in it is escaped: callers chose many.
 */
import { createHash } from 'node:crypto';
import { printable } from '../core/printable.ts';
import type { Summary } from '../evidence/summary.ts';
import type { Report } from '../verify/report.ts';

/** A record on the page. */
export interface Reported {
  readonly summary: Summary;
  /** Origin of its log. */
  readonly log: string;
  readonly index: number;
  readonly digest: string;
  /** Its run: record digest of the boot entry; absent where no bundle could be had. */
  readonly run?: string;
  /** Why there is no bundle of it. */
  readonly missing?: string;
  /** There when a trust file was given. */
  readonly report?: Report;
}

/** A run of a daemon: what the machine was while records were made. */
export interface Machine {
  readonly run: string;
  readonly log: string;
  /** Names and values, in the order in which they are shown. */
  readonly facts: readonly (readonly [string, string])[];
  readonly pcrs: readonly (readonly [string, string])[];
}

export interface PageInput {
  readonly title: string;
  /** When the page was made, RFC 3339. */
  readonly made: string;
  /** Where the records come from, in a sentence. */
  readonly source: string;
  readonly records: readonly Reported[];
  readonly machines: readonly Machine[];
}

const STYLE = `
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{margin-top:2.2rem;font-size:1.2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem .25rem 0;vertical-align:top}
th{font-weight:600;border-bottom:1px solid #ccc}tr+tr td{border-top:1px solid #eee}
code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}.facts{display:flex;flex-wrap:wrap;gap:.5rem 2rem;padding:0}
.facts li{list-style:none}.facts b{font-size:1.4rem;display:block}.good{color:#14622a}.bad{color:#a11}.open{color:#7a5200}
small{color:#555}details{margin:.3rem 0}@media print{body{margin:0;max-width:none}details{break-inside:avoid}}
`;

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const esc = (s: string): string => printable(s).replace(/[&<>"']/g, (c) => ESCAPES[c] as string);
const code = (s: string): string => `<code>${esc(s)}</code>`;

/** The page as HTML. */
export function reportPage(input: PageInput): string {
  const { records, machines } = input;
  const ran = records.filter((r) => r.summary.kind === 'execution');
  const refused = records.filter((r) => r.summary.kind === 'denial');
  const allowed = records.filter((r) =>
    ['grant', 'approval', 'revocation', 'policychange'].includes(r.summary.kind),
  );
  const shown = new Set([...ran, ...refused, ...allowed]);
  const others = records.filter((r) => !shown.has(r));
  const hash = createHash('sha256').update(STYLE).digest('base64');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'">
<meta name="viewport" content="width=device-width"><title>${esc(input.title)}</title><style>${STYLE}</style></head><body>
<h1>${esc(input.title)}</h1>
<p><small>Made ${esc(input.made)}. ${esc(input.source)}</small></p>
<ul class="facts">${counts(records, ran, refused)}</ul>
${section('What ran', ran, ['when', 'what', 'by whom', 'allowed by', 'how it ended'], runRow)}
${section('What was refused', refused, ['when', 'what', 'to whom', 'why', 'record'], refusedRow)}
${section('Who allowed it', allowed, ['when', 'what', 'by whom', 'kind', 'record'], allowedRow)}
${others.length === 0 ? '' : section('What else is in the log', others, ['when', 'kind', 'record', '', ''], otherRow)}
${machineSection(machines, records)}
<h2>What this page is worth</h2>
<p>It shows what records say. ${
    records.some((r) => r.report !== undefined)
      ? 'The verdicts on it were reached on the machine that made it, under the trust file that was given there; '
      : 'Nothing on it was verified; '
  }who doubts it takes the evidence file of a record and runs
<code>attestctl verify FILE --trust trust.json</code> with roots of their own choosing. That a permitted caller told the
truth about what it did is not claimed.</p>
</body></html>
`;
}

function counts(all: readonly Reported[], ran: readonly Reported[], refused: readonly Reported[]): string {
  const items: [number, string, string][] = [
    [ran.length, 'records of executions', ''],
    [ran.filter((r) => r.summary.decision === 'ungoverned').length, 'of them ungoverned', ''],
    [refused.length, 'refusals', refused.length > 0 ? 'bad' : ''],
  ];
  if (all.some((r) => r.report !== undefined)) {
    const verdicts = (v: string) => all.filter((r) => r.report?.verdict === v).length;
    items.push([verdicts('verified'), 'verified', 'good'], [verdicts('rejected'), 'rejected', 'bad']);
    items.push([
      all.length - verdicts('verified') - verdicts('rejected'),
      'indeterminate or not sealed',
      'open',
    ]);
  }
  return items.map(([n, what, cls]) => `<li><b class="${cls}">${n}</b>${what}</li>`).join('');
}

function section(
  title: string,
  records: readonly Reported[],
  heads: readonly string[],
  row: (r: Reported) => readonly string[],
): string {
  if (records.length === 0) return `<h2>${title}</h2><p>Nothing among these records.</p>`;
  const judged = records.some((r) => r.report !== undefined);
  const head = [...heads, ...(judged ? ['verdict'] : [])].map((h) => `<th>${h}</th>`).join('');
  const rows = records.map((r) => {
    const cells = [...row(r), ...(judged ? [verdict(r)] : [])];
    return `<tr>${cells.map((c) => `<td>${c}</td>`).join('')}</tr>`;
  });
  return `<h2>${title}</h2><table><thead><tr>${head}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table>`;
}

const when = (r: Reported): string => `${esc(r.summary.time.slice(0, 19))}Z`;
const what = ({ summary: { action = '', target } }: Reported): string =>
  `${esc(action)}${target === undefined ? '' : `<br><small>${esc(target)}</small>`}`;
const who = ({ summary: { uid, exe, unit } }: Reported): string =>
  [uid === undefined ? '' : `uid ${uid}`, exe, unit]
    .filter((t): t is string => t !== undefined && t !== '')
    .map(esc)
    .join('<br>');
const record = (r: Reported): string =>
  `${code(r.summary.id)}<br><small>entry ${r.index} of ${esc(r.log)}</small>`;

function runRow(r: Reported): string[] {
  const { decision, grant, status, phase = '' } = r.summary;
  const by = decision === 'permitted' ? `grant ${code(grant ?? '')}` : 'nobody was asked (ungoverned)';
  return [when(r), `${what(r)}<br>${record(r)}`, who(r), by, esc(status ?? phase)];
}
const refusedRow = (r: Reported): string[] => [
  when(r),
  what(r),
  who(r),
  `<span class="bad">${esc(r.summary.reason ?? '')}</span>`,
  record(r),
];
const allowedRow = (r: Reported): string[] => [when(r), what(r), who(r), esc(r.summary.kind), record(r)];
const otherRow = (r: Reported): string[] => [when(r), esc(r.summary.kind), record(r), '', ''];

function verdict({ report, missing }: Reported): string {
  if (report === undefined) return `<span class="open">${esc(missing ?? 'not verified')}</span>`;
  const cls = { verified: 'good', rejected: 'bad', indeterminate: 'open' }[report.verdict];
  const word = `<span class="${cls}">${report.verdict}</span>, level ${report.level}${report.simulated ? ', simulated' : ''}`;
  const wrong = report.checks.filter((c) => c.required && c.status !== 'pass');
  const why = wrong.map((c) => `<li>${esc(c.id)}: ${esc(c.sentence)}</li>`).join('');
  return wrong.length === 0 ? word : `${word}<details><summary>why</summary><ul>${why}</ul></details>`;
}

function machineSection(machines: readonly Machine[], records: readonly Reported[]): string {
  if (machines.length === 0) return '<h2>On what machine, in what state</h2><p>No evidence file says.</p>';
  const parts = machines.map((m) => {
    const facts = m.facts.map(([n, v]) => `<tr><td>${esc(n)}</td><td>${code(v)}</td></tr>`).join('');
    const pcrs = m.pcrs.map(([n, v]) => `<tr><td>PCR ${esc(n)}</td><td>${code(v)}</td></tr>`).join('');
    const count = records.filter((r) => r.run === m.run).length;
    return `<h3>${esc(m.log)}</h3><p><small>${count} of these records were made in this run.</small></p>
<table><tbody>${facts}</tbody></table><details><summary>platform configuration registers at its start</summary>
<table><tbody>${pcrs}</tbody></table></details>`;
  });
  return `<h2>On what machine, in what state</h2>${parts.join('\n')}`;
}
