/** Certificate and CRL files that a person names: PEM with any number of blocks, DER, or a directory of such files. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import * as files from '../evidence/certfile.ts';
import { readInput } from './files.ts';
import type { Io } from './io.ts';

/** Names of files in a directory that are taken for certificates or lists; others (a README, a list) are passed over. */
const EXTENSION = /\.(?:pem|crt|cer|der|crl)$/i;

/** DER of every certificate in the files. @throws USAGE when a file cannot be read, MALFORMED */
export function readCertificates(paths: readonly string[], io: Io): Promise<Uint8Array[]> {
  return readAll(paths, io, files.readCertificates);
}

/** DER of every CRL in the files. @throws USAGE, MALFORMED */
export function readCrls(paths: readonly string[], io: Io): Promise<Uint8Array[]> {
  return readAll(paths, io, files.readCrls);
}

async function readAll(
  paths: readonly string[],
  io: Io,
  read: (bytes: Uint8Array) => Uint8Array[],
): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for (const path of (await Promise.all(paths.map(expand))).flat()) {
    const bytes = await readInput(path, io);
    try {
      found.push(...read(bytes));
    } catch (cause) {
      throw new AttestdError('MALFORMED', `${path}: ${(cause as Error).message}`, { cause });
    }
  }
  return found;
}

/** A directory stands for the certificate files right in it, by name. */
async function expand(path: string): Promise<string[]> {
  const isDirectory = path !== '-' && (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (!isDirectory) return [path];
  const names = (await readdir(path)).filter((n) => EXTENSION.test(n)).sort();
  if (names.length === 0) {
    throw new AttestdError('USAGE', `${path}: no file in it is named .pem, .crt, .cer, .der or .crl`);
  }
  return names.map((n) => join(path, n));
}
