/**
 * One ESYS context with what stays in the TPM for it: keys that are in use and the held session. A link is thrown away
 * whole when its context is poisoned; what it held is loaded again in the next one.
 */
import { equal } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import type { CommandOptions, Handle, HmacSession, TpmContext, TpmObject } from '../native/tpm.ts';
import { isRc, RC } from './fault.ts';
import { listHandles, RANGE } from './property.ts';
import { storageTemplate } from './template.ts';
import type { Resident, Work } from './work.ts';

/** Keys that stay loaded: with the storage primary or an EK beside them they fit the three slots every TPM has. */
const MAX_RESIDENTS = 2;
const SWEEP_MS = 5000;

export interface LinkSettings {
  readonly sessions: 'salted' | 'password';
  /** Name of the storage primary that the identity of this host names; null before there is one. */
  storageName: Uint8Array | null;
}

export interface Link {
  readonly ctx: TpmContext;
  /** Whether anything of ours is in the TPM. */
  readonly occupied: boolean;
  /** Runs one operation; whatever it kept is flushed when it ends. @param end deadline, by performance.now() */
  attempt<T>(op: (work: Work) => Promise<T>, end: number): Promise<T>;
  /** Flushes all keys and the session; they are loaded again when needed. Never rejects. */
  flushAll(): Promise<void>;
  /** Flushes all transient objects and sessions of the TPM, ours or not. Never rejects. */
  sweep(): Promise<void>;
  /** Ends the context. Never rejects. */
  close(): Promise<void>;
}

export function createLink(ctx: TpmContext, settings: LinkSettings): Link {
  const residents = new Map<Resident, TpmObject>();
  let session: HmacSession | null = null;

  const flush = (handle: Handle) => ctx.flush(handle).catch(() => undefined);
  const drop = async (resident: Resident) => {
    const handle = residents.get(resident);
    residents.delete(resident);
    if (handle !== undefined) await flush(handle);
  };
  const flushAll = async () => {
    for (const resident of [...residents.keys()]) await drop(resident);
    const held = session;
    session = null;
    if (held !== null) await flush(held);
  };

  const attempt = async <T>(op: (work: Work) => Promise<T>, end: number): Promise<T> => {
    const kept: Handle[] = [];
    let storage: TpmObject | null = null;

    const plain = (): CommandOptions => ({ deadlineMs: Math.max(1, Math.ceil(end - performance.now())) });
    const room = async () => {
      const handle = storage;
      storage = null;
      if (handle !== null) await flush(handle);
    };
    const startSalted = async (tpmKey: TpmObject): Promise<HmacSession> => {
      const start = () => ctx.startSession({ type: 'hmac', tpmKey }, plain());
      // Some TPMs refuse a salt now and then with TPM_RC_VALUE; a second one is taken.
      return start().catch((e: unknown) => {
        if (isRc(e, RC.VALUE)) return start();
        throw e;
      });
    };
    const work: Work = {
      ctx,
      plain,
      room,
      drop,
      keep(handle) {
        kept.push(handle);
        return handle;
      },
      async storage() {
        if (storage !== null) return storage;
        const made = await ctx.createPrimary(
          { hierarchy: 'endorsement', public: storageTemplate() },
          plain(),
        );
        if (settings.storageName !== null && !equal(made.name, settings.storageName)) {
          await flush(made.handle);
          throw new AttestdError(
            'TPM_KEY_LOST',
            'the storage primary has another Name than when the identity was made: this is another TPM',
          );
        }
        storage = made.handle;
        return storage;
      },
      async authorised() {
        if (settings.sessions === 'password') return plain();
        session ??= await startSalted(await work.storage());
        return { ...plain(), auth: session };
      },
      async authorisedTwice() {
        const first = await work.authorised();
        if (settings.sessions === 'password') return first;
        return { ...first, auth2: work.keep(await startSalted(await work.storage())) };
      },
      async salted(salt) {
        return work.keep(await startSalted(salt));
      },
      async key(resident) {
        const loaded = residents.get(resident);
        if (loaded !== undefined) {
          residents.delete(resident);
          residents.set(resident, loaded);
          return loaded;
        }
        for (const oldest of residents.keys()) {
          if (residents.size < MAX_RESIDENTS) break;
          await drop(oldest);
        }
        const handle = await resident.load(work);
        residents.set(resident, handle);
        return handle;
      },
    };
    try {
      return await op(work);
    } finally {
      await room();
      for (const handle of kept.reverse()) await flush(handle);
    }
  };

  return {
    ctx,
    get occupied() {
      return residents.size > 0 || session !== null;
    },
    attempt,
    flushAll,
    async sweep() {
      await flushAll();
      await attempt(async (w) => {
        for (const range of [RANGE.transient, RANGE.loadedSession]) {
          for (const handle of await listHandles(w, range)) await ctx.flushUnowned(handle, w.plain());
        }
      }, performance.now() + SWEEP_MS).catch(() => undefined);
    },
    async close() {
      residents.clear();
      session = null;
      await ctx.close();
    },
  };
}
