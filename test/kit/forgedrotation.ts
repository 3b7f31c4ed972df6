/** Key changes of a forged host: entries that put the `next` keys of the world in force. */
import { toBase64, toHex } from '../../src/core/bytes.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { KEY_ROLES, keyExtraData } from '../../src/evidence/binding.ts';
import { ALG_ECDSA, ALG_SHA256 } from '../../src/evidence/tpm/algorithm.ts';
import { ATTEST_CERTIFY } from '../../src/evidence/tpm/attest.ts';
import { makeAttributes } from '../../src/evidence/tpm/attributes.ts';
import { printPublic } from '../../src/evidence/tpm/public.ts';
import type { Keys } from './authority.ts';
import type { createForgedLog } from './forgedlog.ts';
import { eccPublic, FLAGS, type ForgedTpm } from './forgedtpm.ts';
import { type Certification, type Rotation, same, type World } from './hooks.ts';

export interface RotationPlace {
  readonly origin: string;
  readonly boot: Uint8Array;
  readonly log: ReturnType<typeof createForgedLog>;
  readonly tpm: ForgedTpm;
  readonly w: World;
}

/** Writes the changes; what the TPM signs afterwards is by the new AK. @returns record key in force, indices of the changes */
export async function forgeRotation(
  rotation: Rotation | undefined,
  { origin, boot, log, tpm, w }: RotationPlace,
): Promise<{ record: Keys; changes: number[] }> {
  if (rotation === undefined) return { record: w.record, changes: [] };
  const scheme = { alg: ALG_ECDSA, hash: ALG_SHA256 };
  const area = (role: 'ak' | 'record') =>
    role === 'ak'
      ? printPublic(
          (rotation.akPublic ?? same)(
            eccPublic(w.nextAk, makeAttributes(...FLAGS, 'restricted', 'sign'), { scheme }),
            w,
          ),
        )
      : printPublic(
          (rotation.recordPublic ?? same)(
            eccPublic(w.nextRecord, makeAttributes(...FLAGS, 'sign'), { scheme }),
            w,
          ),
        );
  const certify = (which: Certification, object: Uint8Array) => {
    const usual = tpm.attestOf(
      ATTEST_CERTIFY,
      keyExtraData(KEY_ROLES[which], origin),
      tpm.named(object),
      4000n,
    );
    const { keys } = tpm.signer;
    return tpm.certified(rotation.certify?.(usual, which) ?? usual, rotation.signs?.(keys, which, w) ?? keys);
  };
  const changes: number[] = [];
  let last = 0;
  let ak = tpm.akPublic;
  for (const step of rotation.roles) {
    const role = step === 'back' ? 'ak' : step;
    const made = step === 'back' ? tpm.akPublic : area(role);
    const key = { public: toBase64(made), ...(await certify(role, made)) };
    let retires: JsonObject = {};
    if (role === 'ak') {
      tpm.use(step === 'back' ? w.ak : w.nextAk, made);
      retires = { retires: await certify('retired', ak) };
      ak = made;
    }
    const body: JsonObject = {
      change: 'replaced',
      role,
      reason: 'the year is over',
      prev: { id: log.ids[last] as string, digest: toHex(log.digests[last] as Uint8Array) },
      key,
      ...retires,
    };
    last = log.entries.length;
    log.add('keychange', rotation.body?.(body, role) ?? body, boot);
    changes.push(last);
  }
  return { record: rotation.roles.includes('record') ? w.nextRecord : w.record, changes };
}
