/**
 * What the daemon can do at present, in one place: requests ask here before anything else. While it starts, they wait
 * a moment, as they would in the queue of a socket that systemd holds; while the TPM is away, or after a fault that
 * only an operator mends, they are told so at once.
 */
import { AttestdError } from '../core/errors.ts';
import type { Archive } from './archive.ts';
import type { Engine } from './engineface.ts';

/** starting: the first try · absent: the TPM does not answer, tries go on · failed: until an operator acts. */
export type Phase = 'starting' | 'absent' | 'running' | 'failed' | 'stopping';

export interface Gate {
  readonly phase: Phase;
  /** Why it does not run. */
  readonly reason: AttestdError | undefined;
  /** The engine while it runs. */
  readonly engine: Engine | undefined;
  /** The engine, at once where it runs and nobody has to wait. @throws (or rejects with) the reason */
  enter(): Engine | Promise<Engine>;
  /**
   * For those who only read: the engine, or, where none runs and the log is open, what is beside the log. Nobody waits for a
   * run to begin. @throws (rejects with) the reason
   */
  look(): Promise<Archive>;
  /** How what is beside the log is had without an engine; undefined: the log cannot be read. */
  readable(archive: (() => Promise<Archive>) | undefined): void;
  /** Has requests wait until this has ended in whatever way, but no longer than they would for the first start. */
  hold(work: Promise<unknown>): void;
  open(engine: Engine): void;
  shut(phase: Exclude<Phase, 'running' | 'starting'>, reason: AttestdError): void;
}

/** @param patienceMs how long a request waits at most */
export function createGate(patienceMs: number): Gate {
  let phase: Phase = 'starting';
  let reason: AttestdError | undefined;
  let engine: Engine | undefined;
  let decide: () => void = () => undefined;
  const decided = new Promise<void>((resolve) => {
    decide = resolve;
  });

  let held: Promise<void> | undefined;
  let archive: (() => Promise<Archive>) | undefined;

  /** Resolves when `work` ends, or patience does. */
  function atMost(work: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    const ended = work.then(
      () => undefined,
      () => undefined,
    );
    return Promise.race([ended, patience]).then(() => clearTimeout(timer));
  }

  const settled = (): Engine => {
    if (engine !== undefined) return engine;
    throw reason ?? new AttestdError('TPM_UNAVAILABLE', 'the daemon has not started yet', { retryAfter: 1 });
  };
  return {
    get phase() {
      return phase;
    },
    get reason() {
      return reason;
    },
    get engine() {
      return engine;
    },
    enter() {
      if (phase === 'starting') return atMost(decided).then(settled);
      return held === undefined ? settled() : held.then(settled);
    },
    async look() {
      if (phase === 'starting') await atMost(decided);
      if (engine !== undefined || archive === undefined || phase === 'stopping') return settled();
      return archive();
    },
    readable(a) {
      archive = a;
    },
    hold(work) {
      const mine = atMost(work).then(() => {
        if (held === mine) held = undefined;
      });
      held = mine;
    },
    open(e) {
      engine = e;
      phase = 'running';
      reason = undefined;
      decide();
    },
    shut(p, why) {
      engine = undefined;
      phase = p;
      reason = why;
      decide();
    },
  };
}
