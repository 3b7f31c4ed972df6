/**
 * The daemon under load, broken at every write, sync and rename of its log, by SIGKILL and by EIO, and killed at
 * random moments. The life of a host goes on from one point to the next, so each start is also the recovery from the
 * point before, and is broken in its turn.
 */
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { layoutOf } from '../../src/store/layout.ts';
import { segmentName } from '../../src/store/segment.ts';
import { type DaemonProcess, type Ending, makeProcessHost, type ProcessHost, until } from '../kit/host.ts';
import { fillSegment } from './fill.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { ask, newBody, startLoad } from './load.ts';
import { breaking, finishedTrace, hit, type Point, pointsOf, survey, traceFile, watching } from './trace.ts';

/** As many points at least are run. */
const POINTS = 200;
/** Points in the life of one host; each adds to its log, and the whole of it is checked after each. */
const LIFE = 16;
/** Receipts after which a load has been long enough. */
const ENOUGH = 24;
/** Faults that stand until an operator or a restart mends them: nothing more comes of this load. */
const FINAL = ['STORAGE_UNAVAILABLE', 'STORE_CORRUPT', 'STORE_LOCKED', 'AUDIT_CONTINUITY_LOST', 'INTERNAL'];
// Everything that has a cadence comes often.
const SECTIONS = { anchor: ['interval_s = 1'], seal: ['published_ms = 100', 'max_age_ms = 50'] };

const started = performance.now();
let done = 0;
let missed = 0;
const seconds = () => Math.round((performance.now() - started) / 1000);
function progress(): void {
  done++;
  if (done % 20 === 0) process.stderr.write(`  ${done} points, ${missed} not reached, ${seconds()} s\n`);
}

/** One life of the daemon with a load on it, up to its end by a fault or a clean stop. */
async function live(
  daemon: DaemonProcess,
  host: ProcessHost,
  ledger: Ledger,
  enough = ENOUGH,
): Promise<Ending> {
  const load = startLoad(host.socket);
  const refusedForGood = () => FINAL.some((code) => load.refused.has(code));
  await until(
    `a load on the daemon: ${daemon.output()}`,
    () => !daemon.running || load.acked.length >= enough || refusedForGood(),
  );
  await load.stop();
  ledger.add(load.acked);
  return daemon.stop();
}

/** What `attestctl` and an operator would do next: a start that nothing disturbs, and a look at every record. */
async function examine(host: ProcessHost, ledger: Ledger): Promise<void> {
  const daemon = host.start();
  await daemon.ready();
  await ledger.query(host);
  const { status, json } = await ask(host.socket, '/v1/records?wait=sealed', { body: newBody() });
  expect(status).toBe(201);
  ledger.add([{ receipt: json }]);
  expect(await daemon.stop()).toEqual({ code: 0, signal: null });
  await ledger.check(host);
}

