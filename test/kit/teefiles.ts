/** Reads the published reports of confidential machines in test/vectors/tee. */
import { readFileSync } from 'node:fs';
import { concat, fromHex } from '../../src/core/bytes.ts';
import { type Certificate, parseCertificate } from '../../src/evidence/x509/certificate.ts';

const ROOT = new URL('../vectors/tee/', import.meta.url);

export const teeFile = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, ROOT)));

export const teeText = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

// biome-ignore lint/suspicious/noExplicitAny: what these files hold is compared, not used
export const teeJson = (path: string): any => JSON.parse(teeText(path));

/** Every certificate in a PEM file or text. */
export const pemCertificates = (text: string): Certificate[] =>
  [...text.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)].map((m) =>
    parseCertificate(new Uint8Array(Buffer.from(m[1] as string, 'base64'))),
  );

export const teePem = (path: string): Certificate[] => pemCertificates(teeText(path));

/** A certificate table as a SEV-SNP host makes it. */
export function snpTable(rows: readonly (readonly [guid: string, der: Uint8Array])[]): Uint8Array {
  let at = 24 * (rows.length + 1);
  const le = (n: number) => Uint8Array.of(n & 255, (n >> 8) & 255, (n >> 16) & 255, 0);
  const heads = rows.map(([guid, der]) => {
    const head = concat(fromHex(guid), le(at), le(der.length));
    at += der.length;
    return head;
  });
  return concat(...heads, new Uint8Array(24), ...rows.map(([, der]) => der));
}
