/** What evidence is made from: the log as the store gives it, open for writing or read only. */
import type { Sealed } from '../store/seal.ts';

export interface LogReader {
  readonly origin: string;
  readonly size: number;
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
