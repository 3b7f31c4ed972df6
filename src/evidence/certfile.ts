/**
 * The certificate file of an enrolment, and PEM in general (RFC 7468, strict form): the chain, leaf first, then the
 * CRL of its issuer. One spelling only: 64 characters a line, newline after every line, nothing between the blocks.
 */
import { fromBase64, fromUtf8, toBase64, utf8 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';

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
  const out: Uint8Array[] = [];
  const block = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;
  for (const m of text.matchAll(block)) out.push(fromBase64((m[1] as string).replace(/\s/g, '')));
  if (out.length === 0) throw new AttestdError('MALFORMED', 'PEM: no certificate in it');
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
