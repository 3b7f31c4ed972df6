/**
 * One soak: callers of every kind at work on a host for so long, while by chance its TPM fails, loses power, and its daemon
 * is killed or restarted; then quiet, a clean stop, and everything that was ever promised held against the disk.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Trust } from '../src/verify/trust.ts';
import { ask, startLoad } from '../test/crash/load.ts';
import { ctl } from '../test/kit/ctl.ts';
import type { DaemonProcess } from '../test/kit/host.ts';
import { createAccount } from './account.ts';
import { createDice, type Dice } from './dice.ts';
import { injectFault, KINDS, type Kind } from './faults.ts';
import { acceptedState, flushAll, handles, makeSoakHost, type SoakHost, stuck } from './host.ts';
import type { SoakReport } from './report.ts';
import { startWork } from './work.ts';

export interface SoakInput {
  readonly seconds: number;
  readonly seed: number;
  readonly progress: (text: string) => void;
}

/** Keys that stay loaded, and the session. */
const HELD = 3;
/** Looks in a row that find the daemon stuck before it is ended: as WatchdogSec= of the unit has it, in short. */
const STUCK_LOOKS = 4;
/** A daemon that is not back by then does not come back. */
const READY_MS = 120_000;
const PROGRESS_MS = 15_000;

/** What happens next: of so many moments, so many are these. */
type Event = 'fault' | 'kill' | 'stop' | 'reset';
const EVENTS: readonly Event[] = [...Array<Event>(17).fill('fault'), 'kill', 'stop', 'reset'];

/** What happens first, so that even a short soak has all of it. */
const OPENING: readonly Event[] = ['fault', 'kill', 'fault', 'reset', 'stop'];

/** What is read of the report of `attestctl audit`. */
interface Audited {
  readonly verdict: string;
  readonly logs: readonly { readonly findings: readonly unknown[] }[];
}

interface Happened {
  readonly faults: Record<Kind, number>;
  resets: number;
  kills: number;
  stops: number;
  watchdog: number;
  readonly crashes: string[];
  readonly leaked: string[];
  peak: number;
}

/** The daemon of a host, started again whenever it has ended. */
class Life {
  readonly host: SoakHost;
  readonly happened: Happened;
  daemon: DaemonProcess;
  #looks = 0;

  constructor(host: SoakHost, happened: Happened) {
    this.host = host;
    this.happened = happened;
    this.daemon = host.start();
  }

  /** Starts it again. */
  async again(): Promise<void> {
    this.#looks = 0;
    this.daemon = this.host.start();
    await this.ready();
  }

  /** Waits until it takes records. @throws with what it says of itself when it does not */
  async ready(): Promise<void> {
    const end = performance.now() + READY_MS;
    while (!(await ready(this.host))) {
      await this.look();
      if (performance.now() > end) {
        const status = await ask(this.host.socket, '/v1/status').catch(() => undefined);
        throw new Error(
          `the daemon does not come back: ${JSON.stringify(status?.json)}\n${this.daemon.output().slice(-2000)}`,
        );
      }
      await sleep(50);
    }
  }

