/**
 * A key below the storage primary: made, kept as public and private blob with its auth, loaded whenever it is needed.
 * Never a saved context, never a persistent handle (design §5).
 */
import { equal, toHex } from '../core/bytes.ts';
import { AttestdError } from '../core/errors.ts';
import { RH_ENDORSEMENT } from '../evidence/tpm/names.ts';
import { parsePublic, publicName, publicSpki, qualifiedName } from '../evidence/tpm/public.ts';
import type { Creation } from '../native/tpm.ts';
import type { Binding } from './approved.ts';
import { isRc, RC } from './fault.ts';
import type { Tpm } from './tpm.ts';
import type { Resident, RunOptions, Work } from './work.ts';

/** `n` random bytes, from outside. */
export type Random = (n: number) => Uint8Array;

/** What is stored of a key. */
export interface KeyBlobs {
  /** TPMT_PUBLIC. */
  readonly public: Uint8Array;
  /** The buffer of TPM2B_PRIVATE. */
  readonly private: Uint8Array;
  /** 32 bytes, the last one not zero. */
  readonly auth: Uint8Array;
}

/** What TPM2_Create says about the birth of a key; needed for TPM2_CertifyCreation. */
export interface KeyCreation {
  /** TPMS_CREATION_DATA. */
  readonly data: Uint8Array;
  readonly hash: Uint8Array;
  /** TPMT_TK_CREATION. */
  readonly ticket: Uint8Array;
}

/** A key of ours that can be used. */
export interface Key extends Resident {
  /** TPMT_PUBLIC. */
  readonly public: Uint8Array;
  /** nameAlg ‖ H(public). */
  readonly name: Uint8Array;
  /** Name with its ancestors, as quotes carry it in qualifiedSigner. */
  readonly qualifiedName: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** Where its use is bound to states that the operator approves. */
  readonly bound?: Binding;
}

/** A 32-byte auth value. Its last byte is not zero: tpm2-tss before 4.1 drops trailing zeros from the HMAC key only. */
export function freshAuth(random: Random): Uint8Array {
  for (;;) {
    const auth = random(32);
    if (auth.length === 32 && auth[31] !== 0) return auth;
  }
}

/**
 * Makes a key below the storage primary; its auth reaches the TPM in a session salted to that primary.
 * @param template TPMT_PUBLIC of template.ts
 */
export async function createKey(
  tpm: Tpm,
  template: Uint8Array,
  random: Random,
  o?: RunOptions,
): Promise<{ blobs: KeyBlobs; creation: KeyCreation; storagePublic: Uint8Array }> {
  const auth = freshAuth(random);
  return tpm.run(async (w) => {
    const parent = await w.storage();
    const storagePublic = (await w.ctx.readPublic(parent, w.plain())).public;
    const session = await w.salted(parent);
    const input = { parent, public: template, sensitiveAuth: auth };
    const made: Creation & { private: Buffer } = await w.ctx.create(input, { ...w.plain(), auth: session });
    return {
      blobs: { public: bytes(made.public), private: bytes(made.private), auth },
      creation: {
        data: bytes(made.creationData),
        hash: bytes(made.creationHash),
        ticket: bytes(made.creationTicket),
      },
      storagePublic: bytes(storagePublic),
    };
  }, o);
}

/**
 * A usable key of stored blobs. Nothing is loaded yet.
 * @param role for error texts, as in `AK`
 * @param approvals directory of approvals, for a key that is bound to approved states
 * @throws MALFORMED when the public area is not one
 */
export function keyOf(role: string, blobs: KeyBlobs, storageName: Uint8Array, approvals = ''): Key {
  const name = publicName(blobs.public);
  const area = parsePublic(blobs.public);
  const above = qualifiedName(RH_ENDORSEMENT, storageName);
  return {
    public: blobs.public,
    name,
    qualifiedName: qualifiedName(above, name),
    spki: publicSpki(area),
    ...(area.attributes.userWithAuth ? {} : { bound: { policy: area.authPolicy, approvals } }),
    load: (w) => load(w, role, blobs, name),
  };
}

async function load(w: Work, role: string, blobs: KeyBlobs, name: Uint8Array) {
  const input = { parent: await w.storage(), private: blobs.private, public: blobs.public };
  const loaded = await w.ctx.load(input, w.plain()).catch((cause: unknown) => {
    if (!isRc(cause, RC.INTEGRITY)) throw cause;
    throw new AttestdError(
      'TPM_KEY_LOST',
      `the ${role} does not load: the TPM was cleared, or its blob belongs to another one`,
      { cause, rcName: 'TPM_RC_INTEGRITY' },
    );
  });
  if (!equal(loaded.name, name)) {
    await w.ctx.flush(loaded.handle);
    throw new AttestdError('TPM_KEY_LOST', `the ${role} loads under the Name ${toHex(loaded.name)}`);
  }
  await w.ctx.setAuth(loaded.handle, blobs.auth);
  return loaded.handle;
}

/** A plain copy that does not hold the addon's memory. */
export const bytes = (b: Uint8Array): Uint8Array => Uint8Array.from(b);
