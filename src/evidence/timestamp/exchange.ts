/** What is sent to a timestamp authority and what it answers (RFC 3161 §2.4): request in, status and token out. */
import { concat } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { expect, readDer, smallInteger, TAG } from '../x509/der.ts';
import { MAX_TOKEN } from './cms.ts';

const SHA256 = Uint8Array.of(
  ...[0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00],
);
const tlv = (tag: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const body = concat(...parts);
  return concat(Uint8Array.of(tag, body.length), body);
};

/**
 * TimeStampReq over a SHA-256 digest, asking for the certificates of the authority.
 * @param nonce 1 to 16 bytes; the first is made positive and not zero
 */
export function printTimestampRequest(digest: Uint8Array, nonce: Uint8Array): Uint8Array {
  if (digest.length !== 32) throw new AttestdError('INTERNAL', 'a message imprint has 32 bytes here');
  return tlv(
    TAG.sequence,
    tlv(TAG.integer, Uint8Array.of(1)),
    tlv(TAG.sequence, SHA256, tlv(TAG.octetString, digest)),
    tlv(TAG.integer, timestampNonce(nonce)),
    tlv(TAG.boolean, Uint8Array.of(0xff)),
  );
}

/** The content octets of the nonce that such a request carries. */
export function timestampNonce(random: Uint8Array): Uint8Array {
  if (random.length < 1 || random.length > 16)
    throw new AttestdError('INTERNAL', 'a nonce has 1 to 16 bytes');
  const out = random.slice();
  out[0] = ((out[0] as number) & 0x7f) | 0x40;
  return out;
}

/** What an authority answers. */
export interface TimestampResponse {
  /** PKIStatus: 0 granted, 1 granted with changes; everything else comes without a token. */
  readonly status: number;
  /** Bytes of the token; present iff granted. */
  readonly token?: Uint8Array;
}

/** Reads a TimeStampResp that fills `bytes`. @throws MALFORMED, TOO_LARGE */
export function parseTimestampResponse(bytes: Uint8Array): TimestampResponse {
  if (bytes.length > MAX_TOKEN + 1024)
    throw new AttestdError('TOO_LARGE', 'a timestamp response over 33 KiB');
  const [info, token, ...more] = expect(readDer(bytes.slice(), []), TAG.sequence, 'TimeStampResp').children;
  const status = smallInteger(expect(info, TAG.sequence, 'status').children[0], 'status');
  const granted = status === 0 || status === 1;
  if (more.length > 0 || granted !== (token !== undefined)) {
    throw new AttestdError(
      'MALFORMED',
      'timestamp response: a token comes with a granted status and no other',
    );
  }
  return token === undefined ? { status } : { status, token: token.bytes };
}
