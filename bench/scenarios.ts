/** What is measured while the daemon serves: throughput and latency, each against something in the same run. */
import { setTimeout as sleep } from 'node:timers/promises';
import { load, rate, withEcho } from './callers.ts';
import type { Host } from './host.ts';
import { type Figure, median } from './report.ts';

const DURABLE = '/v1/records?wait=durable';
const CALLERS = 64;

export interface Shape {
  readonly runs: number;
  readonly seconds: number;
}

/** Durable records against a bare echo of the same body, request by request and in a stream. */
export async function throughput(host: Host, { runs, seconds }: Shape): Promise<Figure[]> {
  host.delay(200);
  const serial: number[] = [];
  const streamed: number[] = [];
  const numbers = { echo: [] as number[], serial: [] as number[], stream: [] as number[] };
  const one = (socket: string, path: string, mode: 'serial' | 'stream') =>
    load({ socket, path, mode, connections: CALLERS, seconds }).then(rate);
  await withEcho(host.dir, async (socket) => {
    // Both sides run warm: what is compared is the work, not the compiler.
    await one(socket, '/echo', 'serial');
    await one(host.socket, DURABLE, 'serial');
    await one(host.socket, DURABLE, 'stream');
    for (let i = 0; i < runs; i++) {
      const echo = await one(socket, '/echo', 'serial');
      const durable = await one(host.socket, DURABLE, 'serial');
      const stream = await one(host.socket, DURABLE, 'stream');
      serial.push(durable / echo);
      streamed.push(stream / echo);
      numbers.echo.push(echo);
      numbers.serial.push(durable);
      numbers.stream.push(stream);
    }
  });
  const echo = { 'echo/s': median(numbers.echo) };
  return [
    {
      name: 'durable-http',
      what: 'durable records/s, 64 serial HTTP callers ÷ bare fastify echo',
      value: median(serial),
      runs: serial,
      bound: { kind: 'at least', value: 0.5 },
      facts: { 'records/s': median(numbers.serial), ...echo },
    },
    {
      name: 'durable-stream',
      what: 'durable records/s by NDJSON stream ÷ that bare echo',
      value: median(streamed),
      runs: streamed,
      bound: { kind: 'at least', value: 1 },
      facts: { 'records/s': median(numbers.stream), ...echo },
    },
  ];
}

/** Time to `sealed` at 1,000 records/s, against the time of one quote. */
export async function sealed(host: Host, { runs, seconds }: Shape): Promise<Figure[]> {
  const delay = 200;
  host.delay(delay);
  const p50: number[] = [];
  const p99: number[] = [];
  for (let i = 0; i < runs; i++) {
    const output = await load({
      socket: host.socket,
      path: '/v1/records?wait=sealed',
      mode: 'paced',
      connections: 1000,
      seconds,
      rate: 1000,
    });
    p50.push(output.p50 / delay);
    p99.push(output.p99 / delay);
  }
  const figure = (name: string, runsOf: number[], bound: number): Figure => ({
    name: `sealed-${name}`,
    what: `sealed ${name} ÷ the injected delay (${delay} ms), 1,000 records/s offered`,
    value: median(runsOf),
    runs: runsOf,
    bound: { kind: 'at most', value: bound },
    facts: { ms: median(runsOf) * delay },
  });
  return [figure('p50', p50, 1.75), figure('p99', p99, 3.5)];
}

/** Whether throughput depends on the TPM at all. */
export async function slowTpm(host: Host, { runs, seconds }: Shape): Promise<Figure[]> {
  const ratios: number[] = [];
  const numbers = { slow: [] as number[], quick: [] as number[] };
  const one = async (delay: number) => {
    host.delay(delay);
    await sleep(700);
    return rate(
      await load({ socket: host.socket, path: DURABLE, mode: 'serial', connections: CALLERS, seconds }),
    );
  };
  for (let i = 0; i < runs; i++) {
    const quick = await one(0);
    const slow = await one(600);
    ratios.push(slow / quick);
    numbers.slow.push(slow);
    numbers.quick.push(quick);
  }
  return [
    {
      name: 'slow-tpm',
      what: 'throughput with a 600 ms quote ÷ with no delay',
      value: median(ratios),
      runs: ratios,
      bound: { kind: 'at least', value: 0.9 },
      facts: { 'slow records/s': median(numbers.slow), 'quick records/s': median(numbers.quick) },
    },
  ];
}

/** Milliseconds from a power cycle of the TPM under load to the next seal, without a restart of the daemon. */
export async function reset(host: Host, { runs }: Shape): Promise<Figure[]> {
  host.delay(0);
  const times: number[] = [];
  const sealedSize = () => sealedEntries(host);
  for (let i = 0; i < runs; i++) {
    const busy = load({
      socket: host.socket,
      path: DURABLE,
      mode: 'paced',
      connections: 64,
      seconds: 6,
      rate: 500,
    });
    await sleep(1000);
    await host.tpm.reset();
    const from = performance.now();
    const before = await sealedSize();
    while ((await sealedSize()) <= before) {
      if (performance.now() - from > 30_000) throw new Error('no seal within 30 s of a TPM reset');
      await sleep(5);
    }
    times.push(performance.now() - from);
    await busy;
  }
  return [
    {
      name: 'reset',
      what: 'TPM reset under load to the next seal, no restart',
      value: median(times),
      runs: times,
      unit: 'ms',
      facts: {},
    },
  ];
}

/** Entries under the newest seal. @throws when the status does not say */
async function sealedEntries(host: Host): Promise<number> {
  const { sealed } = await host.get('/v1/status');
  const { entries } = (sealed ?? {}) as { entries?: unknown };
  if (typeof entries !== 'number') throw new Error('the status names no sealed size');
  return entries;
}