  /** What systemd would see: an end that nobody asked for, and a watchdog that is not fed. */
  async look(): Promise<void> {
    const { happened } = this;
    if (!this.daemon.running) {
      happened.crashes.push(this.daemon.output().slice(-400));
      await flushAll(this.host);
      this.daemon = this.host.start();
      return;
    }
    happened.peak = Math.max(happened.peak, residentPeak(this.daemon.pid));
    this.#looks = (await stuck(this.host)) ? this.#looks + 1 : 0;
    if (this.#looks < STUCK_LOOKS) return;
    happened.watchdog++;
    this.host.proxy.release();
    await this.kill();
    this.#looks = 0;
    this.daemon = this.host.start();
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.daemon.kill();
    await flushAll(this.host);
  }

  /** A clean stop, after which nothing of it is in the TPM. */
  async stop(): Promise<void> {
    const { code, signal } = await this.daemon.stop();
    const { crashes, leaked } = this.happened;
    if (code !== 0) crashes.push(`a stop ended with ${code ?? signal}: ${this.daemon.output().slice(-400)}`);
    const left = await flushAll(this.host);
    if (left > 0) leaked.push(`a clean stop left ${left} behind`);
  }
}

async function ready(host: SoakHost): Promise<boolean> {
  const health = await ask(host.socket, '/v1/health').catch(() => undefined);
  return health?.json.canRecord === true;
}

function residentPeak(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** One thing that goes wrong, and the time that it takes to be over. */
async function disturb(life: Life, dice: Dice, event: Event): Promise<void> {
  const { host, happened } = life;
  if (event === 'kill') {
    happened.kills++;
    await life.kill();
    await life.again();
  } else if (event === 'stop') {
    happened.stops++;
    host.proxy.clear();
    await life.stop();
    await life.again();
  } else if (event === 'reset') {
    happened.resets++;
    await host.tpm.reset({ orderly: dice.below(2) === 0 });
  } else {
    happened.faults[injectFault(host.proxy, dice)]++;
    // One at a time: what falls on one operation again and again may end it.
    const end = performance.now() + 8000;
    while (host.proxy.pending > 0 && performance.now() < end) await sleep(20);
    host.proxy.clear();
  }
}

export async function runSoak({ seconds, seed, progress }: SoakInput): Promise<SoakReport> {
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  const dice = createDice(seed);
  const account = createAccount();
  const happened: Happened = {
    faults: Object.fromEntries(KINDS.map((k) => [k, 0])) as Record<Kind, number>,
    ...{ resets: 0, kills: 0, stops: 0, watchdog: 0, crashes: [], leaked: [], peak: 0 },
  };
  progress('a host that is enrolled and governs');
  const host = await makeSoakHost();
  try {
    const life = new Life(host, happened);
    await life.daemon.ready();
    const trust: Trust = await acceptedState(host);
    const load = startLoad(host.socket, { sealed: 4, durable: 4 });
    const work = startWork({ socket: host.socket, account, trust: () => trust });
    let taken = 0;
    const take = () => {
      account.add(load.acked.slice(taken));
      taken = load.acked.length;
    };
    let told = 0;
    let events = 0;
    const end = elapsed() + seconds;
    progress(`${seconds} s of callers and faults, seed ${seed}`);
    while (elapsed() < end) {
      await sleep(100 + dice.below(400));
      await life.look();
      await disturb(life, dice, OPENING[events++] ?? dice.of(EVENTS));
      take();
      if (performance.now() - told >= PROGRESS_MS) {
        told = performance.now();
        const { faults, kills, stops, resets, watchdog } = happened;
        const all = Object.values(faults).reduce((a, b) => a + b, 0);
        progress(
          `${Math.round(end - elapsed())} s left: ${account.acknowledged} records, ${work.done.flows} flows, ` +
            `${work.done.bundles} bundles, ${all} faults, ${resets} resets, ${kills + stops + watchdog} ends`,
        );
      }
    }
    progress('quiet: the last answers');
    host.proxy.clear();
    await life.ready();
    await Promise.all([load.stop(), work.stop()]);
    take();
    const held = (await handles(host)).length;
    if (held > HELD) happened.leaked.push(`${held} in the TPM when nothing was under way`);
    await life.stop();
    progress('everything that was promised against the disk');
    const settled = await account.settle(host.logDir);
    // As an operator would: the program, which reads a long log with threads.
    const audited = await ctl(['audit', host.config.state_dir, '--json', '--progress', 'none']);
    const { verdict, logs } = JSON.parse(audited.stdout) as Audited;
    const findings = logs.flatMap((log) => log.findings.map((f) => JSON.stringify(f)));
    if (verdict !== 'verified' || audited.status !== 0)
      findings.push(`the audit ended with ${audited.status}: ${verdict} ${audited.stderr}`);
    const refused = new Map(work.refused);
    for (const [code, n] of load.refused) refused.set(code, (refused.get(code) ?? 0) + n);
    const { lost, forks, badProofs, acknowledged, entries, seals } = settled;
    return {
      schema: 'attestd.dev/soak/v1',
      seed,
      seconds: elapsed(),
      ...happened,
      ...{ acknowledged, entries, seals, lost, forks, findings },
      ...work.done,
      refused: Object.fromEntries([...refused].sort()),
      wrong: [...work.wrong, ...badProofs, ...(refused.has('INTERNAL') ? ['an answer was INTERNAL'] : [])],
    };
  } finally {
    await host.remove();
  }
}
