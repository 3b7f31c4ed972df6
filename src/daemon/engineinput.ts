/** What an engine is made from: the host's settings, its open log and its TPM, and whom to tell. */
import type { Observer } from '../measure/observer/observer.ts';
import type { Store } from '../store/store.ts';
import type { Tpm } from '../tpm/tpm.ts';
import type { Config } from './config.ts';
import type { LateJournal } from './govern/late.ts';
import type { Journal } from './journal.ts';
import type { Layout } from './layout.ts';
import type { Software } from './measured/software.ts';
import type { Tally } from './metrics/tally.ts';

export interface EngineInput {
  readonly config: Config;
  /** What the daemon runs from; absent: it does not measure itself, and evidence says so. */
  readonly software?: Software;
  readonly layout: Layout;
  readonly store: Store;
  readonly tpm: Tpm;
  readonly wall: () => number;
  readonly random: (n: number) => Uint8Array;
  readonly journal: Journal;
  readonly tally: Tally;
  /** Decisions made while there was no engine. */
  readonly late: LateJournal;
  /** The root helper, where one is configured. */
  readonly observer: Observer | undefined;
  /** Has callers wait while this goes on. */
  readonly hold: (work: Promise<unknown>) => void;
  /** Nothing can be recorded or sealed any more. */
  readonly onFailure: (e: Error) => void;
}
