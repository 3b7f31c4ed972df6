/**
 * What a decent caller keeps of its rate while others flood the daemon: another user's processes, held to half a core, on
 * a host with the limits that it comes with. The caller offers a tenth of what the daemon could take.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { load, rate, tolerantLoad } from './callers.ts';
import type { FloodInput, FloodKind, FloodReport } from './flood.ts';
import { withGovernedHost } from './govern.ts';
import { cpuSeconds, type HalfCore, halfCore } from './halfcore.ts';
import { type Host, ROOT } from './host.ts';
import type { LoadOutput } from './load.ts';
import { type Figure, median } from './report.ts';
import type { Shape } from './scenarios.ts';

const NOBODY = 65534;
const DURABLE = '/v1/records?wait=durable';
const CALLERS = 32;

/** In the words of the figures. */
const FLOODS: Readonly<Record<FloodKind, { readonly what: string; readonly connections: number }>> = {
  connections: { what: '10,000 connections', connections: 10_000 },
  'slow-readers': { what: '500 slow readers', connections: 500 },
  'slow-writers': { what: '500 slow writers', connections: 500 },
  crumbs: { what: '64 senders of single bytes', connections: 64 },
  attempts: { what: '64 callers who begin and never complete', connections: 64 },
  stream: { what: 'an NDJSON stream of', connections: 1 },
};

export const KINDS = Object.keys(FLOODS) as readonly FloodKind[];

interface Running {
  readonly pid: number;
  /** Ends it, or waits for the end of what has one. */
  end(): Promise<FloodReport>;
  readonly ended: boolean;
}

async function start(host: Host, kind: FloodKind, core: HalfCore, bytes: number): Promise<Running> {
  const input: FloodInput & { uid: number } = {
    kind,
    socket: host.socket,
    connections: FLOODS[kind].connections,
    everyMs: 1000,
    bytes,
    uid: NOBODY,
  };
  const child: ChildProcess = spawn(
    'node',
    [join(ROOT, 'build/tools/bench/flooder.js'), JSON.stringify(input)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const pid = child.pid as number;
  core.add(pid);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  let report: FloodReport | undefined;
  lines.on('line', (line) => {
    if (line !== 'ready') report = JSON.parse(line) as FloodReport;
  });
  const exit = once(child, 'exit');
  await Promise.race([once(lines, 'line'), exit]);
  if (child.exitCode !== null) throw new Error(`the flood ended with ${child.exitCode}`);
  return {
    pid,
    get ended() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    async end() {
      if (kind !== 'stream') child.kill('SIGTERM');
      await exit;
      if (report === undefined) throw new Error('the flood gave no report');
      return report;
    },
  };
}

/** @param gigabyte bytes of the stream */
export function floods(
  { runs, seconds }: Shape,
  kinds: readonly FloodKind[],
  gigabyte: number,
  progress: (text: string) => void,
): Promise<Figure[]> {
  if (process.getuid?.() !== 0)
    throw new Error('the floods come from another user than the caller: run this as root');
  const measured = async (host: Host): Promise<Figure[]> => {
    host.delay(200);
    const input = { socket: host.socket, path: DURABLE, connections: 64, seconds } as const;
    await load({ ...input, mode: 'serial' });
    const capacity = rate(await load({ ...input, mode: 'serial' }));
    const offered = Math.round(capacity / 10);
    progress(`the daemon takes ${Math.round(capacity)} records/s; the caller offers ${offered}`);
    const decent = (): Promise<LoadOutput> =>
      tolerantLoad({ ...input, mode: 'paced', connections: CALLERS, rate: offered });
    await decent();
    const figures: Figure[] = [];
    for (const kind of kinds) {
      const ratios: number[] = [];
      const numbers = {
        with: [] as number[],
        p99: [] as number[],
        cores: [] as number[],
        memory: [] as number[],
      };
      let how = '';
      let report: FloodReport = { connected: 0, ended: 0, answers: {} };
      for (let i = 0; i < (kind === 'stream' ? 1 : runs); i++) {
        const alone = rate(await decent());
        const core = halfCore();
        how = core.how;
        const flood = await start(host, kind, core, gigabyte);
        const from = performance.now();
        const used = cpuSeconds(flood.pid);
        let answers = 0;
        let elapsed = 0;
        do {
          const out = await decent();
          answers += out.answers;
          elapsed += out.seconds;
          numbers.p99.push(out.p99);
          if (!flood.ended)
            numbers.cores.push((cpuSeconds(flood.pid) - used) / ((performance.now() - from) / 1000));
          numbers.memory.push(host.anonymous() / 1e6);
        } while (kind === 'stream' && !flood.ended);
        report = await flood.end();
        core.remove();
        numbers.with.push(answers / elapsed);
        ratios.push(answers / elapsed / alone);
      }
      const size = gigabyte >= 1e9 ? `${gigabyte / 1e9} GB` : `${gigabyte / 1e6} MB`;
      figures.push({
        name: `flood-${kind}`,
        what: `rate of a caller at 10 % of capacity under ${FLOODS[kind].what}${kind === 'stream' ? ` ${size}` : ''} ÷ without`,
        value: median(ratios),
        runs: ratios,
        bound: { kind: 'at least', value: 0.8 },
        facts: {
          'records/s': median(numbers.with),
          'p99 ms': median(numbers.p99),
          "flooders' cores": median(numbers.cores),
          'daemon MB': Math.max(...numbers.memory),
        },
      });
      progress(
        `${kind}: held by ${how}; ${report.connected} connections, ${report.ended} ended, answers ${JSON.stringify(report.answers)}`,
      );
    }
    return figures;
  };
  return withGovernedHost(measured, { everybody: true, limits: '' });
}
