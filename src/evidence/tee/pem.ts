/**
 * A chain of certificates in PEM (RFC 7468) as Intel puts it into quotes: labels and base64 in lines, nothing between
 * them but line ends, and perhaps a NUL byte behind the last, which C programs leave there.
 */
import { fromBase64, fromUtf8 } from '../../core/bytes.ts';
import { AttestdError } from '../../core/errors.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';

/** Largest chain that is read, in bytes and in certificates. */
export const MAX_PEM = 16_384;
const MAX_CHAIN = 6;
/** First byte of PEM: `-`. */
export const PEM_BEGIN = 0x2d;

const BEGIN = '-----BEGIN CERTIFICATE-----\n';
const END = '-----END CERTIFICATE-----';

/** The certificates in their order. @throws MALFORMED, TOO_LARGE */
export function readPemChain(bytes: Uint8Array): Certificate[] {
  if (bytes.length > MAX_PEM) throw new AttestdError('TOO_LARGE', `a PEM chain over ${MAX_PEM} bytes`);
  const end = bytes[bytes.length - 1] === 0 ? bytes.length - 1 : bytes.length;
  const text = fromUtf8(bytes.subarray(0, end)).replaceAll('\r\n', '\n');
  const out: Certificate[] = [];
  for (let at = 0; at < text.length; ) {
    const stop = text.indexOf(END, at);
    if (!text.startsWith(BEGIN, at) || stop < 0)
      throw new AttestdError('MALFORMED', 'PEM: no certificate here');
    if (out.length === MAX_CHAIN)
      throw new AttestdError('TOO_LARGE', `a chain of over ${MAX_CHAIN} certificates`);
    const body = text.slice(at + BEGIN.length, stop).replaceAll('\n', '');
    out.push(parseCertificate(fromBase64(body)));
    at = stop + END.length;
    while (text[at] === '\n') at++;
  }
  return out;
}
