/** What evidence is made from: the log as the store gives it, open for writing or read only. */
import { isAttestdError } from '../core/errors.ts';
import type { Sealed } from '../store/seal.ts';

export interface LogReader {
  readonly origin: string;
  readonly size: number;
  /** @throws RECORD_REMOVED */
  entry(index: number): Uint8Array;
  owner(index: number): { readonly id?: string; readonly uid?: number };
  lookup(id: string): { readonly index: number; readonly uid: number } | undefined;
  openings(index: number): Uint8Array | 'erased' | undefined;
  lastSeal(): Sealed | undefined;
  /** Seals of checkpoints of at least `from` entries, smallest first. */
  seals(from?: number): Iterable<Sealed>;
  /** Smallest sealed checkpoint that covers an entry, within bounds. */
  sealCovering(
    index: number,
    bounds?: { readonly minSize?: number; readonly bootIndex?: number },
  ): Sealed | undefined;
  inclusionProof(index: number, size: number): readonly Uint8Array[];
  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]>;
}

/** An entry, or nothing where it was removed for its age. */
export function entryIfKept(log: Pick<LogReader, 'entry'>, index: number): Uint8Array | undefined {
  try {
    return log.entry(index);
  } catch (e) {
    if (isAttestdError(e, 'RECORD_REMOVED')) return undefined;
    throw e;
  }
}
