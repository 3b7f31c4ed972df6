/**
 * What a TPM operation gets while it has its turn: the context, keys that are loaded when needed and stay loaded, the
 * salted session that is held between operations, and a place for handles that must not outlive the operation.
 */
import type { CommandOptions, Handle, HmacSession, TpmContext, TpmObject } from '../native/tpm.ts';
import type { Urgency } from './turn.ts';

/** A key that can be loaded again at any time, because only blobs are kept (design §5). */
export interface Resident {
  readonly name: Uint8Array;
  /** Loads it and tells ESYS its auth. @throws TPM_KEY_LOST when this TPM will never load it again */
  load(work: Work): Promise<TpmObject>;
}

export interface Work {
  readonly ctx: TpmContext;
  /** Options for a command that needs no authorisation, or an empty password. */
  plain(): CommandOptions;
  /** Options with the held salted session for the first authorisation (in password mode: without). */
  authorised(): Promise<CommandOptions>;
  /** The same for both authorisations; the second session lives for this operation only. */
  authorisedTwice(): Promise<CommandOptions>;
  /** A salted session of its own for this operation. @param salt a loaded key whose Name was checked */
  salted(salt: TpmObject): Promise<HmacSession>;
  /** The storage primary (template.ts), its Name checked; gone at the latest when the operation ends. */
  storage(): Promise<TpmObject>;
  /** The loaded object of a resident key. */
  key(resident: Resident): Promise<TpmObject>;
  /** Makes room for one more object: the storage primary goes, it can be created again. */
  room(): Promise<void>;
  /** Flushes `handle` when the operation ends, well or not. */
  keep<T extends Handle>(handle: T): T;
  /** Forgets a resident key in the TPM, as when its blobs are deleted. */
  drop(resident: Resident): Promise<void>;
}

export interface RunOptions {
  /** Milliseconds for everything, waiting and retries included. */
  readonly deadlineMs?: number;
  /** 'control' when absent. */
  readonly urgency?: Urgency;
}
