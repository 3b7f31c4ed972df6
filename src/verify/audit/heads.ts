/**
 * Roots at earlier sizes. An anchor names a checkpoint that was durable before the anchor was; when the audit comes to
 * the anchor, the tree has grown past it. A few snapshots of the compact range and the leaf hashes since then give that
 * root back without trusting any tile.
 */
import { fromBase64, toBase64 } from '../../core/bytes.ts';
import { CompactRange } from '../../log/range.ts';

const STRIDE = 4096;
const KEPT = 16;

/** As `save` gives it. */
export interface SavedHeads {
  readonly size: number;
  readonly hashes: readonly string[];
  readonly leaves: readonly string[];
}

export class RecentHeads {
  readonly #range: CompactRange;
  readonly #snapshots: { readonly size: number; readonly hashes: Uint8Array[] }[] = [];
  #leaves: Uint8Array[] = [];
  #leavesFrom: number;

  /** @param range where the audit starts */
  constructor(range: CompactRange) {
    this.#range = range;
    this.#leavesFrom = range.size;
    this.#snapshots.push({ size: range.size, hashes: [...range.hashes] });
  }

  /** The oldest head within reach and the leaf hashes since, at most two strides of them; base64. */
  save(): SavedHeads {
    const from = this.#snapshots.at(-2) ?? (this.#snapshots[0] as { size: number; hashes: Uint8Array[] });
    return {
      size: from.size,
      hashes: from.hashes.map(toBase64),
      leaves: this.#leaves.slice(from.size - this.#leavesFrom).map(toBase64),
    };
  }

  static restore({ size, hashes, leaves }: SavedHeads): RecentHeads {
    const heads = new RecentHeads(new CompactRange(size, hashes.map(fromBase64)));
    for (const leaf of leaves) heads.append(fromBase64(leaf));
    return heads;
  }

  get size(): number {
    return this.#range.size;
  }
  get range(): CompactRange {
    return this.#range;
  }

  append(leafHash: Uint8Array): void {
    this.#range.append(leafHash);
    this.#leaves.push(leafHash);
    if (this.#range.size % STRIDE !== 0) return;
    this.#snapshots.push({ size: this.#range.size, hashes: [...this.#range.hashes] });
    if (this.#snapshots.length <= KEPT) return;
    this.#snapshots.shift();
    const oldest = this.#snapshots[0] as { size: number };
    this.#leaves = this.#leaves.slice(oldest.size - this.#leavesFrom);
    this.#leavesFrom = oldest.size;
  }

  /** Root of the first `size` entries, or nothing when that is further back than is kept. */
  rootAt(size: number): Uint8Array | undefined {
    if (size > this.size) return undefined;
    if (size === this.size) return this.#range.root();
    const snapshot = this.#snapshots.findLast((s) => s.size <= size);
    if (snapshot === undefined) return undefined;
    const range = new CompactRange(snapshot.size, snapshot.hashes);
    for (let i = snapshot.size; i < size; i++) range.append(this.#leaves[i - this.#leavesFrom] as Uint8Array);
    return range.root();
  }
}
