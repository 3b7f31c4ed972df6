/** Which PCRs a seal quotes, as the TPM's structures want them: the SHA-256 bank, in rising order. */
import { ALG_SHA256 } from '../evidence/tpm/algorithm.ts';
import type { PcrSelection } from '../evidence/tpm/pcr.ts';

export type Selection = readonly [PcrSelection];

/** @param pcrs indices in any order; one that comes twice counts once */
export function selectionOf(pcrs: readonly number[]): Selection {
  return [{ hash: ALG_SHA256, pcrs: [...new Set(pcrs)].sort((a, b) => a - b) }];
}
