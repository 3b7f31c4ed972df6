/**
 * What the daemon can do at present, in one place: requests ask here before anything else. While it starts, they wait
 * a moment, as they would in the queue of a socket that systemd holds; while the TPM is away, or after a fault that
 * only an operator mends, they are told so at once.
 */
import { AttestdError } from '../core/errors.ts';
import type { Engine } from './engineface.ts';

/** starting: the first try · absent: the TPM does not answer, tries go on · failed: until an operator acts. */
export type Phase = 'starting' | 'absent' | 'running' | 'failed' | 'stopping';

export interface Gate {
  readonly phase: Phase;
  /** Why it does not run. */
  readonly reason: AttestdError | undefined;
  /** The engine while it runs. */
  readonly engine: Engine | undefined;
  /** The engine, at once where it runs. @throws (or rejects with) the reason */
  enter(): Engine | Promise<Engine>;
  open(engine: Engine): void;
  shut(phase: Exclude<Phase, 'running' | 'starting'>, reason: AttestdError): void;
}

/** @param patienceMs how long a request waits for the first start */
export function createGate(patienceMs: number): Gate {
  let phase: Phase = 'starting';
  let reason: AttestdError | undefined;
  let engine: Engine | undefined;
  let decide: () => void = () => undefined;
  const decided = new Promise<void>((resolve) => {
    decide = resolve;
  });

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
      if (phase !== 'starting') return settled();
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, patienceMs);
      });
      return Promise.race([decided, patience]).then(() => {
        clearTimeout(timer);
        return settled();
      });
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
