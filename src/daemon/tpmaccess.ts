/**
 * How a configuration opens the TPM, with the authorisations of hierarchies whose owner has set one: these come by systemd's
 * credentials alone (LoadCredentialEncrypted=), never from the configuration, never from the environment.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AttestdError } from '../core/errors.ts';
import type { TpmOptions } from '../tpm/tpm.ts';
import type { Config } from './config.ts';

/** Where systemd puts the credentials of the daemon's unit while that runs; attestctl finds them there. */
const CREDENTIALS = '/run/credentials/attestd.service';
/** The names of the credentials, in the units and in the manual. */
export const AUTH_CREDENTIALS = { owner: 'tpm-owner', endorsement: 'tpm-endorsement' } as const;

/**
 * What a credential holds, without the line break that ends it; undefined where there is none for us: not given, or not ours to
 * read, as for a user who runs attestctl.
 * @throws CONFIG_INVALID where it is given and cannot be read
 */
function credential(name: string): Uint8Array | undefined {
  const path = join(process.env.CREDENTIALS_DIRECTORY ?? CREDENTIALS, name);
  try {
    const bytes = readFileSync(path);
    return new Uint8Array(bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || (code === 'EACCES' && process.env.CREDENTIALS_DIRECTORY === undefined))
      return undefined;
    throw new AttestdError('CONFIG_INVALID', `the credential ${path} cannot be read: ${code}`, { cause });
  }
}

/** Options of `openTpm`. Read anew each time, for a hierarchy's authorisation may have been changed. */
export function accessOf({
  tpm: { tcti, deadline_ms, sessions },
}: Pick<Config, 'tpm'>): Pick<TpmOptions, 'tcti' | 'deadlineMs' | 'sessions' | 'hierarchyAuth'> {
  const owner = credential(AUTH_CREDENTIALS.owner);
  const endorsement = credential(AUTH_CREDENTIALS.endorsement);
  const hierarchyAuth = {
    ...(owner === undefined ? {} : { owner }),
    ...(endorsement === undefined ? {} : { endorsement }),
  };
  return { tcti, deadlineMs: deadline_ms, sessions, hierarchyAuth };
}
