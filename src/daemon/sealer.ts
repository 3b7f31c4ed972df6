/**
 * The sealer: one quote in flight, always over the newest durable tree head, so that one signature covers however many
 * records came meanwhile (design §3). A seal is checked by us before anybody sees it (signature, extraData, the TPM's
 * counts and clock) and leaves the process only after its frame is fsynced; the next quote is taken meanwhile, and is
 * thrown away where the seal before it did not become durable. A quote that cannot follow the boot entry and the quote
 * before it within one life of the TPM is thrown away: that needs a boot entry first.
 */
import { verify as verifySignature } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { equal, utf8, ZERO32 } from '../core/bytes.ts';
import { AttestdError, isAttestdError } from '../core/errors.ts';
import { sealExtraData } from '../evidence/binding.ts';
import { encodeSeal, type SealHeader, sealDigest, sealKeyId } from '../evidence/seal.ts';
import { ecdsaP1363, parseSignature } from '../evidence/tpm/signature.ts';
import { printCheckpoint } from '../log/checkpoint.ts';
import { printNote } from '../log/note.ts';
import type { Sealed } from '../store/seal.ts';
import { DiskFull } from '../store/segments.ts';
import type { Quote, Quoter } from '../tpm/quote.ts';
import { between, type Sighting } from '../verify/life.ts';
import type { Config } from './config.ts';
import type { Exclusive } from './measured/exclusive.ts';
import type { Run } from './run.ts';
import { createWaiters, type OnSealed } from './waiters.ts';

/** A durable tree head. */
export interface Head {
  readonly size: number;
  readonly root: Uint8Array;
}

export interface SealerInput {
  readonly origin: string;
  /** DER SubjectPublicKeyInfo of the AK. */
  readonly akSpki: Uint8Array;
  readonly quoter: Quoter;
  readonly settings: Config['seal'];
  /** Milliseconds, never going back. */
  readonly now: () => number;
  /** Newest durable head. */
  readonly head: () => Head;
  readonly lastSeal: () => Sealed | undefined;
  /** Value of the newest anchor with index below `size`; 0 where there is none. */
  readonly anchorBelow: (size: number) => bigint;
  /** The run that holds now; undefined while there is none. */
  readonly run: () => Run | undefined;
  /** Makes PCR values, then the note, durable. */
  readonly keep: (note: Uint8Array, quote: Quote) => Promise<Sealed>;
  /** A quote and an extend of our own register exclude each other. */
  readonly exclusive: Exclusive;
  /** Whether the quote shows our own register as the tree has it; where not, it is thrown away, and that was recorded. */
  readonly agrees: (quote: Quote) => Promise<boolean>;
  /** The TPM lives another life than the run's boot entry says: makes a new run, then resolves. */
  readonly newRun: () => Promise<void>;
  /** A seal failed; the sealer tries again. */
  readonly onTrouble: (e: Error) => void;
  /** The store or the identity failed: nothing can be sealed any more. */
  readonly onFailure: (e: Error) => void;
  /** @param ms from the beginning of its quote until it was durable */
  readonly onSeal: (seal: Sealed, ms: number) => void;
}

export interface Sealer {
  /** Calls back with the seal that covers entry `index`, or undefined when it takes too long. */
  wait(index: number, done: OnSealed): void;
  /** Something became durable. */
  wake(): void;
  readonly waiting: number;
  /** How long the oldest entry without a seal has been known, milliseconds; 0 where there is none. */
  unsealedMs(): number;
  /** Seals what is there and stops. */
  stop(): Promise<void>;
}

/** A quote that makes a seal once it is kept. */
interface Taken extends SealHeader {
  readonly size: number;
  readonly digest: Uint8Array;
  readonly note: Uint8Array;
  readonly quote: Quote;
}

/** How long a caller waits for a seal before it is told to ask later. */
const LONGEST_WAIT_MS = 60_000;
const RETRY_MS = 250;
/** The same while the disk has no room for a seal: each try looks for some. */
const ROOM_MS = 2000;

