/**
 * What a failed command is counted under: a name of the table of response codes (TPM 2.0 Part 2 §6.6), the layer of the
 * TSS that spoke instead of the TPM, or that nothing came in time. A closed list, so that it can be a label of a metric.
 */
import type { TpmNativeError } from '../native/error.ts';

const RC =
  'BAD_TAG ASYMMETRIC ATTRIBUTES HASH VALUE HIERARCHY KEY_SIZE MGF MODE TYPE HANDLE KDF RANGE AUTH_FAIL NONCE PP SCHEME ' +
  'SIZE SYMMETRIC TAG SELECTOR INSUFFICIENT SIGNATURE KEY POLICY_FAIL INTEGRITY TICKET RESERVED_BITS BAD_AUTH EXPIRED ' +
  'POLICY_CC BINDING CURVE ECC_POINT INITIALIZE FAILURE SEQUENCE PRIVATE HMAC DISABLED EXCLUSIVE AUTH_TYPE AUTH_MISSING ' +
  'POLICY PCR FW_LIMITED PCR_CHANGED SVN_LIMITED PARMS UPGRADE TOO_MANY_CONTEXTS AUTH_UNAVAILABLE REBOOT UNBALANCED ' +
  'COMMAND_SIZE COMMAND_CODE AUTHSIZE AUTH_CONTEXT NV_RANGE NV_SIZE NV_LOCKED NV_AUTHORIZATION NV_UNINITIALIZED NV_SPACE ' +
  'NV_DEFINED BAD_CONTEXT CPHASH PARENT NEEDS_TEST NO_RESULT SENSITIVE CONTEXT_GAP OBJECT_MEMORY SESSION_MEMORY MEMORY ' +
  'SESSION_HANDLES OBJECT_HANDLES LOCALITY YIELDED CANCELED TESTING REFERENCE_H0 REFERENCE_H1 REFERENCE_H2 REFERENCE_H3 ' +
  'REFERENCE_H4 REFERENCE_H5 REFERENCE_H6 REFERENCE_S0 REFERENCE_S1 REFERENCE_S2 REFERENCE_S3 REFERENCE_S4 REFERENCE_S5 ' +
  'REFERENCE_S6 NV_RATE LOCKOUT RETRY NV_UNAVAILABLE';

/** Every name that `nameOfFault` gives. */
export const FAULT_NAMES: readonly string[] = [
  ...RC.split(' ').map((name) => `TPM_RC_${name}`),
  ...['FAPI', 'ESYS', 'SYS', 'MU', 'TCTI', 'RM'].map((layer) => `TSS2_${layer}`),
  'timeout',
  'unavailable',
  'other',
];
const KNOWN = new Set(FAULT_NAMES);

/** The name under which a failed command is counted. */
export function nameOfFault(e: Pick<TpmNativeError, 'code' | 'layer' | 'rcBase'>): string {
  if (e.rcBase !== undefined && KNOWN.has(e.rcBase)) return e.rcBase;
  const layer = `TSS2_${e.layer?.toUpperCase()}`;
  if (KNOWN.has(layer)) return layer;
  if (e.code === 'TPM_TIMEOUT') return 'timeout';
  return e.code === 'TPM_UNAVAILABLE' ? 'unavailable' : 'other';
}
