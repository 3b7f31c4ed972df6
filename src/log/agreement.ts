/**
 * What an inclusion proof says of a log besides the one leaf: hashes of stretches of its entries. The hash of a stretch
 * never changes in a log that only grows (RFC 9162 §2.1), so two proofs that give one stretch two hashes are proofs of
 * two logs, whatever their sizes. Where they give no stretch twice, nothing follows; a consistency proof would tell.
 */
import { equal } from '../core/bytes.ts';
import { type Inclusion, inclusionRoot } from './inclusion.ts';
import { nodeHash } from './merkle.ts';
import { splitPoint } from './position.ts';

/** Hashes by stretch, `begin-end`; none where the proof does not fit its numbers. */
export function stretchesOf(inclusion: Inclusion): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  if (inclusionRoot(inclusion) === undefined) return found;
  const { index, size, leafHash, proof } = inclusion;
  /** The halves on the way down: what the path goes into, and what stands beside it. */
  const beside: { readonly begin: number; readonly end: number }[] = [];
  let [begin, end] = [0, size];
  while (end - begin > 1) {
    const middle = begin + splitPoint(end - begin);
    if (index < middle) {
      beside.push({ begin: middle, end });
      end = middle;
    } else {
      beside.push({ begin, end: middle });
      begin = middle;
    }
  }
  let hash = leafHash;
  found.set(`${begin}-${end}`, hash);
  for (const sibling of proof) {
    const half = beside.pop() as { readonly begin: number; readonly end: number };
    found.set(`${half.begin}-${half.end}`, sibling);
    hash = half.begin < begin ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
    begin = Math.min(begin, half.begin);
    end = Math.max(end, half.end);
    found.set(`${begin}-${end}`, hash);
  }
  return found;
}

/** A stretch, `begin-end`, that two of these proofs give two hashes; undefined where they agree. */
export function contradiction(inclusions: readonly Inclusion[]): string | undefined {
  const known = new Map<string, Uint8Array>();
  for (const inclusion of inclusions) {
    for (const [stretch, hash] of stretchesOf(inclusion)) {
      const before = known.get(stretch);
      if (before !== undefined && !equal(before, hash)) return stretch;
      known.set(stretch, hash);
    }
  }
  return undefined;
}
