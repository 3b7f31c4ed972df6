/**
 * Endorsement certificates as TPMs hold them: padded to the size of their NV index, sometimes behind three bytes of
 * the vendor's own, sometimes not quite DER. Only here is any of that forgiven (TCG EK Credential Profile §3; the
 * faults are those of real chips): the signatures of the chain cover the raw bytes either way, and the raw bytes are
 * what is kept and shown.
 */
import { AttestdError } from '../../core/errors.ts';
import { type Certificate, MAX_CERTIFICATE, parseCertificate } from './certificate.ts';
import { outerLength } from './der.ts';

/** What some chips write before the certificate in NV. */
const PREFIX = [0x10, 0x01, 0x00];

/**
 * The certificate inside the content of an NV index or file: without the vendor's prefix, cut to its DER length.
 * What follows must be padding, 00 or ff throughout.
 * @throws MALFORMED, TOO_LARGE
 */
export function trimEndorsement(bytes: Uint8Array): Uint8Array {
  if (bytes.length > 2 * MAX_CERTIFICATE) {
    throw new AttestdError('TOO_LARGE', 'an endorsement certificate over 32 KiB');
  }
  const prefixed = PREFIX.every((x, i) => bytes[i] === x) && bytes[PREFIX.length] === 0x30;
  const from = prefixed ? PREFIX.length : 0;
  const end = from + outerLength(bytes.subarray(from));
  if (end > bytes.length) throw new AttestdError('MALFORMED', 'DER: the certificate is cut short');
  const padding = bytes.subarray(end);
  const filler = padding[0];
  if (filler !== undefined && ((filler !== 0x00 && filler !== 0xff) || padding.some((x) => x !== filler))) {
    throw new AttestdError('MALFORMED', `${padding.length} bytes behind the certificate are no padding`);
  }
  return bytes.subarray(from, end);
}

/**
 * Reads an endorsement certificate. Its `deviations` say what is not DER in it; they are no reason to refuse it.
 * @throws MALFORMED, TOO_LARGE
 */
export function parseEndorsement(bytes: Uint8Array): Certificate {
  return parseCertificate(trimEndorsement(bytes));
}
