/**
 * The TPM as the rest of the house sees it: operations that either succeed or fail with a code of the table before
 * their deadline, whatever the TPM, its resource manager or its transport do meanwhile (design §11, rows 1–5).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AttestdError } from '../core/errors.ts';
import { type Addon, loadAddon } from '../native/addon.ts';
import type { TpmNativeError } from '../native/error.ts';
import type { Clock } from '../native/tpm.ts';
import { type ClockInfo, createEpochs, type EpochChange } from './epoch.ts';
import { isNative } from './fault.ts';
import { flushSavedSessions, sessionsWork } from './gap.ts';
import { createLink, type Link, type LinkSettings } from './link.ts';
import { createMend, type Patient } from './mend.ts';
import { createTurns } from './turn.ts';
import type { RunOptions, Work } from './work.ts';

export interface TpmOptions {
  /** TCTI configuration: `device:/dev/tpmrm0`, `swtpm:path=/run/x.sock`, `tabrmd:`. */
  readonly tcti: string;
  /** Milliseconds for an operation that names none; also for opening. */
  readonly deadlineMs: number;
  /** How many operations may wait; 256 when absent. */
  readonly queue?: number;
  /**
   * salted (default): every use of a key's auth goes through an HMAC session salted to the storage primary, with
   * parameter encryption. password: auth values in clear on the bus, ten times faster on tpm2-tss with OpenSSL 3; for
   * a firmware TPM behind the kernel's resource manager.
   */
  readonly sessions?: 'salted' | 'password';
  /** Auth of hierarchies whose owner has set one. */
  readonly hierarchyAuth?: { readonly endorsement?: Uint8Array; readonly owner?: Uint8Array };
  readonly addon?: Addon;
  /** Told of every command that failed, before it is tried again: counts. */
  readonly onFault?: (e: TpmNativeError) => void;
  /** Told how many idle sessions of other users were flushed because no session worked any more (gap.ts). */
  readonly onSessionsFlushed?: (count: number) => void;
  /** Jitter of the backoff, 0 ≤ x < 1; Math.random when absent. */
  readonly jitter?: () => number;
}

export interface Tpm {
  /**
   * Runs `op` when its turn comes, again when the failure table says so: `op` must be safe to repeat from its start.
   * @throws TPM_UNAVAILABLE, TPM_TIMEOUT, TPM_ERROR (with rcName), TPM_KEY_LOST, OVERLOADED
   */
  run<T>(op: (work: Work) => Promise<T>, options?: RunOptions): Promise<T>;
  /** TPM2_ReadClock, without any session; tells `onEpoch` listeners of a change. */
  readClock(options?: RunOptions): Promise<Clock>;
  /** `n` random bytes of the TPM. */
  random(n: number, options?: RunOptions): Promise<Uint8Array>;
  /** Compares the clock of something the TPM signed with the last one seen. */
  observe(clock: ClockInfo): EpochChange | null;
  /** Called after resetCount or restartCount was seen to change. Returns what removes the listener. */
  onEpoch(listener: (change: EpochChange) => void): () => void;
  /** The clock as last seen. */
  readonly clock: ClockInfo | null;
  /** From now on the storage primary must have this Name (keys.ts). */
  pinStorage(name: Uint8Array | null): void;
  /** A command has passed its deadline and has not come back: only the end of the process helps. */
  readonly hung: boolean;
  /** How many ESYS contexts there have been. */
  readonly generation: number;
  /** Operations that wait, and objects and sessions that occupy the TPM. */
  state(): { readonly waiting: number; readonly objects: number; readonly sessions: number };
  close(): Promise<void>;
}

/**
 * Whether nothing between us and the TPM keeps the slots of its users apart, so that what a killed process or a lost
 * response left there stays until somebody flushes it. Behind the kernel's /dev/tpmrm0 and tabrmd it does not.
 */
export function isExclusive(tcti: string): boolean {
  return /^(?:swtpm|mssim|libtpms)(?::|$)/.test(tcti) || /^device:\/dev\/tpm\d+$/.test(tcti);
}

