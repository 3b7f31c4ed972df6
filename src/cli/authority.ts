/**
 * The authority that the `ca` commands open: which folder, which clock, and where its key is: in a file under a
 * passphrase from a file, a credential or a prompt, or in a TPM. After each act the log is signed.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createAuditLog } from '../ca/auditlog.ts';
import { type Authority, holdSigner, openAuthority, openSigner } from '../ca/authority.ts';
import { readPassphrase } from '../ca/keyfile.ts';
import type { Signer } from '../ca/signer.ts';
import { AttestdError } from '../core/errors.ts';
import { openTpmSigner, TPM_KEY_FILE } from './authoritytpm.ts';
import { type Input, text } from './command.ts';
import { askSecret } from './question.ts';

export const AUTHORITY_DEPS = {
  clock: Date.now,
  random: (n: number) => new Uint8Array(randomBytes(n)),
};

/** The authority of `--dir`. */
export function chosenAuthority(input: Input): Promise<Authority> {
  return openAuthority(text(input, 'dir') as string, AUTHORITY_DEPS);
}

/** Runs `work` with its signer, and signs the log afterwards, whatever came of it. */
export async function withSigner<T>(
  input: Input,
  authority: Authority,
  work: (signer: Signer) => Promise<T>,
): Promise<T> {
  return withKey(input, authority, async (signer) => {
    try {
      return await work(signer);
    } finally {
      await createAuditLog(authority).sign(signer);
    }
  });
}

async function withKey<T>(
  input: Input,
  authority: Authority,
  work: (signer: Signer) => Promise<T>,
): Promise<T> {
  const file = join(authority.dir, TPM_KEY_FILE);
  if (!existsSync(file))
    return work(await openSigner(authority, await chosenPassphrase(input, authority.dir)));
  const held = await openTpmSigner(file, text(input, 'tpm'));
  try {
    return await work(holdSigner(authority, held.signer));
  } finally {
    await held.close();
  }
}

/** The passphrase of `--passphrase-file`, or one typed in; none where the key needs none. */
async function chosenPassphrase(input: Input, dir: string): Promise<Uint8Array | undefined> {
  const file = text(input, 'passphraseFile');
  if (file !== undefined) return readPassphrase(file);
  if (!existsSync(join(dir, 'root-key.pem'))) return undefined;
  const typed = await askSecret(input.io, 'passphrase of the authority');
  if (typed === undefined) {
    throw new AttestdError('USAGE', 'give --passphrase-file; there is no terminal to ask at');
  }
  return typed;
}
