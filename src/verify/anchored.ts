/** What makes a certified counter an anchor: signed by the AK, of this index, of this value, over this checkpoint. */
import { equal, u64 } from '../core/bytes.ts';
import { anchorExtraData } from '../evidence/binding.ts';
import { ATTEST_MAGIC, ATTEST_NV } from '../evidence/tpm/attest.ts';
import type { SignatureVerifier } from '../evidence/x509/signature.ts';
import type { GenesisFacts, SignedAttest } from './evidence.ts';
import { type Attestor, attestSigned } from './signed.ts';

export interface AnchorClaim {
  readonly certified: SignedAttest;
  /** Record digest of the anchor before, or zeros. */
  readonly previous: Uint8Array;
  /** Text of the anchored checkpoint. */
  readonly text: string;
  readonly value: bigint;
}

export interface CounterClaim {
  readonly certified: SignedAttest;
  /** What the certification must commit to. */
  readonly extraData: Uint8Array;
  readonly value: bigint;
}

/** Why the certification of the counter does not hold; undefined when it does. */
export async function counterFault(
  verify: SignatureVerifier,
  by: Attestor,
  genesis: GenesisFacts,
  { certified, extraData, value }: CounterClaim,
): Promise<string | undefined> {
  const { attest, bytes, signature } = certified;
  if (genesis.counter === undefined) return 'genesis names no counter';
  if (attest.magic !== ATTEST_MAGIC) return 'it was not made by a TPM';
  if (attest.type !== ATTEST_NV || attest.attested.kind !== 'nv')
    return 'it is no certification of an NV index';
  const { indexName, offset, contents } = attest.attested;
  if (!equal(indexName, genesis.counter.name)) return 'it is of another index than genesis names';
  if (offset !== 0 || contents.length !== 8) return 'it is not of the whole counter';
  if (!equal(contents, u64(value))) return 'the certified value is another than the one stated';
  if (!equal(attest.qualifiedSigner, by.qualifiedName))
    return 'another key than the attestation key certified it';
  if (!equal(attest.extraData, extraData)) return 'it commits to something else, or to another predecessor';
  return attestSigned(verify, by, bytes, signature);
}

/** Why the claim of an anchor does not hold; undefined when it does. */
export function anchorFault(
  verify: SignatureVerifier,
  by: Attestor,
  genesis: GenesisFacts,
  { certified, previous, text, value }: AnchorClaim,
): Promise<string | undefined> {
  return counterFault(verify, by, genesis, {
    certified,
    extraData: anchorExtraData(previous, text),
    value,
  });
}
