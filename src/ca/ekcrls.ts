/**
 * Revocation lists of TPM vendors, in the folder `ek-crls` of the authority: the operator puts them there and takes
 * them away; nothing is fetched. PEM or DER, one or more a file. Vendors revoke issuing CAs, so a list matters for a
 * whole line of chips.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import { readCrls } from '../evidence/certfile.ts';
import { type Crl, parseCrl } from '../evidence/x509/crl.ts';
import type { Authority } from './authority.ts';
import { readIfThere } from './folder.ts';

/** Every list of the folder; none where there is no folder. @throws MALFORMED naming the file, TOO_LARGE */
export async function ekCrlsOf({ dir }: Pick<Authority, 'dir'>): Promise<Crl[]> {
  const folder = join(dir, 'ek-crls');
  const found: Crl[] = [];
  for (const name of await names(folder)) {
    try {
      const bytes = await readIfThere(join(folder, name));
      if (bytes !== undefined) found.push(...readCrls(bytes).map(parseCrl));
    } catch (cause) {
      throw new AttestdError('MALFORMED', `ek-crls/${name}: ${(cause as Error).message}`, { cause });
    }
  }
  return found;
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((n) => !n.startsWith('.')).sort();
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}
