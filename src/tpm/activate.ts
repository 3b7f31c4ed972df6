/**
 * Credential activation: proof that AK and EK are in one TPM (TPM 2.0 Part 1 §24). The endorsement auth, the AK's auth
 * and the answer travel in one session salted to the EK, whose key was compared with its certificate.
 */
import { AttestdError } from '../core/errors.ts';
import { Reader } from '../core/reader.ts';
import { ALG_SHA256, ALG_SHA384, ALG_SHA512 } from '../evidence/tpm/algorithm.ts';
import { parsePublic } from '../evidence/tpm/public.ts';
import type { HmacSession } from '../native/tpm.ts';
import type { Ek } from './ek.ts';
import { policyBranches } from './ektemplate.ts';
import { bytes, type Key } from './key.ts';
import type { Tpm } from './tpm.ts';
import type { RunOptions, Work } from './work.ts';

const SESSION_HASH: ReadonlyMap<number, 'sha256' | 'sha384' | 'sha512'> = new Map([
  [ALG_SHA256, 'sha256'],
  [ALG_SHA384, 'sha384'],
  [ALG_SHA512, 'sha512'],
]);

/** A policy session that authorises the EK: PolicySecret(endorsement), then PolicyOR for high-range templates. */
async function authoriseEk(w: Work, ek: Ek, auth: HmacSession) {
  const { nameAlg, attributes } = parsePublic(ek.public);
  const hash = SESSION_HASH.get(nameAlg);
  if (hash === undefined) throw new AttestdError('TPM_ERROR', 'the EK has a Name of an unknown hash');
  const session = w.keep(await w.ctx.startSession({ type: 'policy', hash }, w.plain()));
  await w.ctx.policySecret({ session, entity: 'endorsement' }, { ...w.plain(), auth });
  if (attributes.userWithAuth) await w.ctx.policyOr(session, policyBranches(nameAlg), w.plain());
  return session;
}

/** A TPM2B whose content the addon wants without its size. @throws MALFORMED */
function content(b: Uint8Array, what: string): Uint8Array {
  const r = new Reader(b, what);
  const out = r.sized(1024);
  r.end();
  return out;
}

/**
 * TPM2_ActivateCredential.
 * @param credentialBlob TPM2B_ID_OBJECT with its size in front
 * @param encryptedSecret TPM2B_ENCRYPTED_SECRET with its size in front
 * @returns the secret of the authority; keep it no longer than needed
 * @throws TPM_ERROR when the credential was made for another EK or AK, MALFORMED
 */
export async function activateCredential(
  tpm: Tpm,
  ak: Key,
  ek: Ek,
  credentialBlob: Uint8Array,
  encryptedSecret: Uint8Array,
  o?: RunOptions,
): Promise<Uint8Array> {
  const input = {
    credentialBlob: content(credentialBlob, 'TPM2B_ID_OBJECT'),
    secret: content(encryptedSecret, 'TPM2B_ENCRYPTED_SECRET'),
  };
  return tpm.run(
    async (w) => {
      const object = await w.key(ak);
      await w.room();
      const key = await ek.load(w);
      const auth = await w.salted(key);
      const auth2 = await authoriseEk(w, ek, auth);
      return bytes(await w.ctx.activateCredential({ object, key, ...input }, { ...w.plain(), auth, auth2 }));
    },
    { deadlineMs: 60_000, ...o },
  );
}
