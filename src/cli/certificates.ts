/** Certificate and CRL files that a person names: PEM with any number of blocks, or one DER. */
import { AttestdError } from '../core/errors.ts';
import { parsePem, readPemCertificates } from '../evidence/certfile.ts';
import { readInput } from './files.ts';
import type { Io } from './io.ts';

const isPem = (bytes: Uint8Array) =>
  new TextDecoder('latin1').decode(bytes.subarray(0, 65_536)).includes('-----BEGIN ');

/** DER of every certificate in the files. @throws USAGE when a file cannot be read, MALFORMED */
export async function readCertificates(paths: readonly string[], io: Io): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (const path of paths) {
    const bytes = await readInput(path, io);
    try {
      found.push(...(isPem(bytes) ? readPemCertificates(new TextDecoder().decode(bytes)) : [bytes]));
    } catch (cause) {
      throw new AttestdError('MALFORMED', `${path}: ${(cause as Error).message}`, { cause });
    }
  }
  return found;
}

/** DER of every CRL in the files. */
export async function readCrls(paths: readonly string[], io: Io): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (const path of paths) {
    const bytes = await readInput(path, io);
    if (!isPem(bytes)) found.push(bytes);
    else {
      const blocks = parsePem(new TextDecoder().decode(bytes));
      found.push(...blocks.filter((b) => b.label === 'X509 CRL').map((b) => b.der));
    }
  }
  return found;
}
