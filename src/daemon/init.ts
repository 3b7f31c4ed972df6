/**
 * What `attestctl init` and `attestctl recover --new-epoch` do: make keys, counter, genesis and an empty log, and only
 * then name that log as the one in use. Starting the daemon never makes any of them.
 */
import { existsSync, renameSync } from 'node:fs';
import { toHex } from '../core/bytes.ts';
import { AttestdError, isAttestdError } from '../core/errors.ts';
import type { Clock } from '../core/time.ts';
import type { BuiltRecord } from '../evidence/record.ts';
import { printOrigin } from '../log/origin.ts';
import { createLog, openStore } from '../store/open.ts';
import { type Counter, defineCounter, loadCounter } from '../tpm/counter.ts';
import { createIdentity, type Identity, loadIdentity } from '../tpm/keys.ts';
import { missingAlgorithms } from '../tpm/property.ts';
import { openTpm, type Tpm } from '../tpm/tpm.ts';
import type { Config } from './config.ts';
import { buildGenesis } from './genesis.ts';
import { epochOf, type Gap, layoutOf, readCurrent, writeCurrent } from './layout.ts';
import { configuredPolicy } from './recordpolicy.ts';
import { OWN_UID } from './run.ts';
import { accessOf } from './tpmaccess.ts';

export interface InitInput {
  readonly config: Config;
  readonly now: Clock;
  /** That many random bytes. */
  readonly random: (n: number) => Uint8Array;
}

export interface Initialised {
  /** `<fleet>/<host>/<epoch>` */
  readonly origin: string;
  /** Name of the AK, hex. */
  readonly akName: string;
  /** Record digest of the genesis entry, hex. */
  readonly genesis: string;
}

/**
 * Makes this host's keys, counter and log, once.
 * @throws EXISTS when there is a log already; what TPM and store throw
 */
export async function initHost(input: InitInput): Promise<Initialised> {
  const layout = layoutOf(input.config.state_dir);
  if (existsSync(layout.current)) throw new AttestdError('EXISTS', `${layout.current} is there already`);
  return withTpm(input.config, async (tpm) => {
    const identity = await identityOf(tpm, layout.identity, input);
    const counter =
      input.config.tpm.counter === 'none' ? undefined : await counterOf(tpm, layout.identity, input);
    return begin(input, tpm, identity, counter, undefined, undefined);
  });
}

/**
 * Begins a new epoch after the log and the counter disagreed: its genesis names the log before and that log's final
 * seal, and its first run records what was lost. The old log stays where it is. Keys that this TPM no longer holds
 * are made anew; the host must then enrol again.
 * @param reason what the operator says happened
 * @throws NOT_INITIALISED, STORE_LOCKED while the daemon runs
 */
export async function recoverHost(input: InitInput, reason?: string): Promise<Initialised> {
  const layout = layoutOf(input.config.state_dir);
  const before = readCurrent(layout).origin;
  const old = await finalState(layout.log(epochOf(before)));
  const detail = [`the log ${before} ended`, ...(reason === undefined ? [] : [reason.slice(0, 900)])].join(
    ': ',
  );
  const gap: Gap = {
    reason: 'new-epoch',
    ...(old === undefined ? {} : { from: old.sealed, to: old.size }),
    detail: detail.replace(/[\p{Cc}]/gu, ' '),
  };
  return withTpm(input.config, async (tpm) => {
    const identity = await identityOf(tpm, layout.identity, input);
    const counter =
      input.config.tpm.counter === 'none' ? undefined : await counterOf(tpm, layout.identity, input);
    // A counter value names one epoch only.
    await counter?.increment();
    const previous =
      old?.seal === undefined ? undefined : { origin: before, seal: toHex(old.seal), size: old.sealed };
    return begin(input, tpm, identity, counter, previous, gap);
  });
}

async function withTpm<T>(config: Config, act: (tpm: Tpm) => Promise<T>): Promise<T> {
  const tpm = await openTpm(accessOf(config));
  try {
    // By their names, before anything is made: the TPM itself would refuse a template with a bare code.
    const missing = await missingAlgorithms(tpm);
    if (missing.length > 0)
      throw new AttestdError(
        'TPM_ERROR',
        `this TPM does not have ${missing.join(', nor ')}, and cannot hold the keys of attestd`,
      );
    return await act(tpm);
  } finally {
    await tpm.close();
  }
}

/** The identity that is there and loads, or a new one where there is none or this TPM has lost it. */
async function identityOf(tpm: Tpm, dir: string, input: InitInput): Promise<Identity> {
  const { random, now, config } = input;
  const { approvals } = config.record_key;
  // A policy that cannot be read is found before anything is made or moved.
  const recordPolicy = configuredPolicy(config);
  try {
    return await loadIdentity(tpm, { dir, approvals });
  } catch (e) {
    if (isAttestdError(e, 'TPM_KEY_LOST')) renameSync(dir, `${dir}.lost-${now()}`);
    else if (!isAttestdError(e, 'NOT_INITIALISED')) throw e;
  }
  const bound = recordPolicy === undefined ? {} : { recordPolicy };
  return createIdentity(tpm, { dir, approvals }, random, bound);
}

async function counterOf(tpm: Tpm, dir: string, { config, random }: InitInput): Promise<Counter> {
  try {
    return await loadCounter(tpm, dir);
  } catch (e) {
    if (!isAttestdError(e, 'NOT_INITIALISED') && !isAttestdError(e, 'AUDIT_CONTINUITY_LOST')) throw e;
    return defineCounter(tpm, dir, random, config.tpm.counter_index);
  }
}

/** What the old log ends with; undefined where it cannot be opened any more. */
async function finalState(
  dir: string,
): Promise<{ seal: Uint8Array | undefined; sealed: number; size: number } | undefined> {
  try {
    const store = await openStore(dir);
    const seal = store.lastSeal();
    const state = { seal: seal?.digest, sealed: seal?.size ?? 0, size: store.size };
    await store.close();
    return state;
  } catch (e) {
    if (isAttestdError(e, 'STORE_LOCKED')) throw e;
    return undefined;
  }
}

type Previous = { readonly origin: string; readonly seal: string; readonly size: number } | undefined;

async function begin(
  { config, now, random }: InitInput,
  tpm: Tpm,
  identity: Identity,
  counter: Counter | undefined,
  previous: Previous,
  gap: Gap | undefined,
): Promise<Initialised> {
  const layout = layoutOf(config.state_dir);
  const epoch = counter === undefined ? toHex(random(16)) : (await counter.read()).toString();
  const origin = printOrigin({ fleet: config.fleet, host: config.host, epoch });
  const genesis: BuiltRecord = await buildGenesis({
    tpm,
    identity,
    counter,
    origin,
    epoch,
    assurance: config.tpm.assurance,
    previous,
    timeMs: now(),
    random,
  });
  await createLog(layout.log(epoch), origin, { entry: genesis.entry, id: genesis.id, uid: OWN_UID });
  writeCurrent(layout, { origin, ...(gap === undefined ? {} : { gap }) });
  return { origin, akName: toHex(identity.ak.name), genesis: toHex(genesis.recordDigest) };
}
