/**
 * The way from nothing to an engine and back: open the log (lock, recovery), open the TPM, start the engine; try
 * again while the TPM is away, stand still after a fault that only an operator mends, and end the process after one
 * that only a restart mends.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AttestdError, isAttestdError } from '../core/errors.ts';
import type { Observer } from '../measure/observer/observer.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { nameOfFault } from '../tpm/names.ts';
import { openTpm, type Tpm } from '../tpm/tpm.ts';
import { keepArchive } from './archive.ts';
import type { Config } from './config.ts';
import { startEngine } from './engine.ts';
import type { Gate } from './gate.ts';
import type { LateJournal } from './govern/late.ts';
import type { Journal } from './journal.ts';
import { epochOf, type Layout, readCurrent } from './layout.ts';
import type { Software } from './measured/software.ts';
import { raise, type Tally } from './metrics/tally.ts';
import { asAttestdError } from './problem.ts';
import { accessOf } from './tpmaccess.ts';

export interface Service {
  readonly store: Store | undefined;
  readonly tpm: Tpm | undefined;
  /** Tries until there is an engine, a fault for the operator, or a stop. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServiceInput {
  readonly config: Config;
  readonly software?: Software;
  readonly layout: Layout;
  readonly gate: Gate;
  readonly late: LateJournal;
  readonly journal: Journal;
  readonly tally: Tally;
  readonly observer: Observer | undefined;
  readonly wall: () => number;
  readonly random: (n: number) => Uint8Array;
  /** Only a restart of the process helps. */
  readonly onFatal: (e: AttestdError) => void;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;
/** How often what waits for an operator is tried again. */
const AWAITED_MS = 2000;
/** How long callers are told of a log that could not be written, before the process ends. */
const TELLING_MS = 5000;

/** Faults that pass by themselves. */
const passing = (e: AttestdError): boolean =>
  ['TPM_UNAVAILABLE', 'TPM_TIMEOUT', 'TPM_ERROR', 'OVERLOADED'].includes(e.code);
/**
 * Nobody has run `attestctl init` yet, or nothing can be written: no room, a file system that is read-only. Tried again, so
 * that the daemon begins by itself once that has passed. Were the process to end, systemd would start it again and again
 * for callers that wait in the socket and hear nothing.
 */
const awaited = (e: AttestdError): boolean =>
  e.code === 'NOT_INITIALISED' || e.code === 'STORAGE_UNAVAILABLE';
/** Faults after which the process ends: one is mended by a restart, with the other there is nothing to serve. */
const fatal = (e: AttestdError): boolean =>
  ['STORAGE_UNAVAILABLE', 'STORE_LOCKED', 'NATIVE_MISSING', 'CONFIG_INVALID', 'INTERNAL'].includes(e.code);

export function createService(input: ServiceInput): Service {
  const { config, layout, gate, journal, tally } = input;
  let store: Store | undefined;
  let tpm: Tpm | undefined;
  let stopping = false;
  let served = false;
  let ending = false;
  let started: Promise<void> | undefined;
  let awaiting: Promise<void> | undefined;
  const waiting = new AbortController();
  const archive = keepArchive(layout);

  /** Something failed while the engine ran. */
  function onFailure(e: Error): void {
    const error = asAttestdError(e);
    journal.error('the daemon can go on no more', { error: e });
    gate.shut('failed', error);
    if (store?.failed !== undefined || fatal(error)) end(error);
  }

  /** Only a restart helps. Where nobody was served yet, callers may wait in the socket since the last one: they hear why. */
  function end(error: AttestdError): void {
    if (ending) return;
    ending = true;
    // What the disk holds is known only after the restart.
    gate.readable(undefined);
    if (served || store?.failed === undefined) input.onFatal(error);
    // A stop cuts that short, and is no clean one.
    else void pause(TELLING_MS).then(() => input.onFatal(error));
  }

  async function attempt(): Promise<void> {
    store ??= await openStore(layout.log(epochOf(readCurrent(layout).origin)), {
      warn: (what, cause) => journal.warn(what, cause === undefined ? {} : { cause: String(cause) }),
      progress: (what, done, total) => journal.info('the log is being indexed', { what, done, total }),
    });
    const log = store;
    gate.readable(() => archive(log));
    if (store.recovered.dropped !== undefined) {
      journal.warn('an unfinished write was dropped', { ...store.recovered.dropped });
    }
    tpm ??= await openTpm({
      ...accessOf(config),
      onFault: (e) => raise(tally.tpmErrors, nameOfFault(e)),
      onSessionsFlushed: (count) =>
        journal.warn('idle TPM sessions of other programs were flushed: no session worked any more', {
          count,
        }),
    });
    const engine = await startEngine({ ...input, store, tpm, onFailure, hold: gate.hold });
    if (stopping) await engine.stop();
    else {
      gate.open(engine);
      served = true;
    }
  }

  /** @returns false when it was cut short by a stop */
  const pause = (ms: number): Promise<boolean> =>
    sleep(ms, true, { signal: waiting.signal }).catch(() => false);

  function tell(error: AttestdError): void {
    if (error.code === 'NOT_INITIALISED') journal.warn('this host is not initialised', { error });
    else journal.error('the daemon does not start', { error });
  }

  async function start(): Promise<void> {
    let wait = FIRST_WAIT_MS;
    while (!stopping) {
      try {
        await attempt();
        journal.info('ready', { log: store?.origin, entries: store?.size });
        return;
      } catch (e) {
        const error = asAttestdError(e);
        if (stopping) return;
        if (awaited(error) && store?.failed === undefined) {
          // Once is enough for the journal.
          if (gate.reason?.message !== error.message) tell(error);
          gate.shut('failed', error);
          awaiting = pause(AWAITED_MS).then((over) => (over ? start() : undefined));
          return;
        }
        if (!passing(error)) {
          journal.error('the daemon does not start', { error });
          gate.shut('failed', error);
          if (fatal(error)) end(error);
          return;
        }
        journal.warn('the TPM is away', { error });
        const away = new AttestdError('TPM_UNAVAILABLE', error.message, { retryAfter: 1, cause: error });
        gate.shut('absent', away);
        await pause(wait);
        wait = Math.min(LONGEST_WAIT_MS, wait * 2);
      }
    }
  }

  return {
    get store() {
      return store;
    },
    get tpm() {
      return tpm;
    },
    start() {
      started ??= start();
      return started;
    },
    async stop() {
      stopping = true;
      waiting.abort();
      const { engine } = gate;
      gate.shut('stopping', new AttestdError('SHUTTING_DOWN', 'the daemon is stopping', { retryAfter: 1 }));
      await engine?.stop().catch((e: unknown) => journal.warn('the stop was not clean', { error: e }));
      await tpm?.close();
      await started;
      await awaiting;
      await store?.close().catch((e: unknown) => {
        if (!isAttestdError(e)) journal.warn('the log was not closed cleanly', { error: e });
      });
    },
  };
}
