/**
 * The key of an authority in a TPM: an unrestricted P-256 child of our storage primary, its blobs and auth value in
 * the authority's folder, used through WebCrypto (tpm/webcrypto.ts). The folder without the TPM signs nothing.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { writeDurably } from '../ca/folder.ts';
import { makeSigner, type Signer, type SubtleProvider } from '../ca/signer.ts';
import { fromBase64, toBase64 } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { parseFile, printFile } from '../evidence/jsonfile.ts';
import { publicName } from '../evidence/tpm/public.ts';
import { createKey, keyOf } from '../tpm/key.ts';
import { signingTemplate } from '../tpm/template.ts';
import { openTpm, type Tpm } from '../tpm/tpm.ts';
import { tpmCrypto } from '../tpm/webcrypto.ts';
import { hostRandom } from './host.ts';

/** Its file in the authority's folder. */
export const TPM_KEY_FILE = 'root-key.tpm.json';

const blob = () => Type.String({ minLength: 4, maxLength: 4096 });
const Schema = Type.Object(
  {
    schema: Type.Literal('https://attestd.dev/authority-tpm-key/v1'),
    tcti: Type.String({ minLength: 1, maxLength: 512 }),
    storage: blob(),
    public: blob(),
    private: blob(),
    auth: blob(),
  },
  { additionalProperties: false },
);

/** A signer and the TPM that it needs. */
export interface TpmSigner {
  readonly signer: Signer;
  close(): Promise<void>;
}

/** Makes the key of a new authority and its file. @returns for `KeyProtection.create` */
export function tpmKeyMaker(tcti: string): {
  create: (dir: string) => Promise<Signer>;
  close(): Promise<void>;
} {
  let tpm: Tpm | undefined;
  return {
    async create(dir) {
      tpm = await openTpm({ tcti, deadlineMs: 30_000 });
      tpm.pinStorage(null);
      const { blobs, storagePublic } = await createKey(tpm, signingTemplate(), hostRandom);
      const file: Static<typeof Schema> = {
        schema: 'https://attestd.dev/authority-tpm-key/v1',
        tcti,
        storage: toBase64(storagePublic),
        public: toBase64(blobs.public),
        private: toBase64(blobs.private),
        auth: toBase64(blobs.auth),
      };
      await writeDurably(join(dir, TPM_KEY_FILE), printFile('authority key', Schema, file));
      return signerOf(tpm, file);
    },
    async close() {
      await tpm?.close();
    },
  };
}

/** Opens the key of a file. @param tcti another way to the TPM than the one it was made by */
export async function openTpmSigner(path: string, tcti?: string): Promise<TpmSigner> {
  let file: Static<typeof Schema>;
  try {
    file = parseFile('authority key', Schema, new Uint8Array(await readFile(path)), 32_768);
  } catch (cause) {
    throw new AttestdError('AUTHORITY_CORRUPT', (cause as Error).message, { cause });
  }
  const tpm = await openTpm({ tcti: tcti ?? file.tcti, deadlineMs: 30_000 });
  return { signer: signerOf(tpm, file), close: () => tpm.close() };
}

function signerOf(tpm: Tpm, file: Static<typeof Schema>): Signer {
  const storageName = publicName(fromBase64(file.storage));
  tpm.pinStorage(storageName);
  const blobs = {
    public: fromBase64(file.public),
    private: fromBase64(file.private),
    auth: fromBase64(file.auth),
  };
  const key = keyOf('key of the authority', blobs, storageName);
  const { crypto, privateKey } = tpmCrypto(tpm, key);
  return makeSigner(crypto as unknown as SubtleProvider, privateKey, key.spki);
}
