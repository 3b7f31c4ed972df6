/** Anchors in the order of the log: each names the one before it, and its counter is one more. */
import { equal, fromBase64, fromHex, toBase64, ZERO32 } from '../../core/bytes.ts';
import type { Predicate } from '../../evidence/statement.ts';
import { parseAttest } from '../../evidence/tpm/attest.ts';
import { parseSignature } from '../../evidence/tpm/signature.ts';
import { verifySignature } from '../../evidence/x509/signature.ts';
import { printCheckpoint } from '../../log/checkpoint.ts';
import { EMPTY_ROOT } from '../../log/merkle.ts';
import { type AnchorClaim, anchorFault } from '../anchored.ts';
import type { GenesisFacts } from '../evidence.ts';
import { akAt, type Keys } from '../keys.ts';
import { attestor } from '../signed.ts';
import type { RecentHeads } from './heads.ts';

/** An anchor as later entries need it. */
export interface AnchorState {
  readonly index: number;
  /** Record digest of the entry. */
  readonly digest: Uint8Array;
  readonly value: bigint;
  readonly size: number;
  /** A gap entry stands behind it, which is how a lost increment is owned up to. */
  gapSince: boolean;
}

/** The anchor in genesis, over the empty log. */
export function firstAnchor(
  digest: Uint8Array,
  origin: string,
  { value, certified }: NonNullable<GenesisFacts['counter']>,
): { state: AnchorState; claim: AnchorClaim } {
  const text = printCheckpoint({ origin, size: 0, root: EMPTY_ROOT });
  return {
    state: { index: 0, digest, value, size: 0, gapSince: false },
    claim: { certified, previous: ZERO32, text, value },
  };
}

/** An anchor entry after the anchor `last`. */
export function nextAnchor(
  index: number,
  digest: Uint8Array,
  origin: string,
  p: Predicate<'anchor'>,
  last: AnchorState,
): { state: AnchorState; claim: AnchorClaim; fault: string | undefined } {
  const value = BigInt(p.counter);
  const previous = fromHex(p.prev);
  const { size } = p.checkpoint;
  const bytes = fromBase64(p.attest);
  const certified = { bytes, attest: parseAttest(bytes), signature: parseSignature(fromBase64(p.signature)) };
  const text = printCheckpoint({ origin, size, root: fromBase64(p.checkpoint.root) });
  let fault: string | undefined;
  if (!equal(previous, last.digest)) fault = 'it names another anchor before it than the last';
  else if (value <= last.value) fault = `the counter went from ${last.value} to ${value}`;
  else if (value !== last.value + 1n && !last.gapSince) {
    fault = `the counter went from ${last.value} to ${value}, and no gap entry says why`;
  } else if (size < last.size) fault = 'it anchors an older head than the last anchor';
  return {
    state: { index, digest, value, size, gapSince: false },
    claim: { certified, previous, text, value },
    fault,
  };
}

/** Why an anchor does not speak of this log; undefined where it does. */
export function headFault(
  heads: Pick<RecentHeads, 'rootAt'>,
  index: number,
  { checkpoint: { size, root } }: Predicate<'anchor'>,
): string | undefined {
  const actual = size <= index ? heads.rootAt(size) : undefined;
  if (actual === undefined) return `a head of ${size} entries is out of reach`;
  return toBase64(actual) === root ? undefined : 'it anchors another root';
}

/** Why an anchor at `index` does not hold under the AK in force there. */
export const claimFault = (keys: Keys, index: number, claim: AnchorClaim): Promise<string | undefined> =>
  anchorFault(verifySignature, attestor(keys.genesis, akAt(keys, index)), keys.genesis, claim);
