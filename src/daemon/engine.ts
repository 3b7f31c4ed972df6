/**
 * What takes records: made only when the log is open, the TPM holds its keys, the counter rule has passed, the boot
 * entry is durable and the boot anchor stands behind it (design §4, §6). Nothing is appended before.
 */
import { join } from 'node:path';
import { isAttestdError } from '../core/errors.ts';
import { createRandomPool } from '../evidence/pool.ts';
import { type Body, type BuiltRecord, buildEntry, newFrame } from '../evidence/record.ts';
import type { Kind, Subject } from '../evidence/statement.ts';
import { loadCounter } from '../tpm/counter.ts';
import { openNoteKey } from '../tpm/notekey.ts';
import { createQuoter, type Quote } from '../tpm/quote.ts';
import { createSigner } from '../tpm/signer.ts';
import { createAnchors } from './anchors.ts';
import { attestor } from './attestor.ts';
import { readChronicle } from './chronicle.ts';
import { createMonotoneClock } from './clock.ts';
import { type Continuity, checkContinuity, interruption } from './continuity.ts';
import type { Engine } from './engineface.ts';
import type { EngineInput } from './engineinput.ts';
import { openForgetting } from './forgetting.ts';
import { createHouse, keepHint } from './govern/foundation.ts';
import { type Governor, startGovernor } from './govern/governor.ts';
import { openInForce } from './inforce.ts';
import { createKeyring } from './keyring.ts';
import { epochOf, type Gap, readCurrent } from './layout.ts';
import { openLives } from './lives.ts';
import { watchMachine } from './machine/watch.ts';
import { createMeasuring } from './measured/measuring.ts';
import { openMeasuredPlaces } from './measured/places.ts';
import { hooksOf } from './metrics/hooks.ts';
import { createPcrFiles } from './pcrfile.ts';
import { createPublished } from './published.ts';
import { createRecorder } from './recorder.ts';
import { openRetention } from './retaining/retention.ts';
import { OWN_UID, readPlatform } from './run.ts';
import { beginAgain, createRuns } from './runs.ts';
import { createSealer, type Sealer } from './sealer.ts';
import { selectionOf } from './selection.ts';
import { createSequencer } from './sequencer.ts';

