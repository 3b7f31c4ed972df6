/** Puts together what governed execution stands on: the ledger read from the log, host conditions, refusals. */
import type { Ref } from '../../evidence/schema/field.ts';
import type { Store } from '../../store/store.ts';
import type { Sighting } from '../../verify/life.ts';
import { pcrMember } from '../bundle.ts';
import type { MonotoneClock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { PcrFiles } from '../pcrfile.ts';
import type { Recorder } from '../recorder.ts';
import type { Run } from '../run.ts';
import { sightingIn } from '../vouch.ts';
import { createConditions } from './conditions.ts';
import type { InForce } from './governor.ts';
import { readHint, writeHint } from './hint.ts';
import { find, type House } from './house.ts';
import type { LateJournal } from './late.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createRefusals, type RefusalsInput } from './refusal.ts';
import type { Question } from './vocabulary.ts';

export interface FoundationInput {
  readonly config: Config;
  readonly store: Store;
  readonly random: (n: number) => Uint8Array;
  readonly clock: MonotoneClock;
  readonly run: () => Run;
  readonly hasRun: () => boolean;
  /** Why the TPM cannot be the one that sealed this log. */
  readonly epochBreak: () => string | undefined;
  readonly recorder: Recorder;
  readonly late: LateJournal;
  readonly pcrs: PcrFiles;
  /** File with word for the next start. */
  readonly hint: string;
  readonly hung: () => boolean;
  readonly trouble: () => Error | undefined;
  readonly onDenial: RefusalsInput['onDenial'];
}

export interface Foundation {
  readonly house: House;
  readonly inForce: InForce;
  readonly hint: string;
}

/** The TPM as policies speak of it. */
const healthOf = ({ safe, resetCount, restartCount, firmwareVersion }: Sighting) => ({
  clockSafe: safe,
  resetCount,
  restartCount,
  firmwareVersion: firmwareVersion.toString(16).padStart(16, '0'),
});

export function createHouse(input: FoundationInput): Foundation {
  const { config, store, random, clock, recorder, late, hint } = input;
  const { origin } = store;
  const { from, policy } = readHint(hint, origin, store.size);
  const known = policy === undefined ? undefined : find(store, policy, 'policychange');
  const ledger: Ledger = createLedger(store, {
    from,
    now: () => clock.now(),
    ...(known === undefined ? {} : { policy: known }),
  });
  const inForce: InForce = { current: undefined };
  const conditions = createConditions({
    broken: () => store.failed ?? store.full,
    size: () => store.size,
    sealedSize: () => store.lastSeal()?.size ?? 0,
    entry: (index) => store.entry(index),
    hung: input.hung,
    trouble: input.trouble,
    hasRun: input.hasRun,
    epochBreak: input.epochBreak,
    now: () => clock.now(),
    maxUnsealedMs: config.policy.max_unsealed_ms,
    since: clock.now(),
  });
  const refusals = createRefusals({
    origin,
    random,
    clock,
    run: input.run,
    recorder,
    late,
    onDenial: input.onDenial,
    state: () => ({ entries: store.size, sealed: store.lastSeal()?.size ?? 0 }),
  });
  const simulated = config.tpm.assurance === 'software';
  let quoted:
    | { readonly seq: number; readonly shown: Pick<Question['environment'], 'pcrs' | 'tpm'> }
    | undefined;
  /** What the newest seal shows; before the first, what the run began with. */
  function shown(): Pick<Question['environment'], 'pcrs' | 'tpm'> {
    const seal = store.lastSeal();
    if (seal === undefined) return { pcrs: {}, tpm: healthOf(input.run().sighting) };
    if (quoted?.seq !== seal.seq) {
      const pcrs = pcrMember(input.pcrs, seal).pcrs?.sha256 ?? {};
      quoted = { seq: seal.seq, shown: { pcrs, tpm: healthOf(sightingIn(seal.note)) } };
    }
    return quoted.shown;
  }
  const epoch = origin.slice(origin.lastIndexOf('/') + 1);
  let machine: Question['environment'] | undefined;
  const house: House = {
    origin,
    settings: config.policy,
    random,
    clock,
    run: input.run,
    log: store,
    ledger,
    recorder,
    refusals,
    // A log that is merely full wrote nothing of what it refused; after a failed write nobody knows what the disk holds.
    fate: (e) => (e === null ? 'durable' : store.failed === undefined ? 'lost' : 'uncertain'),
    conditions,
    policy: () => inForce.current,
    environment() {
      const { boot } = input.run();
      const now = shown();
      // The same object until a seal or a run shows another machine: whoever is asked about it knows it again.
      if (machine?.boot !== boot || machine.pcrs !== now.pcrs || machine.tpm !== now.tpm)
        machine = { epoch, boot, simulated, ...now };
      return machine;
    },
  };
  return { house, inForce, hint };
}

/** How often word is left for the next start, and after how many entries it is worth it. */
const EVERY_MS = 5000;
const WORTH = 4096;

/** Leaves word for the next start every now and then. @returns ends it, with a last word */
export function keepHint({ house, inForce, hint }: Foundation): () => Promise<void> {
  let left = 0;
  /** Everything below was taken by the ledger, for it was durable a while ago. */
  let settled = 0;
  const leave = async (): Promise<void> => {
    const from = Math.min(house.ledger.sweep(house.clock.now()), settled);
    settled = house.log.size;
    if (from - left < WORTH) return;
    left = from;
    const policy: Ref | undefined = inForce.current?.change;
    await writeHint(hint, house.origin, from, policy?.id).catch(() => undefined);
  };
  const timer = setInterval(() => void leave(), EVERY_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await leave();
  };
}