/** Opens the TPM and reads its clock. @throws TPM_UNAVAILABLE when it does not answer before the deadline */
export async function openTpm(options: TpmOptions): Promise<Tpm> {
  const addon = options.addon ?? loadAddon();
  const turns = createTurns(options.queue ?? 256);
  const epochs = createEpochs();
  const settings: LinkSettings = { sessions: options.sessions ?? 'salted', storageName: null };
  let link: Link | null = null;
  let generation = 0;
  let closed = false;

  const discard = async () => {
    const old = link;
    link = null;
    await old?.close();
  };
  const reach = async (end: number): Promise<Link> => {
    if (closed) throw new AttestdError('SHUTTING_DOWN', 'the TPM was closed');
    if (link !== null) return link;
    const left = Math.max(1, Math.ceil(end - performance.now()));
    const ctx = await addon.openTpm({
      tcti: options.tcti,
      queue: 64,
      deadlineMs: Math.min(left, options.deadlineMs),
    });
    const made = createLink(ctx, settings);
    link = made;
    generation++;
    const { endorsement, owner } = options.hierarchyAuth ?? {};
    if (endorsement !== undefined) await ctx.setAuth('endorsement', endorsement);
    if (owner !== undefined) await ctx.setAuth('owner', owner);
    epochs.observe(await ctx.readClock({ deadlineMs: left }));
    return made;
  };
  /** Whether the TPM has lived another life since it was last asked; false when it cannot be asked. */
  const isReset = async (at: Link): Promise<boolean> => {
    const now = await at.ctx.readClock().catch(() => null);
    return now !== null && epochs.observe(now) !== null;
  };

  const patient: Patient = {
    link: () => link,
    discard,
    isReset,
    async unblock(end) {
      if (await (await reach(end)).attempt(sessionsWork, end)) return;
      await discard();
      const flushed = await (await reach(end)).attempt(flushSavedSessions, end);
      if (flushed > 0) options.onSessionsFlushed?.(flushed);
    },
    exclusive: isExclusive(options.tcti),
    jitter: options.jitter ?? Math.random,
  };

  const run = async <T>(
    op: (work: Work) => Promise<T>,
    { deadlineMs = options.deadlineMs, urgency = 'control' }: RunOptions = {},
  ): Promise<T> => {
    const end = performance.now() + deadlineMs;
    const mend = createMend(patient, deadlineMs, end);
    for (;;) {
      const release = await turns.take(urgency, Math.max(0, end - performance.now()));
      let wait: number;
      try {
        return await (await reach(end)).attempt(op, end);
      } catch (e) {
        if (!isNative(e)) throw e;
        options.onFault?.(e);
        wait = await mend(e);
      } finally {
        release();
      }
      if (wait > 0) await sleep(wait);
    }
  };

  const tpm: Tpm = {
    run,
    async readClock(o) {
      const now = await run((w) => w.ctx.readClock(w.plain()), o);
      epochs.observe(now);
      return now;
    },
    random: (n, o) =>
      run(async (w) => {
        const out = new Uint8Array(n);
        for (let at = 0; at < n; ) {
          const some = await w.ctx.getRandom(Math.min(32, n - at), w.plain());
          out.set(some, at);
          at += some.length;
        }
        return out;
      }, o),
    observe: epochs.observe,
    onEpoch: epochs.onChange,
    get clock() {
      return epochs.last;
    },
    pinStorage(name) {
      settings.storageName = name;
    },
    get hung() {
      return link?.ctx.state().stalled ?? false;
    },
    get generation() {
      return generation;
    },
    state() {
      const { objects = 0, sessions = 0 } = link?.ctx.state() ?? {};
      return { waiting: turns.waiting, objects, sessions };
    },
    async close() {
      closed = true;
      await discard();
    },
  };
  try {
    await tpm.readClock();
  } catch (e) {
    await tpm.close();
    throw e;
  }
  return tpm;
}
