/**
 * What workload keys sign. A caller chooses the message and never the bytes that are hashed: a key of role `workload`
 * signs it behind a prefix whose NUL can stand in no signed note, and which begins like no envelope, no structure of a
 * TPM, no COSE and no DER; a key of role `tls` signs nothing but the CertificateVerify of a TLS 1.3 client.
 */
import { concat, equal, utf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { TAG_PREFIX } from '../../core/namespace.ts';

/** Roles of keys that a caller may have made. */
export type WorkloadRole = 'workload' | 'tls';

/** Largest message in bytes. */
export const MAX_MESSAGE = 65_536;

/** `attestd.dev/workload-signature/v1`, newline, NUL. */
export const WORKLOAD_PREFIX: Uint8Array = utf8(`${TAG_PREFIX}workload-signature/v1\n\0`);

/** RFC 8446 §4.4.3: 64 spaces, the context of a client, a zero byte; then the transcript hash. */
export const TLS_CLIENT_PREFIX: Uint8Array = utf8(`${' '.repeat(64)}TLS 1.3, client CertificateVerify\0`);
/** Transcript hashes of the cipher suites there are: SHA-256 and SHA-384. */
const TRANSCRIPTS: readonly number[] = [32, 48];

/**
 * The bytes that a key of this role signs, by ECDSA with SHA-256, when its caller sends `message`.
 * @throws INVALID_REQUEST when a TLS key is asked for anything else than a client's CertificateVerify, or too much
 */
export function workloadBytes(role: WorkloadRole, message: Uint8Array): Uint8Array {
  const refuse = (why: string) =>
    new AttestdError('INVALID_REQUEST', `/message ${why}`, { field: '/message' });
  if (message.length > MAX_MESSAGE) throw refuse(`has over ${MAX_MESSAGE} bytes`);
  if (role === 'workload') return concat(WORKLOAD_PREFIX, message);
  const head = message.subarray(0, TLS_CLIENT_PREFIX.length);
  if (!equal(head, TLS_CLIENT_PREFIX) || !TRANSCRIPTS.includes(message.length - TLS_CLIENT_PREFIX.length)) {
    throw refuse('is not the CertificateVerify of a TLS 1.3 client, whole and unhashed');
  }
  return message;
}
