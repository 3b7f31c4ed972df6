/** Printing and bounding of TPM wire structures; the reading side is the Reader of core. TPM 2.0 Library part 2 §10. */
import { concat, u16 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';

/** A TPM2B: 16-bit length, then the bytes. @throws MALFORMED when they are more than a 16-bit length can say */
export function tpm2b(bytes: Uint8Array): Uint8Array {
  if (bytes.length > 0xffff) throw new AttestdError('MALFORMED', 'a field is longer than 65535 bytes');
  return concat(u16(bytes.length), bytes);
}

/** Refuses a structure over `max` bytes before any of it is read. @throws MALFORMED */
export function bounded(bytes: Uint8Array, max: number, what: string): Uint8Array {
  if (bytes.length > max) {
    throw new AttestdError('MALFORMED', `${what}: ${bytes.length} bytes, at most ${max} allowed`);
  }
  return bytes;
}
