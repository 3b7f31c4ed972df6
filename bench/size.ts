/** What must not grow with the log: start-up and memory; and how fast a whole log is checked. */
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { load } from './callers.ts';
import { type Host, makeHost, ROOT } from './host.ts';
import { type Figure, median } from './report.ts';
import type { Shape } from './scenarios.ts';

const run = promisify(execFile);

async function entries(host: Host): Promise<number> {
  const { entries: count } = await host.get('/v1/status');
  if (typeof count !== 'number') throw new Error('the status names no number of entries');
  return count;
}

/** Fills a log to at least `wanted` entries. */
async function fill(host: Host, wanted: number, progress: (text: string) => void): Promise<void> {
  for (let size = await entries(host); size < wanted; size = await entries(host)) {
    progress(`${size.toLocaleString('en')} of ${wanted.toLocaleString('en')} entries`);
    await load({
      socket: host.socket,
      path: '/v1/records?wait=durable',
      mode: 'stream',
      connections: 1,
      seconds: wanted - size > 100_000 ? 10 : 0.3,
    });
  }
}

async function startTimes(host: Host, runs: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    times.push(await host.start());
    await host.stop();
  }
  return times;
}

/** Start-up, memory and audit at `large` entries against `small`. */
export async function size(
  { runs }: Shape,
  small: number,
  large: number,
  progress: (text: string) => void,
): Promise<Figure[]> {
  const little = await makeHost();
  const big = await makeHost();
  try {
    await little.start();
    await fill(little, small, progress);
    await little.stop();
    await big.start();
    await fill(big, large, progress);
    const filled = big.anonymous();
    await big.stop();
    // Alternated, so that whatever else the machine does falls on both.
    const smallTimes: number[] = [];
    const largeTimes: number[] = [];
    for (let i = 0; i < Math.max(3, runs); i++) {
      smallTimes.push(...(await startTimes(little, 1)));
      largeTimes.push(...(await startTimes(big, 1)));
    }
    await big.start();
    const restarted = big.anonymous();
    await big.stop();
    const memory = Math.max(filled, restarted) / 1e6;
    return [
      {
        name: 'start-up',
        what: `start-up with ${large.toLocaleString('en')} entries ÷ with ${small.toLocaleString('en')}`,
        value: median(largeTimes) / median(smallTimes),
        runs: largeTimes.map((t, i) => t / (smallTimes[i] as number)),
        bound: { kind: 'at most', value: 1.5 },
        facts: { 'large ms': median(largeTimes), 'small ms': median(smallTimes) },
      },
      {
        name: 'memory',
        what: `resident anonymous memory at ${large.toLocaleString('en')} entries`,
        value: memory,
        runs: [filled / 1e6, restarted / 1e6],
        unit: 'MB',
        bound: { kind: 'at most', value: 250 },
        facts: { 'after filling MB': filled / 1e6, 'after a restart MB': restarted / 1e6 },
      },
      await audit(big, runs),
    ];
  } finally {
    await little.remove();
    await big.remove();
  }
}

async function audit(host: Host, runs: number): Promise<Figure> {
  const state = join(host.dir, 'state');
  const ratios: number[] = [];
  const audited: number[] = [];
  const raw: number[] = [];
  for (let i = 0; i < runs; i++) {
    const hashed = JSON.parse(
      (await run('node', [join(ROOT, 'build/tools/bench/hashes.js'), state])).stdout,
    ) as {
      rate: number;
    };
    const from = performance.now();
    const { stdout } = await run('node', [
      join(ROOT, 'dist/cli/main.js'),
      'audit',
      state,
      '--json',
      '--progress',
      'none',
    ]);
    const rate =
      Number((JSON.parse(stdout) as { entries: number }).entries) / ((performance.now() - from) / 1000);
    ratios.push(rate / hashed.rate);
    audited.push(rate);
    raw.push(hashed.rate);
  }
  return {
    name: 'audit',
    what: '`audit` entries/s ÷ raw SHA-256 of leaf and node of the same entries',
    value: median(ratios),
    runs: ratios,
    bound: { kind: 'at least', value: 0.25 },
    facts: { 'entries/s': median(audited), 'raw/s': median(raw) },
  };
}

/** `attestctl verify` of a real bundle, cold, against the start of Node itself. */
export async function cold({ runs }: Shape, bundle: string, trust: string): Promise<Figure> {
  const verify = () => timed([join(ROOT, 'dist/cli/main.js'), 'verify', bundle, '--trust', trust, '--json']);
  const nothing = () => timed(['-e', '0']);
  await verify();
  await nothing();
  const ratios: number[] = [];
  const ms: number[] = [];
  for (let i = 0; i < runs * 5; i++) {
    const base = await nothing();
    const one = await verify();
    ratios.push(one / base);
    ms.push(one);
  }
  return {
    name: 'verify-cold',
    what: '`attestctl verify` of a bundle, cold ÷ `node -e 0`',
    value: median(ratios),
    runs: ratios,
    bound: { kind: 'at most', value: 5 },
    facts: { ms: median(ms) },
  };
}

function timed(args: string[]): Promise<number> {
  const from = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn('node', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('exit', (code) =>
      code === 0
        ? resolve(performance.now() - from)
        : reject(new Error(`${args.join(' ')} ended with ${code}`)),
    );
  });
}
