/**
 * The certificate file of an enrolment, and PEM in general (RFC 7468, strict form): the chain, leaf first, then the
 * CRL of its issuer. One spelling only: 64 characters a line, newline after every line, nothing between the blocks.
 */
import { fromBase64, fromUtf8, toBase64, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { outerLength } from './x509/der.ts';

/** Largest certificate file, bytes. */
export const MAX_CERTIFICATE_FILE = 1_048_576;

/** One PEM block. */
export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
}

/** PEM text of blocks, in order. */
export function printPem(blocks: readonly PemBlock[]): string {
  return blocks
    .map(({ label, der }) => {
      const lines = toBase64(der).match(/.{1,64}/g) ?? [];
      return `-----BEGIN ${label}-----\n${lines.map((l) => `${l}\n`).join('')}-----END ${label}-----\n`;
    })
    .join('');
}

/** Strict inverse of `printPem`: what it accepts prints back to the same text. @throws MALFORMED */
export function parsePem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  const block = /-----BEGIN ([A-Z0-9 ]{1,40})-----\n((?:[A-Za-z0-9+/=]{1,64}\n)+)-----END \1-----\n/y;
  while (block.lastIndex < text.length) {
    const at = block.lastIndex;
    const m = block.exec(text);
    if (m === null) throw new AttestdError('MALFORMED', `PEM: no block at character ${at}`);
    blocks.push({ label: m[1] as string, der: fromBase64((m[2] as string).replaceAll('\n', '')) });
  }
  if (printPem(blocks) !== text)
    throw new AttestdError('MALFORMED', 'PEM: not the one spelling of its blocks');
  return blocks;
}

/**
 * The certificates of a PEM file as people have them: other text between the blocks, any line length and CRLF are
 * passed over, because vendors ship roots with comments. @throws MALFORMED when there is none
 */
export function readPemCertificates(text: string): Uint8Array[] {
  const out = looseBlocks(text, 'CERTIFICATE');
  if (out.length === 0) throw new AttestdError('MALFORMED', 'PEM: no certificate in it');
  return out;
}

/** The content of every block of this label, whatever stands between the blocks. */
function looseBlocks(text: string, label: string): Uint8Array[] {
  const block = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----`, 'g');
  return [...text.matchAll(block)].map((m) => fromBase64((m[1] as string).replace(/\s/g, '')));
}

const isPem = (text: string): boolean => text.includes('-----BEGIN ');
const latin = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes);

/**
 * The certificates of a file of trust roots: PEM with any number of them, or DER, one after the other.
 * @throws MALFORMED when there is none
 */
export function readCertificates(bytes: Uint8Array): Uint8Array[] {
  const text = latin(bytes);
  return isPem(text) ? readPemCertificates(text) : derItems(bytes, 'certificate');
}

/** The same for revocation lists. A PEM file may hold none, for it may be one of certificates. @throws MALFORMED */
export function readCrls(bytes: Uint8Array): Uint8Array[] {
  const text = latin(bytes);
  return isPem(text) ? looseBlocks(text, 'X509 CRL') : derItems(bytes, 'revocation list');
}

function derItems(bytes: Uint8Array, what: string): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at] === 0x30 ? outerLength(bytes.subarray(at)) : Number.POSITIVE_INFINITY;
    if (at + length > bytes.length) throw new AttestdError('MALFORMED', `neither PEM nor a DER ${what}`);
    out.push(bytes.slice(at, at + length));
    at += length;
  }
  if (out.length === 0) throw new AttestdError('MALFORMED', 'an empty file');
  return out;
}

/** What the authority hands back: DER, leaf first and root last, and the issuer's CRL. */
export interface CertificateFile {
  readonly chain: readonly Uint8Array[];
  readonly crl: Uint8Array;
}

/** PEM bytes of a certificate file. */
export function printCertificateFile(f: CertificateFile): Uint8Array {
  return utf8(
    printPem([...f.chain.map((der) => ({ label: 'CERTIFICATE', der })), { label: 'X509 CRL', der: f.crl }]),
  );
}

/** Strict inverse of `printCertificateFile`: at least two certificates, one CRL, last. @throws MALFORMED, TOO_LARGE */
export function parseCertificateFile(file: Uint8Array): CertificateFile {
  if (file.length > MAX_CERTIFICATE_FILE)
    throw new AttestdError('TOO_LARGE', 'a certificate file over 1 MiB');
  const blocks = parsePem(fromUtf8(file));
  const crl = blocks.pop();
  if (crl?.label !== 'X509 CRL' || blocks.length < 2 || blocks.some((b) => b.label !== 'CERTIFICATE')) {
    throw new AttestdError('MALFORMED', 'the certificate file is not a chain and then one CRL');
  }
  return { chain: blocks.map((b) => b.der), crl: crl.der };
}
