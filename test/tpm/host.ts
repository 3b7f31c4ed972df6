/** What most tests of this floor start from: a software TPM, opened, and a folder for the identity. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, type Identity } from '../../src/tpm/keys.ts';
import { openTpm, type Tpm, type TpmOptions } from '../../src/tpm/tpm.ts';
import { type Swtpm, type SwtpmOptions, startSwtpm } from '../kit/swtpm.ts';

export const random = (n: number): Uint8Array => new Uint8Array(randomBytes(n));

export interface Host {
  readonly swtpm: Swtpm;
  tpm: Tpm;
  readonly dir: string;
  /** The fault proxy. @throws when the TPM was started without */
  readonly proxy: NonNullable<Swtpm['proxy']>;
  identity(): Promise<Identity>;
  /** Opens the TPM anew, as another process would. */
  reopen(): Promise<void>;
  stop(): Promise<void>;
}

export async function startHost(
  options: SwtpmOptions = {},
  tpmOptions: Partial<TpmOptions> = {},
): Promise<Host> {
  const swtpm = await startSwtpm(options);
  const dir = mkdtempSync(join(tmpdir(), 'attestd-host-'));
  const first = await openTpm({ tcti: swtpm.tcti, deadlineMs: 20_000, ...tpmOptions });
  const host: Host = {
    swtpm,
    tpm: first,
    dir,
    get proxy() {
      if (swtpm.proxy === null) throw new Error('started without a proxy');
      return swtpm.proxy;
    },
    identity: () => createIdentity(host.tpm, { dir }, random),
    async reopen() {
      await host.tpm.close();
      host.tpm = await openTpm({ tcti: swtpm.tcti, deadlineMs: 20_000, ...tpmOptions });
    },
    async stop() {
      await host.tpm.close();
      await swtpm.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return host;
}