/** Breaks the daemon at a point and checks what is left. @returns whether it got there */
async function breakAt(
  host: ProcessHost,
  ledger: Ledger,
  point: Point,
  paths: readonly string[],
): Promise<boolean> {
  const file = traceFile(host.dir);
  const before = ledger.size;
  const daemon = host.start(breaking(file, point, paths));
  const ending = await live(daemon, host, ledger);
  const trace = await finishedTrace(file, daemon.pid);
  await ledger.check(host);
  const reached = hit(trace, point);
  const failed = /(pwrite64|fdatasync)\(\d+<[^>]*\.wal>.*\(INJECTED\)/.exec(trace)?.[1];
  if (failed !== undefined) {
    expect(ending, 'the end after the log could not be written').toEqual({ code: 5, signal: null });
    if (failed === 'fdatasync' && ledger.size > before) await ledger.checkUnacknowledged(host);
  }
  return reached;
}

/** What the log goes through in one clean life. */
async function watch(host: ProcessHost, ledger: Ledger) {
  const daemon = host.start(watching(traceFile(host.dir)));
  expect(await live(daemon, host, ledger)).toEqual({ code: 0, signal: null });
  await ledger.check(host);
  return survey(await finishedTrace(traceFile(host.dir), daemon.pid), host.logDir);
}

/** Waits for all, so that none is left behind when another fails. @throws the first failure */
async function together(...work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

/** Says which point it was when something is wrong behind it. */
async function named<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (e) {
    throw new Error(`${what}: ${(e as Error).message}`, { cause: e });
  }
}

/** Takes points from the queue, with a new host for every few of them. */
async function lane(queue: Point[]): Promise<void> {
  while (queue.length > 0) {
    const host = await makeProcessHost(SECTIONS);
    const ledger = createLedger();
    try {
      const { paths } = await watch(host, ledger);
      for (const point of queue.splice(0, LIFE)) {
        const what = `${point.fault} at ${point.call} ${point.nth}`;
        if (await named(what, () => breakAt(host, ledger, point, paths))) progress();
        else missed++;
      }
      await named('the start after all points', () => examine(host, ledger));
    } finally {
      await host.remove();
    }
  }
}

/** Kills at random moments of the daemon's whole life, from its first instruction to its stop. */
async function randomKills(count: number, seed: number): Promise<void> {
  let state = seed;
  const random = (n: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  for (let left = count; left > 0; left -= LIFE) {
    const host = await makeProcessHost(SECTIONS);
    const ledger = createLedger();
    try {
      await watch(host, ledger);
      for (let i = 0; i < Math.min(LIFE, left); i++) {
        const daemon = host.start();
        const load = startLoad(host.socket);
        // Every fourth one while it stops, every fourth one at any time, the others under load.
        if (i % 4 !== 0) await until('a record', () => load.acked.length > 0 || !daemon.running);
        const stop = i % 4 === 1 ? daemon.stop().catch(() => undefined) : undefined;
        await sleep(random(i % 4 === 0 ? 1500 : 400));
        const reached = daemon.running;
        await daemon.kill();
        await stop;
        await load.stop();
        ledger.add(load.acked);
        await named(`SIGKILL ${i} of seed ${seed}`, () => ledger.check(host));
        if (reached) progress();
        else missed++;
      }
      await named(`the start after seed ${seed}`, () => examine(host, ledger));
    } finally {
      await host.remove();
    }
  }
}

/** The same points where one segment ends and the next begins. */
async function atSegmentEnd(): Promise<void> {
  const host = await makeProcessHost();
  try {
    const filled = createLedger();
    const size = await fillSegment(host, filled);
    const disk = host.copyState();
    const tpm = host.tpm.copyState();
    const { wal, spare } = layoutOf(host.logDir);
    const next = `${wal}/${segmentName(size, 1)}`;
    const paths = [wal, spare, next];
    const watched = createLedger();
    const { calls } = await watch(host, watched);
    for (const call of ['rename', 'fallocate', 'fsync', 'openat', 'pwrite64', 'fdatasync'])
      expect(calls.has(call), `${call} is seen`).toBe(true);
    // Over more than one segment attestctl reads the entries in threads, and says what is said in place.
    const told = await host.ctl('audit', dirname(dirname(host.logDir)), '--json', '--progress', 'none');
    expect((JSON.parse(told.stdout) as { logs: unknown }).logs).toEqual(await host.audit());
    const points = (['KILL', 'EIO'] as const).flatMap((fault) => [
      ...pointsOf(new Map(Object.entries({ rename: 1, fallocate: 1, unlink: 1 })), fault, 1),
      ...pointsOf(new Map(Object.entries({ fsync: 3, openat: 4, pwrite64: 3, fdatasync: 2 })), fault, 4),
    ]);
    for (const point of points) {
      const ledger = createLedger();
      host.restoreState(disk);
      await host.tpm.restoreState(tpm);
      const what = `${point.fault} at ${point.call} ${point.nth} of the next segment`;
      if (await named(what, () => breakAt(host, ledger, point, paths))) progress();
      else missed++;
      await named(`the start after ${what}`, () => examine(host, ledger));
    }
  } finally {
    await host.remove();
  }
}

test(`no acknowledged record is lost at ${POINTS} points of failure, and no size is sealed twice`, async () => {
  const host = await makeProcessHost(SECTIONS);
  const { calls } = await watch(host, createLedger()).finally(() => host.remove());
  for (const call of ['pwrite64', 'fdatasync', 'fsync', 'rename', 'openat'])
    expect(calls.get(call), `${call} is seen`).toBeGreaterThan(0);
  const queue = [...pointsOf(calls, 'KILL', 24), ...pointsOf(calls, 'EIO', 16)];
  process.stderr.write(`  ${queue.length} points of ${[...calls].map(([c, n]) => `${n} ${c}`).join(', ')}\n`);
  await together(atSegmentEnd(), randomKills(32, 1));
  await together(lane(queue), lane(queue));
  for (let seed = 2; done < POINTS; seed++) await randomKills(Math.min(LIFE, POINTS - done), seed);
  process.stderr.write(`  ${done} points, ${missed} not reached, ${seconds()} s\n`);
  expect(done).toBeGreaterThanOrEqual(POINTS);
}, 1_800_000);
