/**
 * The one table of errors. From it come problem+json, the text and exit status of the command line, the manual
 * and OpenAPI; a test holds all of them against it. A distinct fault has a distinct code.
 */
import { KEEPING } from './keeping.ts';
import { OTHERS } from './others.ts';
import { type Row, row } from './row.ts';

export const ERRORS = {
  // Input
  MALFORMED: row(400, 3, 'the input is malformed', 'send the format as documented; nothing was recorded'),
  INVALID_REQUEST: row(
    400,
    2,
    'the request does not fit its schema',
    'mend the field that is named; nothing was recorded',
  ),
  TOO_LARGE: row(413, 3, 'the input is larger than allowed', 'refer to large content by its digest'),
  UNSUPPORTED_MEDIA_TYPE: row(
    415,
    2,
    'the content type is not supported',
    'send application/json or application/x-ndjson',
  ),
  NOT_FOUND: row(
    404,
    2,
    'there is no such thing here',
    'check the id or the path; callers see their own records only',
  ),
  METHOD_NOT_ALLOWED: row(405, 2, 'the method does not fit this path', 'see the OpenAPI document'),
  CLIENT_HEADER_MISSING: row(
    403,
    2,
    'the attestd-client header is missing',
    'send the header attestd-client: name/version',
  ),
  IDEMPOTENCY_MISMATCH: row(
    409,
    2,
    'this idempotency key was used with another body',
    'use a new key for a new record',
  ),
  USAGE: row(400, 2, 'the command line is not understood', 'see attestctl --help'),
  CONFIG_INVALID: row(
    500,
    2,
    'the configuration is not valid',
    'mend the key that is named, then attestd --check-config',
  ),
  EXISTS: row(409, 2, 'it exists already', 'choose another place or name, or remove it yourself first'),

  // Who may
  FORBIDDEN: row(403, 6, 'this caller may not do that', 'use the admin socket, or ask the operator'),
  POLICY_DENY: row(
    403,
    6,
    'the policy does not allow it',
    'the denial is on record; somebody who may can approve it: attestctl approve ID',
  ),
  GRANT_EXPIRED: row(403, 6, 'the grant is good for nothing any more', 'ask for a new grant'),
  GRANT_NOT_YET_VALID: row(403, 6, 'the grant is not valid yet', 'wait until its window begins'),
  SCOPE_EXCEEDED: row(403, 6, 'the grant does not cover this', 'ask for a grant that does'),
  IDENTITY_MISMATCH: row(403, 6, 'another caller than the one that may', 'the grant names its holder'),
  ENVIRONMENT_MISMATCH: row(
    403,
    6,
    'the machine is not what the grant demands',
    'attestctl status shows its state',
  ),
  EVIDENCE_CHAIN_INVALID: row(
    403,
    6,
    'what the request rests on is not in the log as it says',
    'name grants and approvals of this log, by their ids',
  ),
  LINEAGE_DISCONTINUITY: row(
    403,
    6,
    'a parent is not in the log',
    'name parents by the digests of their records',
  ),
  ATTRIBUTION_FAILED: row(403, 6, 'it cannot be said who is calling', 'call from a process that stays alive'),
  RATE_LIMITED: row(429, 6, 'this caller has used up its share', 'try again after the time in Retry-After'),
  OVERLOADED: row(
    503,
    5,
    'the daemon has as much work queued as it takes',
    'try again after the time in Retry-After',
  ),

  // Reaching the daemon
  DAEMON_UNAVAILABLE: row(
    503,
    5,
    'the daemon does not answer on its socket',
    'systemctl status attestd; ATTESTD_SOCKET or --socket names another socket',
  ),
  SPOOL_FULL: row(503, 5, 'the spool holds as much as it may', 'start the daemon, which takes it in order'),
  SPOOL_UNAVAILABLE: row(503, 5, 'the spool cannot be used', "make it its user's alone: mode 0700"),

  IMA_UNAVAILABLE: row(
    404,
    2,
    'the IMA list of that boot is not at hand',
    'see [ima] in attestd.toml: the daemon must be able to read it; or leave out --ima',
  ),

  // TPM
  TPM_UNAVAILABLE: row(
    503,
    5,
    'the TPM does not answer',
    'check the device and the tcti setting; attestctl status says more',
  ),
  TPM_TIMEOUT: row(
    503,
    5,
    'the TPM did not answer before the deadline',
    'the daemon restarts if this goes on',
  ),
  TPM_ERROR: row(
    503,
    5,
    'the TPM refused a command',
    'the response code is named; look it up under its TPM_RC name',
  ),
  TPM_KEY_LOST: row(
    503,
    5,
    'the keys of this host do not load in this TPM',
    'attestctl recover --new-epoch, then enrol again',
  ),
  RECORD_KEY_UNAPPROVED: row(
    503,
    5,
    'the record key may not sign in this state of the machine',
    'attestctl policy pcr approve on the side of the operator; put the file into the directory record_key.approvals',
  ),
  NOT_INITIALISED: row(503, 5, 'this host has no identity yet', 'attestctl init'),
  NOT_ENROLLED: row(409, 5, 'this host has no certificate yet', 'attestctl enroll request'),

  // Log and disk
  STORAGE_UNAVAILABLE: row(
    503,
    5,
    'the log cannot be written',
    'free space or mend the disk; the daemon restarts to recover',
  ),
  STORE_LOCKED: row(503, 5, 'another process has the log open', 'stop the other daemon; there is one writer'),
  STORE_CORRUPT: row(
    503,
    5,
    'the log on disk is not what was sealed',
    'keep the disk as it is; attestctl audit says where',
  ),
  AUDIT_CONTINUITY_LOST: row(
    503,
    5,
    'the log is not continuous: the counter disagrees with it, or seals stay away',
    'attestctl status says which; after a disagreement, attestctl recover --new-epoch',
  ),
  RECORD_TOO_LARGE: row(
    413,
    2,
    'the record is larger than a log entry may be',
    'refer to large content by its digest',
  ),
  SEAL_REFUSED: row(
    500,
    5,
    'the seal does not follow from the log and the seals before it',
    'nothing was recorded; this is a fault of attestd unless the disk was changed',
  ),
  SEAL_PENDING: row(503, 5, 'the record is durable but not yet sealed', 'ask for it again by its id'),
  SHUTTING_DOWN: row(503, 5, 'the daemon is stopping', 'try again; the socket stays'),

  ...KEEPING,

  ...OTHERS,

  // Verdicts and the rest
  REJECTED: row(422, 1, 'the evidence is rejected', 'the failed checks are listed'),
  INDETERMINATE: row(422, 4, 'the evidence is not enough for a verdict', 'the missing checks are listed'),
  NATIVE_MISSING: row(
    500,
    5,
    'the native addon does not load',
    'run scripts/build-native, or install the package again',
  ),
  INTERRUPTED: row(499, 130, 'interrupted', 'run it again'),
  INTERNAL: row(500, 5, 'an internal fault', 'this is a fault of attestd: please report it with the log'),
} as const satisfies Record<string, Row>;

