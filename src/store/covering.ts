/** Which seals of the log there are: found by the index, read where they stand. */

import type { StoreParts } from './parts.ts';
import { readSealed, type Sealed } from './seal.ts';

type Parts = Pick<StoreParts, 'lookup' | 'wal' | 'tip'>;

/** See `Store.sealCovering`. */
export function sealCovering(
  { lookup, wal, tip }: Parts,
  index: number,
  { minSize = 0, bootIndex }: { readonly minSize?: number; readonly bootIndex?: number },
): Sealed | undefined {
  for (const seal of lookup.seals(Math.max(index + 1, minSize))) {
    if (bootIndex === undefined || seal.bootIndex === bootIndex)
      return readSealed(wal.frame(seal.place).payload, tip.origin);
    // boot_index never goes back, so no later seal is of that run.
    if (seal.bootIndex > bootIndex) return undefined;
  }
  return undefined;
}

/** Every sealed checkpoint of size `from` and above, in order. */
export function* sealsFrom({ lookup, wal, tip }: Parts, from: number): Generator<Sealed> {
  let seq = 0;
  for (const seal of lookup.seals(from)) {
    if (seal.seq <= seq) continue;
    seq = seal.seq;
    yield readSealed(wal.frame(seal.place).payload, tip.origin);
  }
}