/** Passes the counter rule, begins a run and anchors it. @throws what stands in the way */
export async function startEngine(input: EngineInput): Promise<Engine> {
  const { config, layout, store, tpm, random, journal, tally } = input;
  const hooks = hooksOf(tally);
  const origin = store.origin;
  const inForce = await openInForce(tpm, store, layout, config.record_key.approvals);
  const chronicle = readChronicle(store, inForce.keys, inForce.identity);
  const counter = chronicle.anchor === undefined ? undefined : await loadCounter(tpm, layout.identity);
  const clock = createMonotoneClock(input.wall);
  clock.atLeast(Math.max(chronicle.newest, store.lastSeal()?.timeMs ?? 0));
  const now = () => clock.now();
  const lives = openLives(store, () => inForce.keys);
  const machine = watchMachine(input);
  const own = input.software === undefined ? [] : [config.measure.register];
  const selection = selectionOf([...config.tpm.pcrs, ...machine.registers, ...own]);
  const pcrs = createPcrFiles(layout.pcrs);
  const onFailure = (e: Error): void => {
    if (store.failed !== undefined || !isAttestdError(e, 'STORAGE_UNAVAILABLE')) input.onFailure(e);
    else journal.warn('the disk is full', { error: e });
  };

  const sequencer = createSequencer({
    store,
    size: store.size,
    onDurable: () => sealer?.wake(),
    ...hooks,
    onFailure,
  });
  // There is none before the first run has begun and keys that waited are in force: one key seals all of a run.
  let sealer: Sealer | undefined;
  const found: { continuity: Continuity } = { continuity: { kind: 'continues' } };
  const places = openMeasuredPlaces(layout.measured(epochOf(origin)), store);
  const measuring = await createMeasuring({
    ...input,
    pcr: config.measure.register,
    sequencer,
    places,
    clock,
    run: () => runs.writing,
    renew: () => newRun(),
  });
  const runs = createRuns({
    origin,
    random,
    now,
    sequencer,
    journal,
    sealedSize: () => store.lastSeal()?.size ?? 0,
    ...attestor(input, () => inForce.identity.ak.public),
    ...(measuring === undefined ? {} : { measuring }),
    hold: input.hold,
    lives,
    async examine() {
      const value = await counter?.read();
      if (value !== undefined) found.continuity = checkContinuity(announced(), value);
      await measuring?.settle(await tpm.readClock());
      const platform = await readPlatform(tpm, selection, config.tpm.firmware_log, input.observer);
      machine.shelf.files.keep(platform.firmwareLog);
      await machine.begin();
      return { platform, counter: value };
    },
  });
  const anchors =
    counter === undefined || chronicle.anchor === undefined
      ? undefined
      : createAnchors({
          origin,
          counter,
          ak: () => inForce.identity.ak,
          clock,
          random,
          head: () => store.head(),
          run: () => runs.writing,
          sequencer,
          ...hooks,
          intend: (intent) => store.appendIntent(intent),
          last: chronicle.anchor,
          announced: chronicle.announced,
        });
  const announced = () => ({ last: anchors?.last.counter ?? 0n, intents: anchors?.announced ?? [] });

  const anchor = async (reason: 'boot' | 'interval' | 'stop') => anchors?.write(reason);
  function afterTrouble(e: Error): void {
    if (isAttestdError(e, 'AUDIT_CONTINUITY_LOST') || isAttestdError(e, 'TPM_KEY_LOST')) onFailure(e);
    else journal.warn('an anchor was not written', { error: e });
  }

  try {
    await runs.begin();
    tally.runs++;
    if (await inForce.renew({ run: runs.writing, sequencer, now, random })) {
      journal.warn('keys of the host were replaced', { changes: inForce.keys.changes.length });
    }
  } catch (e) {
    await sequencer.stop();
    await machine.stop();
    throw e;
  }
  const { identity, keys: hostKeys } = inForce;
  const quoter = createQuoter(tpm, identity.ak, selection, machine.settle);
  const published = createPublished({
    ...(config.seal.ed25519_line ? { noteKey: await openNoteKey(tpm, layout.identity, random) } : {}),
    tpm,
    recordKey: identity.recordKey,
    origin,
    path: join(layout.log(origin.slice(origin.lastIndexOf('/') + 1)), 'published'),
    intervalMs: config.seal.published_ms,
    onTrouble: (e) => journal.warn('a checkpoint was not published', { error: e }),
  });
  async function newRun(): Promise<void> {
    journal.warn('the TPM lives another life: a new run begins');
    await beginAgain(runs, () => stopping, journal);
    tally.runs++;
    anchor('boot').catch(afterTrouble);
  }
  let stopping = false;
  let trouble: Error | undefined;
  sealer = createSealer({
    origin,
    akSpki: identity.ak.spki,
    quoter,
    settings: config.seal,
    now,
    head: () => store.head(),
    lastSeal: () => store.lastSeal(),
    anchorBelow: (size) => anchors?.below(size) ?? 0n,
    run: () => runs.sealing,
    async keep(note, quote: Quote) {
      const { attested } = quote.parsed;
      if (attested.kind === 'quote' && quote.pcrs !== undefined) pcrs.keep(attested.pcrDigest, quote.pcrs);
      return store.appendSeal(note);
    },
    exclusive: measuring?.exclusive ?? ((work) => work()),
    agrees: async (quote) => (await measuring?.agrees(quote)) ?? true,
    newRun,
    onTrouble(e) {
      trouble = e;
      tally.sealFailures++;
      journal.warn('a seal was not made', { error: e });
    },
    onFailure,
    onSeal(seal, ms) {
      tally.seal.observe(ms / 1000);
      trouble = undefined;
      machine.sealed();
      places.settle();
      published.offer(seal);
    },
  });

  const sealing = sealer;
  const run = () => runs.writing;
  const recorder = createRecorder({ ...hooks, origin, run, clock, sequencer, sealer: sealing, store });
  const foundation = createHouse({
    config,
    store,
    // A flow takes some ten salts and names: bought in bulk, as those of records are.
    random: createRandomPool(random),
    clock,
    run,
    hasRun: () => runs.sealing !== undefined,
    epochBreak: () => lives.broken,
    recorder,
    late: input.late,
    pcrs,
    hint: `${layout.log(epochOf(origin))}/governed.json`,
    hung: () => tpm.hung,
    trouble: () => trouble,
    ...hooks,
  });
  const stopHint = keepHint(foundation);
  let governor: Governor;
  try {
    const { gap } = readCurrent(layout);
    if (gap !== undefined && store.recovered.lastBoot === undefined) await writeGap(gap);
    const { continuity } = found;
    if (continuity.kind === 'interrupted') await writeGap(interruption(continuity.counter));
    await anchor('boot');
    governor = await startGovernor({ ...foundation, ...hooks, sequencer, late: input.late, journal });
  } catch (e) {
    await stopHint();
    await sequencer.stop();
    await sealing.stop();
    await machine.stop();
    throw e;
  }
  sealing.wake();

  function build<K extends Kind>(kind: K, body: Body<K>, artefacts: readonly Subject[] = []): BuiltRecord {
    const frame = newFrame({ log: origin, boot: runs.writing.boot }, clock.now(), random);
    return buildEntry(kind, body, frame, artefacts);
  }
  async function writeGap(gap: Gap): Promise<void> {
    const built = build('gap', gap);
    await sequencer.appendOne({ entry: built.entry, id: built.id, uid: OWN_UID });
    hooks.onGap();
    journal.warn('a gap was recorded', { reason: gap.reason });
  }
  const interval = setInterval(() => {
    if (anchors !== undefined && store.size > anchors.last.index + 1) anchor('interval').catch(afterTrouble);
  }, config.anchor.interval_s * 1000);
  interval.unref();
  const beside = layout.log(epochOf(origin));
  const forget = await openForgetting({ store, sequencer, build, dir: `${beside}/forgetting`, journal });
  const word = `${beside}/retention.json`;
  const anchored = () => anchors?.last.size;
  const retention = openRetention({ ...input, sequencer, sealer: sealing, build, anchored, word, now });
  return {
    origin,
    genesis: chronicle.genesis,
    identity,
    hostKeys,
    signer: createSigner(tpm, identity.recordKey),
    keys: createKeyring({
      dir: layout.keys,
      origin,
      tpm,
      identity,
      random,
      async record(change, uid) {
        const built = build('keychange', change);
        await sequencer.appendOne({ entry: built.entry, id: built.id, uid });
        return built.id;
      },
    }),
    quoter,
    recorder,
    governor,
    sealer: sealing,
    published,
    pcrs,
    shelf: machine.shelf,
    counter,
    anchors,
    places,
    measuring,
    run: () => runs.sealing,
    build,
    trouble: () => trouble,
    forget,
    retention,
    async stop() {
      stopping = true;
      clearInterval(interval);
      // Before the last anchor and the last seal: nothing of it is written behind them.
      await retention.stop();
      await stopHint();
      await anchor('stop').catch((e: Error) =>
        journal.warn('the final anchor was not written', { error: e }),
      );
      await sealing.stop();
      await machine.stop();
      await published.stop();
      await sequencer.stop();
    },
  };
}
