/**
 * The daemon's measuring, put together: which register, what the log says about it, and what a start extends. A quote
 * and an extend exclude each other, so a seal never speaks of a register that its tree does not explain.
 */
import { jcs } from '../../core/json.ts';
import { type Body, buildEntry, newFrame } from '../../evidence/record.ts';
import type { MeasuredEvent } from '../../evidence/schema/predicates.ts';
import { readStatement } from '../../evidence/statement.ts';
import type { Store } from '../../store/store.ts';
import type { Quote } from '../../tpm/quote.ts';
import type { Tpm } from '../../tpm/tpm.ts';
import type { MonotoneClock } from '../clock.ts';
import type { Journal } from '../journal.ts';
import type { Run, TpmLife } from '../run.ts';
import { findParents } from '../search.ts';
import type { Sequencer } from '../sequencer.ts';
import { type Link, readLink, runOf } from './chain.ts';
import { createExclusive, type Exclusive } from './exclusive.ts';
import type { MeasuredPlaces } from './places.ts';
import { createRegister, type Measured, type MeasureOptions } from './register.ts';
import type { Software } from './software.ts';

export interface Measuring {
  /** The register. */
  readonly pcr: number;
  /** Index of the newest measurement; -1 before the first. */
  readonly newest: number;
  readonly exclusive: Exclusive;
  /** Before a boot entry reads the registers. */
  settle(life: TpmLife): Promise<void>;
  /** Behind a boot entry: everything that the daemon runs from. */
  start(): Promise<void>;
  measure(events: readonly MeasuredEvent[], o?: MeasureOptions): Promise<Measured[]>;
  /** What has changed of configuration and policies since they were measured. */
  settings(): Promise<void>;
  /** Whether a quote shows our register as the log has it; where not, that is recorded. Only inside of `exclusive`. */
  agrees(quote: Quote): Promise<boolean>;
}

export interface MeasuringInput {
  readonly pcr: number;
  readonly software?: Software;
  readonly store: Store;
  readonly tpm: Tpm;
  readonly sequencer: Sequencer;
  readonly places: MeasuredPlaces;
  readonly clock: MonotoneClock;
  readonly random: (n: number) => Uint8Array;
  readonly journal: Journal;
  readonly run: () => Run;
  /** Begins another run: the TPM was reset or suspended. */
  readonly renew: () => Promise<void>;
}

/** How many quotes in a row may be thrown away because somebody else extends our register. */
const PATIENCE = 3;

/** @returns nothing where it is not known what the daemon runs from */
export async function createMeasuring(input: MeasuringInput): Promise<Measuring | undefined> {
  const { software } = input;
  return software === undefined ? undefined : measuringOf({ ...input, software });
}

async function measuringOf(input: MeasuringInput & { readonly software: Software }): Promise<Measuring> {
  const { pcr, software, store, clock, random } = input;
  const exclusive = createExclusive();
  const frame = () => newFrame({ log: store.origin, boot: input.run().boot }, clock.now(), random);
  const sealedSize = () => store.lastSeal()?.size ?? 0;
  const register = createRegister({
    ...input,
    exclusive,
    sealedSize,
    ...(await lastLinks(store, input.places, pcr, sealedSize())),
    build: (kind, body) => buildEntry(kind, body as Body<typeof kind>, frame()),
  });
  let settings: string[] = [];
  let disagreed = 0;
  const note = (events: readonly MeasuredEvent[]): void => {
    settings = events.filter((e) => e.type === 'config' || e.type === 'policy').map((e) => jcs(e));
  };
  return {
    pcr,
    exclusive,
    get newest() {
      return register.newest;
    },
    settle: (life) => register.settle(life),
    async start() {
      const events = await software.events();
      await register.measure(events);
      note(events);
    },
    async measure(events, o) {
      const { resetCount, restartCount } = await input.tpm.readClock();
      const run = input.run();
      if (run.resetCount !== resetCount || run.restartCount !== restartCount) await input.renew();
      return register.measure(events, o);
    },
    async settings() {
      const now = await software.settings();
      const changed = now.filter((e) => !settings.includes(jcs(e)));
      if (changed.length === 0) return;
      await register.measure(changed);
      note(now);
    },
    async agrees({ pcrs }) {
      const value = pcrs?.sha256?.[String(pcr)];
      const as = value === undefined || (await register.agrees(value));
      disagreed = as ? 0 : disagreed + 1;
      return as || disagreed > PATIENCE;
    },
  };
}

/** The end of what the log says about the register: what no seal covers, one before it, and the life it was in. */
async function lastLinks(
  store: Store,
  places: MeasuredPlaces,
  pcr: number,
  sealed: number,
): Promise<{ readonly links: Link[]; readonly life: TpmLife | undefined }> {
  const known = places.known();
  const first = known.findIndex((p) => p >= sealed);
  const links = known
    .slice(first < 0 ? -1 : Math.max(0, first - 1))
    .flatMap((index) => readLink(store.entry(index), index, pcr) ?? []);
  const last = links.at(-1);
  if (last === undefined) return { links, life: undefined };
  const boot = runOf(store.entry(last.index)) ?? '';
  // The first measurements of a run stand right behind its boot entry.
  const other = known.findLastIndex((p) => runOf(store.entry(p)) !== boot);
  const [at] = await findParents(store, known[other + 1] ?? last.index, [boot]);
  if (at === undefined) return { links, life: undefined };
  const { kind, predicate } = readStatement(store.entry(at));
  return { links, life: kind === 'boot' ? predicate.reset : undefined };
}
