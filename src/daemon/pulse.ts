/**
 * The self-check behind WATCHDOG=1 (sd_notify(3)). systemd is told that all is well only while it is: the event loop
 * turns in time, the log can be written, and the TPM, asked for a few random bytes at each look, comes back. A TPM that
 * is away or refuses is no reason to end the process, for the service tries on; one that swallows a command is.
 */
import type { Service } from './service.ts';

/** The event loop may be late by so much and still count as alive. */
const MAX_LAG_MS = 5000;

export interface Pulse {
  /** Why systemd is not to be told that all is well; undefined where it may be. */
  look(): string | undefined;
}

/**
 * @param everyMs how often `look` is called
 * @param patienceMs how long an answer of the TPM may stay away, besides what ESAPI itself notices
 * @param now monotone milliseconds
 */
export function createPulse(
  service: Pick<Service, 'tpm' | 'store'>,
  everyMs: number,
  patienceMs: number,
  now: () => number,
): Pulse {
  let last = now();
  let askedAt: number | undefined;

  function ask(): void {
    const { tpm } = service;
    if (tpm === undefined || askedAt !== undefined) return;
    askedAt = now();
    const answered = (): void => {
      askedAt = undefined;
    };
    tpm.random(8).then(answered, answered);
  }

  return {
    look() {
      const t = now();
      const lag = t - last - everyMs;
      last = t;
      const { tpm, store } = service;
      if (lag >= MAX_LAG_MS) return `the event loop was ${Math.round(lag)} ms late`;
      if (store?.failed !== undefined) return 'the log cannot be written';
      if (tpm?.hung === true) return 'a command of the TPM does not come back';
      if (askedAt !== undefined && t - askedAt >= patienceMs) return 'the TPM does not answer';
      ask();
      return undefined;
    },
  };
}
