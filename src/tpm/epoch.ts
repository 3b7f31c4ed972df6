/**
 * Whether the TPM is still in the life in which it was last seen: resetCount and restartCount of TPMS_CLOCK_INFO, as
 * every quote and TPM2_ReadClock give them (TPM 2.0 Part 1 §36). What a change means for records is decided above.
 */

/** TPMS_CLOCK_INFO. */
export interface ClockInfo {
  /** Milliseconds for which the TPM has been powered. */
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  readonly safe: boolean;
}

/** Given to listeners when resetCount or restartCount has changed, with the values before and after. */
export interface EpochChange {
  /** reset: PCRs and sessions are gone · resume: they may have survived · cleared: the counts went back. */
  readonly kind: 'reset' | 'resume' | 'cleared';
  readonly before: ClockInfo;
  readonly after: ClockInfo;
}

export interface Epochs {
  readonly last: ClockInfo | null;
  /** Notes what the TPM said; tells the listeners, and returns the change, when its life is another one. */
  observe(now: ClockInfo): EpochChange | null;
  /** Returns what removes the listener. */
  onChange(listener: (change: EpochChange) => void): () => void;
}

export function createEpochs(): Epochs {
  const listeners = new Set<(change: EpochChange) => void>();
  let last: ClockInfo | null = null;
  return {
    get last() {
      return last;
    },
    observe({ clock, resetCount, restartCount, safe }) {
      const before = last;
      const after = { clock, resetCount, restartCount, safe };
      last = after;
      if (before === null) return null;
      if (before.resetCount === resetCount && before.restartCount === restartCount) return null;
      const kind =
        resetCount > before.resetCount ? 'reset' : resetCount < before.resetCount ? 'cleared' : 'resume';
      const change: EpochChange = { kind, before, after };
      for (const listener of [...listeners]) listener(change);
      return change;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
