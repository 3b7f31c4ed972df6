/**
 * The certificate table that a host hands its SEV-SNP guest (GHCB specification §4.1.8.1, publication 56421) and the
 * kernel passes on in `auxblob`: rows of GUID, offset and length, ended by a GUID of zeros, then the certificates. The
 * host writes it, so it is bounded, and nothing in it counts before a signature does.
 */
import { toHex } from '../../core/bytes.ts';
import { Reader } from '../../core/reader.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import { PEM_BEGIN, readPemChain } from './pem.ts';

/** Largest table that is read, in bytes. */
export const MAX_SNP_TABLE = 24_576;
const MAX_ROWS = 16;
const ROW = 24;

const KINDS: Readonly<Record<string, 'vcek' | 'vlek' | 'ask' | 'ark'>> = {
  '63da758de6644564adc5f4b93be8accd': 'vcek',
  a8074bc2a25a483eaae639c045a0b8a1: 'vlek',
  '4ab7b379bbac4fe4a02f05aef327c782': 'ask',
  c0b406a4a803495297433fb6014cd0ae: 'ark',
};

/** The certificates of a table by their kind; a row of an unknown kind is left out. */
export interface SnpTable {
  readonly vcek?: Certificate;
  readonly vlek?: Certificate;
  readonly ask?: Certificate;
  readonly ark?: Certificate;
}

/** Reads a table. @throws MALFORMED when a row points outside it, stands twice, or its certificate cannot be read */
export function parseSnpTable(bytes: Uint8Array): SnpTable {
  const r = new Reader(bytes, 'SEV-SNP certificate table');
  if (bytes.length > MAX_SNP_TABLE) throw r.fail(`more than ${MAX_SNP_TABLE} bytes`);
  const table: { -readonly [K in keyof SnpTable]: SnpTable[K] } = {};
  for (let rows = 0; r.left >= ROW; rows++) {
    const guid = toHex(r.bytes(16));
    const offset = r.u32le();
    const length = r.u32le();
    if (/^0+$/.test(guid)) return table;
    if (rows >= MAX_ROWS) throw r.fail(`more than ${MAX_ROWS} rows`);
    if (offset + length > bytes.length) throw r.fail('a row points outside the table');
    const kind = KINDS[guid];
    if (kind === undefined) continue;
    if (table[kind] !== undefined) throw r.fail(`a second ${kind.toUpperCase()}`);
    table[kind] = certificate(bytes.subarray(offset, offset + length), r);
  }
  if (bytes.length === 0) return table;
  throw r.fail('no row of zeros ends it');
}

/** GHCB says DER; hosts that were filled by `snphost import` hold PEM. */
function certificate(bytes: Uint8Array, r: Reader): Certificate {
  if (bytes[0] !== PEM_BEGIN) return parseCertificate(bytes);
  const [first, ...more] = readPemChain(bytes);
  if (first === undefined || more.length > 0) throw r.fail('a row does not hold one certificate');
  return first;
}