export function createSealer(input: SealerInput): Sealer {
  const { settings } = input;
  /** Of no clock that somebody can set: every wait of this file ends. */
  const elapsed = () => performance.now();
  const waiters = createWaiters();
  let working: Promise<void> | undefined;
  let stopped = false;
  let failed = false;
  /** The seal that is quoted and not durable yet, and its way to the disk. */
  let newest: Taken | undefined;
  let keeping: Promise<void> = Promise.resolve();
  let lastEnd = 0;
  let lastStart = 0;
  /** Callers under the last seal are being answered. */
  let answering: Promise<void> = Promise.resolve();
  let unsealedSince: number | undefined;
  /** The TPM as the newest quote of a run shows it. */
  let sighted: { readonly boot: string; readonly seen: Sighting } | undefined;
  const keyId = sealKeyId(input.origin, input.akSpki);
  const akKey = {
    key: Buffer.from(input.akSpki),
    format: 'der',
    type: 'spki',
    dsaEncoding: 'ieee-p1363',
  } as const;

  const before = () => newest ?? input.lastSeal();
  const unsealed = () => input.head().size > (before()?.size ?? 0);
  function due(): boolean {
    if (input.run() === undefined) return false;
    if (unsealed()) {
      unsealedSince ??= elapsed();
      return waiters.size > 0 || stopped || elapsed() - unsealedSince >= settings.max_age_ms;
    }
    unsealedSince = undefined;
    return elapsed() - lastEnd >= settings.idle_ms;
  }

  function wake(): void {
    if (working !== undefined || !due()) return;
    working = work().finally(() => {
      working = undefined;
      if (!stopped) wake();
    });
  }

  async function work(): Promise<void> {
    // From seal to seal: a quote that takes longer than the gap has kept it already.
    const gap = lastStart + settings.min_gap_ms - elapsed();
    if (gap > 0) await sleep(gap);
    lastStart = elapsed();
    try {
      const begun = lastStart;
      const taken = await take();
      lastEnd = elapsed();
      if (taken === undefined) return;
      await keeping;
      if (!equal(taken.prevSeal, input.lastSeal()?.digest ?? ZERO32)) {
        // The seal before it did not become durable, and that was told.
        if (!stopped) await sleep(RETRY_MS);
        return;
      }
      unsealedSince = undefined;
      newest = taken;
      keeping = keep(taken, begun);
    } catch (e) {
      lastEnd = elapsed();
      meet(e as Error);
      if (!failed && !stopped) await sleep(e instanceof DiskFull ? ROOM_MS : RETRY_MS);
    }
  }

  async function keep(taken: Taken, begun: number): Promise<void> {
    try {
      const seal = await input.keep(taken.note, taken.quote);
      const ms = elapsed() - begun;
      // The next quote starts first: answering hundreds of callers, each with a proof, would hold it up.
      answering = new Promise((resolve) => {
        setImmediate(() => {
          waiters.resolve(seal);
          input.onSeal(seal, ms);
          resolve();
        });
      });
    } catch (e) {
      meet(e as Error);
      if (e instanceof DiskFull && !stopped) await sleep(ROOM_MS);
    } finally {
      if (newest === taken) newest = undefined;
    }
  }

  function meet(error: Error): void {
    // That can last: what waits for a seal is durable, and is told so at once.
    if (error instanceof DiskFull) waiters.expire(Number.POSITIVE_INFINITY);
    if (!isFatal(error)) {
      input.onTrouble(error);
      return;
    }
    stopped = true;
    failed = true;
    input.onFailure(error);
  }

  async function take(): Promise<Taken | undefined> {
    const taken = await input.exclusive(quote);
    if (taken !== 'another life') return taken;
    await keeping;
    await input.newRun();
    return undefined;
  }

  async function quote(): Promise<Taken | undefined | 'another life'> {
    const run = input.run();
    if (run === undefined) return undefined;
    const { size, root } = input.head();
    const last = before();
    const header: SealHeader = {
      timeMs: Math.max(input.now(), last?.timeMs ?? 0),
      seq: (last?.seq ?? 0) + 1,
      bootIndex: run.bootIndex,
      anchorCtr: input.anchorBelow(size),
      prevSeal: last?.digest ?? ZERO32,
    };
    const text = printCheckpoint({ origin: input.origin, size, root });
    const quote = await input.quoter.take(sealExtraData(header, text));
    const { clockInfo, firmwareVersion } = quote.parsed;
    const seen = { ...clockInfo, firmwareVersion };
    const earlier = sighted?.boot === run.boot ? sighted.seen : run.sighting;
    if (between(earlier, seen).verdict !== 'accept') return 'another life';
    if (!(await input.agrees(quote))) return undefined;
    const p1363 = ecdsaP1363(parseSignature(quote.signature), 32);
    if (!verifySignature('sha256', quote.attest, akKey, p1363)) {
      throw new AttestdError('TPM_ERROR', 'the TPM gave a quote whose signature does not verify');
    }
    sighted = { boot: run.boot, seen };
    const signature = encodeSeal(header, quote.attest, quote.signature);
    const note = utf8(printNote({ text, signatures: [{ name: input.origin, keyId, signature }] }));
    return { ...header, size, digest: sealDigest(signature), note, quote };
  }

  const tick = setInterval(
    () => {
      waiters.expire(elapsed() - LONGEST_WAIT_MS);
      wake();
    },
    Math.min(250, settings.max_age_ms),
  );
  tick.unref();

  return {
    wait(index, done) {
      const last = input.lastSeal();
      if (last !== undefined && index < last.size) {
        queueMicrotask(() => done(last));
        return;
      }
      waiters.add(index, elapsed(), done);
      wake();
    },
    wake,
    get waiting() {
      return waiters.size;
    },
    unsealedMs: () => (unsealedSince === undefined ? 0 : Math.max(0, elapsed() - unsealedSince)),
    async stop() {
      clearInterval(tick);
      await working;
      await keeping;
      stopped = true;
      if (unsealed() && !failed) {
        wake();
        await working;
        await keeping;
      }
      await answering;
      waiters.expire(Number.POSITIVE_INFINITY);
    },
  };
}

/** Faults that no further try mends. */
function isFatal(e: Error): boolean {
  if (e instanceof DiskFull) return false;
  return (
    isAttestdError(e, 'STORAGE_UNAVAILABLE') ||
    isAttestdError(e, 'STORE_CORRUPT') ||
    isAttestdError(e, 'TPM_KEY_LOST') ||
    isAttestdError(e, 'AUDIT_CONTINUITY_LOST')
  );
}
