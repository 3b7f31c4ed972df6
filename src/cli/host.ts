/** The host that the commands of an operator open: configuration, TPM and keys, while the daemon is not running. */
import { randomBytes } from 'node:crypto';
import { type Config, loadConfig } from '../daemon/config.ts';
import { layoutOf } from '../daemon/layout.ts';
import { accessOf } from '../daemon/tpmaccess.ts';
import { type Identity, type IdentityPlaces, loadIdentity } from '../tpm/keys.ts';
import { openTpm, type Tpm } from '../tpm/tpm.ts';
import { type Input, text } from './command.ts';
import { asOwner } from './owner.ts';

export const DEFAULT_CONFIG = '/etc/attestd/attestd.toml';

/** The configuration of `--config`. @throws CONFIG_INVALID */
export function chosenConfig(input: Input): Config {
  return loadConfig(text(input, 'config') ?? DEFAULT_CONFIG);
}

export const hostRandom = (n: number): Uint8Array => new Uint8Array(randomBytes(n));

/** Opens the TPM of a configuration, runs `work` as the owner of the state directory, closes it. */
export function withTpm<T>(config: Config, work: (tpm: Tpm) => Promise<T>): Promise<T> {
  return asOwner(config.state_dir, () => inTpm(config, work));
}

async function inTpm<T>(config: Config, work: (tpm: Tpm) => Promise<T>): Promise<T> {
  const tpm = await openTpm(accessOf(config));
  try {
    return await work(tpm);
  } finally {
    await tpm.close();
  }
}

/** Where the identity of this host and the approvals for its record key are. */
export const placesOf = ({ state_dir, record_key }: Config): IdentityPlaces => ({
  dir: layoutOf(state_dir).identity,
  approvals: record_key.approvals,
});

/** The same with the keys of this host loaded. @throws NOT_INITIALISED, TPM_KEY_LOST */
export function withIdentity<T>(
  config: Config,
  work: (tpm: Tpm, identity: Identity) => Promise<T>,
): Promise<T> {
  return withTpm(config, async (tpm) => work(tpm, await loadIdentity(tpm, placesOf(config))));
}