/** A code of the table. */
export type ErrorCode = keyof typeof ERRORS;

/** Particulars beside the code. */
export interface ErrorFacts {
  /** JSON pointer of the field that is wrong (RFC 6901). */
  readonly field?: string;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number;
  /** The TPM's own name of a response code, its number and the layer that gave it. */
  readonly rc?: number;
  readonly rcName?: string;
  readonly layer?: string;
  /** The record that the refusal is, where it could be written. */
  readonly denial?: { readonly id: string; readonly digest: string };
  /** The record of this caller that stands in the way: the one that its idempotency key made. */
  readonly record?: { readonly id: string; readonly digest: string };
  readonly cause?: unknown;
}

/** The only error that leaves a public function on purpose. */
export class AttestdError extends Error {
  override readonly name = 'AttestdError';
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, detail: string, facts: ErrorFacts = {}) {
    super(detail, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.facts = facts;
  }
}

/**
 * Whether `e` is ours, and of this code when one is given. Known by name and not by class, for a program that is joined
 * from several files has the class more than once.
 */
export function isAttestdError(e: unknown, code?: ErrorCode): e is AttestdError {
  if (!(e instanceof Error) || e.name !== 'AttestdError') return false;
  const found = (e as AttestdError).code;
  return Object.hasOwn(ERRORS, found) && (code === undefined || found === code);
}
