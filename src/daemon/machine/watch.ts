/**
 * What happens on the machine while a run lasts: the kernel's IMA list and the log of services grow, and both are kept
 * soon after a seal speaks of what they say, so that evidence of this boot has them when the machine has been restarted.
 */
import { IMA_PCR } from '../../evidence/eventlog/ima/replay.ts';
import { readEnvironment } from '../../measure/environment.ts';
import { createImaSource } from '../../measure/ima.ts';
import type { Observer } from '../../measure/observer/observer.ts';
import type { SettleValues } from '../../tpm/quote.ts';
import type { Config } from '../config.ts';
import type { Journal } from '../journal.ts';
import type { Layout } from '../layout.ts';
import { createImaFollower } from './follower.ts';
import { createLater } from './later.ts';
import { bootDir } from './lists.ts';
import { createShelf, type Shelf } from './shelf.ts';
import { createUserspaceLogs } from './userspace.ts';

export interface MachineWatch {
  readonly shelf: Shelf;
  /** Registers to quote because something measures into them: that of IMA, where the kernel keeps a list. */
  readonly registers: readonly number[];
  /** Finds the value of PCR 10 for a quote that raced with the kernel. */
  readonly settle: SettleValues;
  /** A run begins: the logs are read on. Never throws. */
  begin(): Promise<void>;
  /** A seal became durable. */
  sealed(): void;
  /** Keeps what there is to keep. Never throws. */
  stop(): Promise<void>;
}

export interface WatchInput {
  readonly config: Config;
  readonly layout: Layout;
  readonly observer: Observer | undefined;
  readonly journal: Journal;
}

/** Between a seal and the reading of the logs: seals may come a hundred times a second. */
const SOON_MS = 3000;

export function watchMachine({ config, layout, observer, journal }: WatchInput): MachineWatch {
  const { bootId } = readEnvironment();
  const source = config.ima.list === '' ? undefined : createImaSource(config.ima.list, observer);
  const active = source?.active === true;
  const follower =
    active && bootId !== 'unreadable' ? createImaFollower(source, bootDir(layout.ima, bootId)) : undefined;
  const userspace = createUserspaceLogs({
    dir: layout.bootLogs,
    bootId,
    path: config.tpm.userspace_log,
    observer,
    onTrouble: (error) => journal.warn('the log of services could not be kept', { error }),
  });
  let told: string | undefined;

  async function readOn(): Promise<void> {
    await Promise.all([follower?.catchUp(), userspace.take()]);
    const error = follower?.trouble;
    if (error !== undefined && error.message !== told)
      journal.warn('the IMA list is not followed', { error });
    told = error?.message;
  }
  const soon = createLater(SOON_MS, readOn);

  return {
    shelf: createShelf(layout, {
      bootId,
      ...(follower === undefined ? {} : { follower }),
      refresh: () => userspace.take(),
    }),
    registers: active ? [IMA_PCR] : [],
    settle: async (values, fits) => follower?.settle(values, fits),
    async begin() {
      await userspace.take();
      // A long list takes seconds, and no record waits for it.
      void readOn();
    },
    sealed: soon,
    async stop() {
      await Promise.all([follower?.stop(), userspace.take()]);
    },
  };
}
