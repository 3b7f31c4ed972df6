/**
 * What the addon rejects with: a plain Error with facts beside the message. Which fault is worth a retry, a rebuild
 * or a new context is decided in src/tpm and src/store, never here.
 */

/** The layer of the TSS that gave the code (TSS 2.0 Overview §4.1.2); `rmt`: the resource manager, for the TPM. */
export type TpmLayer = 'tpm' | 'fapi' | 'esys' | 'sys' | 'mu' | 'tcti' | 'rm' | 'rmt' | 'unknown';

/** TPM_ERROR: a response code; TPM_TIMEOUT: the deadline passed; TPM_UNAVAILABLE: full, stalled, closed, no TPM. */
export interface TpmNativeError extends Error {
  readonly code: 'TPM_ERROR' | 'TPM_TIMEOUT' | 'TPM_UNAVAILABLE';
  /** Layer, number and name of the response code; absent where no code was given (timeout, queue, closed). */
  readonly layer?: TpmLayer;
  readonly rc?: number;
  /** `TPM_RC_LOCKOUT`, `TPM_RC_AUTH_FAIL (session 1)`, `TSS2_ESYS_RC_BAD_SEQUENCE`. */
  readonly rcName?: string;
  /** The same without parameter, handle or session number: what code compares with. */
  readonly rcBase?: string;
  /** The command, as in `TPM2_Quote`. */
  readonly command?: string;
  /** Why a command was refused without being sent. */
  readonly reason?: 'queue' | 'stalled' | 'closed' | 'open';
}

/** A failed system call. */
export interface StorageNativeError extends Error {
  readonly code: 'STORAGE_UNAVAILABLE';
  /** `EIO`, `ENOSPC`, …; `EPOISONED`: an earlier write of this writer failed. */
  readonly errno: string;
  readonly syscall: string;
}

function codeOf(e: unknown): unknown {
  return e instanceof Error && 'code' in e ? e.code : undefined;
}

/** Whether `e` came from the addon's TPM thread. */
export function isTpmError(e: unknown): e is TpmNativeError {
  const code = codeOf(e);
  return code === 'TPM_ERROR' || code === 'TPM_TIMEOUT' || code === 'TPM_UNAVAILABLE';
}

/** Whether `e` is a failed system call of the addon. */
export function isStorageError(e: unknown): e is StorageNativeError {
  return codeOf(e) === 'STORAGE_UNAVAILABLE' && e instanceof Error && 'errno' in e;
}
