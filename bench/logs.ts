/** How fast the logs of measured boot are read: the longest of them, in a process of its own. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './host.ts';
import { type Figure, median } from './report.ts';
import type { Shape } from './scenarios.ts';

const run = promisify(execFile);

interface Output {
  readonly entries: number;
  readonly bytes: number;
  readonly rate: number;
  readonly raw: number;
  readonly peak: number;
}

/** Parse and replay of an IMA list in a stream, and the memory that it takes. */
export async function imaList({ runs }: Shape, lines: number): Promise<Figure[]> {
  const dir = await mkdtemp(join(tmpdir(), 'attestd-bench-'));
  const outputs: Output[] = [];
  try {
    for (let i = 0; i < runs; i++) {
      const words = [join(ROOT, 'build/tools/bench/ima.js'), join(dir, 'list'), String(lines)];
      outputs.push(JSON.parse((await run('node', words)).stdout) as Output);
    }
  } finally {
    await rm(dir, { recursive: true });
  }
  const all = (of: (output: Output) => number) => outputs.map(of);
  const megabytes = median(all((o) => o.bytes / 1e6));
  const what = `an IMA list of ${lines.toLocaleString('en')} lines (${Math.round(megabytes)} MB)`;
  return [
    {
      name: 'ima-replay',
      what: `${what}, parsed and replayed in a stream ÷ the hashes of it by the same function`,
      value: median(all((o) => o.rate / o.raw)),
      runs: all((o) => o.rate / o.raw),
      bound: { kind: 'at least', value: 0.4 },
      facts: { 'entries/s': median(all((o) => o.rate)), 'raw/s': median(all((o) => o.raw)) },
    },
    {
      name: 'ima-memory',
      what: 'buffers held meanwhile, at most',
      value: Math.max(...all((o) => o.peak / 1e6)),
      runs: all((o) => o.peak / 1e6),
      unit: 'MB',
      bound: { kind: 'at most', value: 64 },
      facts: { 'list MB': megabytes },
    },
  ];
}
