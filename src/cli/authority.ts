/** The authority that the `ca` commands open: which folder, which clock, which passphrase. */
import { randomBytes } from 'node:crypto';
import { type Authority, openAuthority, openSigner } from '../ca/authority.ts';
import { readPassphrase } from '../ca/keyfile.ts';
import type { Signer } from '../ca/signer.ts';
import { type Input, text } from './command.ts';

export const AUTHORITY_DEPS = {
  clock: Date.now,
  random: (n: number) => new Uint8Array(randomBytes(n)),
};

/** The authority of `--dir`. */
export function chosenAuthority(input: Input): Promise<Authority> {
  return openAuthority(text(input, 'dir') as string, AUTHORITY_DEPS);
}

/** Its signer, under the passphrase of `--passphrase-file` where there is one. */
export async function chosenSigner(input: Input, authority: Authority): Promise<Signer> {
  const file = text(input, 'passphraseFile');
  return openSigner(authority, file === undefined ? undefined : await readPassphrase(file));
}
