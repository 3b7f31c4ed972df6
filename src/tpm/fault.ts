/**
 * What a failed TPM command means for whoever sent it: the rows of the failure table (design §11), told from the
 * response code alone. TPM 2.0 Part 2 §6.6; TSS 2.0 Overview §4.1.2. No retry happens here.
 */
import { AttestdError, type ErrorFacts } from '../core/errors.ts';
import { isTpmError, type TpmNativeError } from '../native/error.ts';

/**
 * busy: the TPM asks to come back · starting: it has not been started yet · memory: our objects or sessions are in the
 * way · stale: a handle of ours is gone · poisoned: the ESYS context can never be used again · absent: no TPM there ·
 * stalled: an earlier command is still on its way ·
 * hung: no answer before the deadline · full: our own queue · other: an answer like any other.
 */
export type Fault =
  | 'busy'
  | 'starting'
  | 'memory'
  | 'stale'
  | 'poisoned'
  | 'absent'
  | 'stalled'
  | 'hung'
  | 'full'
  | 'other';

/** Response codes that code compares with (without parameter, handle and session numbers). */
export const RC = {
  INITIALIZE: 0x100,
  PCR_CHANGED: 0x128,
  NV_AUTHORIZATION: 0x149,
  NV_UNINITIALIZED: 0x14a,
  NV_DEFINED: 0x14c,
  VALUE: 0x84,
  HANDLE: 0x8b,
  AUTH_FAIL: 0x8e,
  POLICY_FAIL: 0x9d,
  INTEGRITY: 0x9f,
  BAD_AUTH: 0xa2,
} as const;

const WARNINGS: ReadonlyMap<number, Fault> = new Map<number, Fault>([
  [0x901, 'memory'], // CONTEXT_GAP
  [0x902, 'memory'], // OBJECT_MEMORY
  [0x903, 'memory'], // SESSION_MEMORY
  [0x904, 'memory'], // MEMORY
  [0x905, 'memory'], // SESSION_HANDLES
  [0x906, 'memory'], // OBJECT_HANDLES
  [0x908, 'busy'], // YIELDED
  [0x90a, 'busy'], // TESTING
  [0x920, 'busy'], // NV_RATE
  [0x922, 'busy'], // RETRY
]);

/** Whether `e` came from the addon; our own errors bear the same codes. */
export const isNative = (e: unknown): e is TpmNativeError => !(e instanceof AttestdError) && isTpmError(e);

/** The TPM's own code without parameter, handle or session number; null when another layer spoke. */
export function responseCode(e: unknown): number | null {
  if (!isNative(e) || e.rc === undefined) return null;
  if (e.layer !== 'tpm' && e.layer !== 'rmt') return null;
  const rc = e.rc & 0xfff;
  return (rc & 0x80) === 0 ? rc : rc & 0xbf;
}

/** Whether the TPM answered this code of `RC`. */
export const isRc = (e: unknown, rc: number): boolean => responseCode(e) === rc;

/** The row of the failure table that an error of the addon belongs to. */
export function faultOf(e: TpmNativeError): Fault {
  if (e.code === 'TPM_TIMEOUT') return 'hung';
  if (e.code === 'TPM_UNAVAILABLE') {
    if (e.reason === 'queue') return 'full';
    return e.reason === 'stalled' ? 'stalled' : 'absent';
  }
  const rc = responseCode(e);
  if (rc === null) return 'poisoned';
  if (rc === RC.INITIALIZE) return 'starting';
  // REFERENCE_H0–6 and REFERENCE_S0–6: a handle or session that the TPM does not have.
  if (rc >= 0x910 && rc <= 0x91e) return 'stale';
  if (rc === RC.HANDLE) return 'stale';
  return WARNINGS.get(rc) ?? 'other';
}

/** The public error of an error of the addon; others pass unchanged. */
export function publicError(e: unknown): unknown {
  if (!isNative(e)) return e;
  const facts: ErrorFacts = {
    cause: e,
    ...(e.rc === undefined ? {} : { rc: e.rc }),
    ...(e.rcName === undefined ? {} : { rcName: e.rcName }),
    ...(e.layer === undefined ? {} : { layer: e.layer }),
  };
  const said = e.rcName ?? e.reason ?? e.message;
  const detail = e.command === undefined ? said : `${e.command}: ${said}`;
  switch (faultOf(e)) {
    case 'hung':
    case 'stalled':
      return new AttestdError('TPM_TIMEOUT', detail, facts);
    case 'busy':
      return new AttestdError('TPM_TIMEOUT', `busy until the deadline: ${detail}`, facts);
    case 'full':
      return new AttestdError('OVERLOADED', 'too many TPM commands wait', facts);
    case 'absent':
    case 'poisoned':
    case 'starting':
      return new AttestdError('TPM_UNAVAILABLE', detail, facts);
    default:
      return new AttestdError('TPM_ERROR', detail, facts);
  }
}

/** Whether the TPM itself refused, so that another way may be tried; everything else is for the failure table. */
export const isRefusal = (e: unknown): boolean =>
  isNative(e) && responseCode(e) !== null && faultOf(e) === 'other';
